#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Cuts the file of a disk that nestling wrote to what it wrote: cut-output.pl OPTION FILE. A disk has no
# length, but what is written says its own.
use strict;
use warnings;

my ($option, $path) = @ARGV;
open my $file, '+<:raw', $path or die "$path: $!\n";

# Bytes of the file from this place on; fewer at its end.
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

# A core ends with the last of what its program headers name (elf(5)).
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

# A trace is text: it ends before the first byte that is none.
sub text_size {
    my $size = 0;
    while (length(my $bytes = bytes($size, 1 << 20))) {
        my $zero = index $bytes, "\0";
        return $size + $zero if $zero >= 0;
        $size += length $bytes;
    }
    return $size;
}

my %size = ('dump-dtb' => \&tree_size, 'dump-core' => \&core_size, 'trace-file' => \&text_size);
truncate $file, $size{$option}->() or die "$path: $!\n";
