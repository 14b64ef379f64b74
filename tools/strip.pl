#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Leaves of a linked program what the kernel loads, and no section: strip.pl READELF IN OUT
# Relocations are packed for crt/start.c: .relocs gets a bit for each 8-byte word from __relro_start on,
# set if the load address has to be added to it, and the addend into the word. The 24 bytes that .rela.dyn has for each can then go, and its segment is taken out of the program headers.
use strict;
use warnings;

my ($readelf, $in, $out) = @ARGV;

sub lines {
	open my $pipe, '-|', $readelf, @_, $in or die "$readelf: $!\n";
	my @lines = <$pipe>;
	close $pipe or die "$readelf failed\n";
	return @lines;
}

my ($words, $end) = map {
	my $name = $_;
	map { / ([0-9a-f]+) .* \Q$name\E$/ ? hex $1 : () } lines('-sW');
} '__relro_start', '__relocs';
my %sections = map { /\] (\.rel\S+) +\S+ +(\S+) (\S+) (\S+)/ ? ($1 => [map { hex } $2, $3, $4]) : () }
	lines('-SW');
my ($rela, $relocs) = @sections{'.rela.dyn', '.relocs'};
die "$in: not linked by crt/program.lds\n" unless $words && $end && $rela && $relocs;

my @addends;
my $bits = "\0" x $relocs->[2];
for (lines('-rW')) {
	next unless /^([0-9a-f]{16}) /;
	my $at = hex $1;
	die "$in: $_" unless / R_AARCH64_RELATIVE / && $at % 8 == 0 && $at >= $words && $at < $end;
	vec($bits, ($at - $words) / 8, 1) = 1;
	push @addends, [$at, / ([0-9a-f]+)$/ ? hex $1 : die "$in: $_"];
}

open my $file, '<:raw', $in or die "$in: $!\n";
my $program = do { local $/; <$file> };
substr $program, $relocs->[1], length $bits, $bits;
substr $program, $relocs->[1] - ($end - $_->[0]), 8, pack 'Q<', $_->[1] for @addends;
my $end_of_file = 0;
for my $i (0 .. unpack('v', substr $program, 56, 2) - 1) {
	my $header = unpack('Q<', substr $program, 32, 8) + 56 * $i;
	my ($type, undef, $offset, $address, undef, $size) = unpack 'V V Q<4', substr $program, $header, 40;
	next unless $type == 1; # PT_LOAD
	if ($address == $rela->[0]) {
		substr $program, $header, 4, pack 'V', 0; # PT_NULL
	} elsif ($offset + $size > $end_of_file) {
		$end_of_file = $offset + $size;
	}
}
substr $program, $end_of_file, length $program, '';
substr $program, 40, 8, pack 'Q<', 0;       # e_shoff
substr $program, 58, 6, pack 'v3', 0, 0, 0; # e_shentsize, e_shnum, e_shstrndx
open my $copy, '>:raw', $out or die "$out: $!\n";
print $copy $program;
close $copy or die "$out: $!\n";
