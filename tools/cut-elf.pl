#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Cuts off what nothing needs to run an ELF file: cut-elf.pl FILE. Its relocations are the last that is used
# (crt/program.lds); behind them are what the linker makes for a dynamic linker, the section headers and their names.
# Used by the Makefile, because the linker cannot leave these out.
# Format: System V ABI, "ELF Header", "Section Header" and "Program Header", of 64 bits.
use strict;
use warnings;

use constant { RELA => 4, LOAD => 1 };

# Offsets of a section header's and a program header's fields: of its type, its file offset and its size.
use constant { SECTION => [4, 24, 32], SEGMENT => [0, 8, 32] };

open my $file, '+<:raw', $ARGV[0] or die "cut-elf.pl: $ARGV[0]: $!\n";
read $file, my $bytes, -s $file;

# Returns where the headers of that type are, with their file offsets and sizes.
sub headers {
	my ($table, $size, $count, $fields, $type) = @_;
	return grep { $type == unpack 'L<', substr $bytes, $_->[0] + $fields->[0], 4 } map {
		my $at = $table + $_ * $size;
		[$at, map { unpack 'Q<', substr $bytes, $at + $_, 8 } @$fields[1, 2]]
	} 0 .. $count - 1;
}

my ($segments, $sections) = unpack 'x32 Q<2', $bytes;
my ($segment_size, $segment_count, $section_size, $section_count) = unpack 'x54 S<4', $bytes;
my ($relocations) = headers($sections, $section_size, $section_count, SECTION, RELA);
my $end = $relocations->[1] + $relocations->[2];
my ($last) = sort { $b->[1] <=> $a->[1] } headers($segments, $segment_size, $segment_count, SEGMENT, LOAD);
substr $bytes, $last->[0] + 32, 16, pack 'Q<2', ($end - $last->[1]) x 2; # p_filesz, p_memsz
substr $bytes, 40, 8, pack 'Q<', 0;         # e_shoff
substr $bytes, 58, 6, pack 'S<3', 64, 0, 0; # e_shentsize, e_shnum, e_shstrndx
seek $file, 0, 0;
print $file substr $bytes, 0, $end or die "cut-elf.pl: $ARGV[0]: $!\n";
truncate $file, $end or die "cut-elf.pl: $ARGV[0]: $!\n";
close $file or die "cut-elf.pl: $ARGV[0]: $!\n";
