#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Packs a table of relative relocations, 24 bytes for each, into one as DT_RELR has it, which takes a fortieth:
# relr.pl <RELA >RELR. Used by the Makefile, because the linker (binutils 2.40) does this for other CPUs only.
# Format: System V ABI, "Relative relocations"; crt/start.c reads it.
use strict;
use warnings;

use constant RELATIVE => 1027; # R_AARCH64_RELATIVE
use constant BITS => 63;       # in a bitmap, each for a word of 8 bytes

local $/;
my @fields = unpack 'Q<*', <STDIN>;
my @addresses;
while (my ($address, $type, $addend) = splice @fields, 0, 3) {
	die sprintf "relr.pl: relocation of type %d at %#x, not of %d\n", $type, $address, RELATIVE
		if $type != RELATIVE || $address % 8;
	push @addresses, $address;
}
@addresses = sort { $a <=> $b } @addresses;

my @entries;
while (@addresses) {
	my $next = shift @addresses;
	push @entries, $next;
	for ($next += 8; @addresses && $addresses[0] < $next + 8 * BITS; $next += 8 * BITS) {
		my $bitmap = 1;
		$bitmap |= 1 << 1 + (shift(@addresses) - $next) / 8
			while @addresses && $addresses[0] < $next + 8 * BITS;
		push @entries, $bitmap;
	}
}
print pack 'Q<*', @entries, 0;
