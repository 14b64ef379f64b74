#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Truncates an output file to the length of its contents: cut-output.pl OPTION FILE. Nestling wrote it as
# a disk, which is larger; the format of what the option writes tells the length.
use strict;
use warnings;

my ($option, $path) = @ARGV;
open my $file, '+<:raw', $path or die "$path: $!\n";

# Reads SIZE bytes of the file at an offset, or fewer at its end.
sub bytes {
    my ($at, $size) = @_;
    seek $file, $at, 0 or die "$path: $!\n";
    defined read $file, my $bytes, $size or die "$path: $!\n";
    return $bytes;
}

# A device tree has its size in its header (Devicetree Specification, 5.2).
sub tree_size {
    my ($magic, $size) = unpack 'NN', bytes(0, 8);
    return $magic == 0xd00dfeed ? $size : 0;
}

# A core file ends with the last segment of its program headers (elf(5)).
sub core_size {
    my ($magic, $at, $count) = unpack 'a4x28Q<x16S<', bytes(0, 64);
    return 0 if $magic ne "\x7fELF";
    my $end = 0;
    for (0 .. $count - 1) {
        my ($offset, $size) = unpack 'x8Q<x16Q<', bytes($at + 56 * $_, 56);
        $end = $offset + $size if $offset + $size > $end;
    }
    return $end;
}

# A trace is text: it ends before the first zero byte.
sub text_size {
    my $size = 0;
    while (length(my $bytes = bytes($size, 1 << 20))) {
        my $zero = index $bytes, "\0";
        return $size + $zero if $zero >= 0;
        $size += length $bytes;
    }
    return $size;
}

# A snapshot has its size in its header (docs/snapshots.md), which is written last.
sub snapshot_size {
    my ($magic, $size) = unpack 'a8x16Q<', bytes(0, 32);
    return $magic eq 'NSTLsnap' ? $size : 0;
}

my %size = ('dump-dtb' => \&tree_size, 'dump-core' => \&core_size, 'trace-file' => \&text_size,
    save => \&snapshot_size);
truncate $file, $size{$option}->() or die "$path: $!\n";
