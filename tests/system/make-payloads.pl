#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Makes payloads for load.t, most of them broken: make-payloads.pl DIRECTORY HELLO.bin
# Prints a line for each, with fields separated by semicolons: file, exit status, pattern of the output (one line
# unless the status is 0), options.
use strict;
use warnings;
no warnings qw(portable); # hexadecimal numbers of more than 32 bits
use IO::Compress::Gzip qw(gzip);

my ($directory, $hello_file) = @ARGV;
my $hello = read_file($hello_file);
my %count;

sub read_file {
	open my $file, '<:raw', $_[0] or die "$_[0]: $!\n";
	local $/;
	return <$file>;
}

# row NAME STATUS PATTERN BYTES [OPTIONS]
sub row {
	my ($name, $status, $pattern, $bytes, $options) = @_;
	open my $file, '>:raw', "$directory/$name" or die "$directory/$name: $!\n";
	print $file $bytes;
	close $file or die "$directory/$name: $!\n";
	print join(";", "/payloads/$name", $status, $pattern, $options // ''), "\n";
}

sub packed {
	my ($bytes) = @_;
	gzip(\$bytes => \my $zipped, -Minimal => 1) or die "gzip failed\n";
	return $zipped;
}

# ---- arm64 Image: the header's fields, and hello behind a jump over it ----

sub image {
	my %field = (text_offset => 0x80000, image_size => 0x10000, flags => 0, magic => "ARM\x64", @_);
	return pack('V V Q< Q< Q< Q<3 a4 V', 0x14000010, 0xd503201f,
		@field{qw(text_offset image_size flags)}, 0, 0, 0, $field{magic}, 0)
		. (defined $field{body} ? $field{body} : $hello);
}

# hello.bin is linked for 0x40080000, so it cannot follow a header of 64 bytes. Instead a guest that
# ends at once: PSCI SYSTEM_OFF.
my $off = pack 'V*', 0x52800100, 0x72b08000, 0xd4000002; # mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0
my $whole = image(body => $off);

row('image', 0, '', $whole);
row('image-old', 0, '', image(body => $off, image_size => 0, text_offset => 0));
row('image-low', 0, '', image(body => $off, text_offset => 0));
row('image-odd', 0, '', image(body => $off, text_offset => 0xfffc0));
row('image-4k', 0, '', image(body => $off, flags => 2));
row("image-cut-$_", 65, $_ < 4 ? 'first word' : 'first word|no A64', substr $whole, 0, $_) for 1 .. 3;
row("image-mz-cut-$_", 65, 'an EFI program or a cut Image', substr "MZ\0\x14" . substr($whole, 4), 0, $_)
	for 4, 8, 12, 16, 24, 32, 40, 48, 56, 59;
row("image-cut-$_", 65, 'ends within its header', substr $whole, 0, $_) for 60, 63;
row('image-wrong-magic', 65, 'an EFI program or a cut Image', 'MZ' . substr image(magic => 'ARM?'), 2);
row('image-unaligned', 65, 'no multiple of 4', image(text_offset => 0x80002));
row('image-short', 65, 'has [0-9]+ bytes, but its header says 64', image(image_size => 64));
row('image-huge', 65, 'do not fit into 128 MiB', image(image_size => 1 << 40));
row('image-wraps', 65, 'do not fit', image(image_size => ~0));
row('image-far', 65, 'do not fit', image(text_offset => 1 << 40));
row('image-below', 65, 'do not fit', image(text_offset => -0x1000 & ~0));
row('image-offset-wraps', 65, 'do not fit', image(text_offset => ~0 - 0x3fffffff));
row('image-16k', 65, 'needs pages of 16 KiB', image(flags => 4));
row('image-exact', 65, 'do not fit into 2 MiB', image(image_size => 0x180001), '-m 2M');
row('image-all-of-ram', 0, '', image(body => $off, text_offset => 0x2000, image_size => 0x1fe000), '-m 2M');
row('image-no-room-for-tree', 65, 'device tree: [0-9]+ bytes do not fit into 2 MiB',
	image(text_offset => 0x2000, image_size => 0x1fe000), '-m 2M -a ' . 'x' x 4096);

# ---- ELF64, with one segment by default ----

sub segment {
	my %field = (type => 1, flags => 7, offset => 0x1000, vaddr => 0x40080000, filesz => length $hello,
		memsz => 0x8000, align => 0x1000, @_);
	$field{paddr} //= $field{vaddr};
	return pack 'V V Q<6', @field{qw(type flags offset vaddr paddr filesz memsz align)};
}

sub elf {
	my %field = (ident => "\x7fELF\2\1\1", type => 2, machine => 183, version => 1, entry => 0x40080000,
		phoff => 64, phentsize => 56, segments => [segment()], body => $hello, @_);
	my @segments = @{$field{segments}};
	$field{phnum} //= @segments;
	my $file = pack('a16 v v V Q<3 V v6', @field{qw(ident type machine version entry phoff)}, 0, 0, 64,
		@field{qw(phentsize phnum)}, 0, 0, 0) . join '', @segments;
	return $file . "\0" x (0x1000 - length $file) . $field{body};
}

my $good = elf();
my $end = length $hello;
row('elf', 0, 'device tree at 0x40000000', $good); # by x0, which tells the start of RAM
row('elf-high', 0, 'Hello', elf(entry => 0xffff000000080000,
	segments => [segment(vaddr => 0xffff000000080000, paddr => 0x40080000)]));
row('elf-physical-entry', 0, 'Hello', elf(segments =>
	[segment(vaddr => 0xffff000000080000, paddr => 0x40080000)]));
row('elf-dyn', 0, 'Hello', elf(type => 3));
row('elf-empty-segment', 0, 'Hello', elf(segments => [segment(), segment(filesz => 0, memsz => 0)]));
row('elf-unaligned', 0, 'Hello', elf(phoff => 65, body => $hello, segments =>
	["\0" . segment()], phnum => 1));
row('elf-flash', 0, '', elf(entry => 0x200000, segments =>
	[segment(vaddr => 0x200000, filesz => length $off, memsz => 64)], body => $off));
row("elf-cut-$_", 65, 'ELF: ends within its header', substr $good, 0, $_)
	for 4, 5, 6, 7, 16, 18, 20, 24, 32, 40, 48, 52, 54, 56, 58, 60, 62, 63;
row("elf-cut-$_", 65, 'ELF: ends within its program headers', substr $good, 0, $_)
	for 64, 68, 72, 80, 88, 96, 104, 112, 119;
row('elf-cut-segment', 65, 'ELF: ends within a segment', substr $good, 0, -1);
row('elf-cut-before-segment', 65, 'ELF: ends within a segment', substr $good, 0, 0x800);
row('elf-wrong-magic', 65, 'no A64 instruction', "\x7fELG" . substr $good, 4);
row('elf-32', 65, 'ELF: is not 64-bit', elf(ident => "\x7fELF\1\1\1"));
row('elf-class-0', 65, 'ELF: is not 64-bit', elf(ident => "\x7fELF\0\1\1"));
row('elf-big-endian', 65, 'ELF: is big-endian', elf(ident => "\x7fELF\2\2\1"));
row('elf-version', 65, 'ELF: has an unknown version', elf(version => 2));
row('elf-ident-version', 65, 'ELF: has an unknown version', elf(ident => "\x7fELF\2\1\0"));
row('elf-x86', 65, 'ELF: is for another machine', elf(machine => 62));
row('elf-object', 65, 'ELF: is no executable', elf(type => 1));
row('elf-core', 65, 'ELF: is no executable', elf(type => 4));
row('elf-phentsize', 65, 'program headers of an odd size', elf(phentsize => 32));
row('elf-no-headers', 65, 'ELF: has no program headers', elf(phnum => 0));
row('elf-many-headers', 65, 'ends within its program headers', elf(phnum => 65535));
row('elf-many-notes', 0, 'Hello', elf(segments => [map { segment(type => $_ ? 4 : 1) } 0 .. 69]));
row('elf-many-segments', 65, 'more than 64 segments', elf(segments => [segment(),
	map { segment(vaddr => 0x40100000 + 16 * $_, filesz => 0, memsz => 4) } 1 .. 64]));
row('elf-phoff', 65, 'ends within its program headers', elf(phoff => 0x10000000));
row('elf-phoff-wraps', 65, 'ends within its program headers', elf(phoff => ~0 - 7));
row('elf-nothing-to-load', 65, 'entered outside of its segments', elf(segments => [segment(type => 4)]));
row('elf-offset-wraps', 65, 'ends within a segment', elf(segments => [segment(offset => ~0 - 7)]));
row('elf-filesz', 65, 'ends within a segment', elf(segments => [segment(filesz => ~0, memsz => ~0)]));
row('elf-memsz', 65, 'more in the file than in memory', elf(segments => [segment(memsz => $end - 1)]));
row('elf-memsz-wraps', 65, 'wraps around', elf(segments => [segment(memsz => ~0)]));
row('elf-paddr-wraps', 65, 'wraps around', elf(segments =>
	[segment(), segment(vaddr => 0, paddr => ~0 - 0xfff)]));
row('elf-overlap', 65, 'segments that overlap', elf(segments =>
	[segment(), segment(vaddr => 0x40087fff)]));
row('elf-overlap-inside', 65, 'segments that overlap', elf(segments =>
	[segment(vaddr => 0x40081000, filesz => 4, memsz => 4), segment()]));
row('elf-overlap-same', 65, 'segments that overlap', elf(segments => [segment(), segment()]));
row('elf-headers-below', 0, 'Hello', elf(body => "\0" x 0x80000 . $hello, segments => [segment(offset => 0,
	vaddr => 0x3ffff000, filesz => 0x81000 + $end, memsz => 0x89000)]));
row('elf-entry-below', 65, 'entered outside', elf(segments => [segment(paddr => 0x3ffff000)]));
row('elf-below', 65, 'do not fit', elf(segments => [segment(), segment(paddr => 0x3fff7000)]));
row('elf-interpreter', 65, 'is a program for Linux', elf(segments => [segment(type => 3), segment()]));
row('elf-on-uart', 65, 'do not fit', elf(segments => [segment(paddr => 0x9000000)]));
row('elf-beyond-flash', 65, 'do not fit', elf(segments => [segment(paddr => 0x7fff000)]));
row('elf-above', 65, 'do not fit', elf(segments => [segment(paddr => 0x48000000)]));
row('elf-across', 65, 'do not fit', elf(segments => [segment(paddr => 0x47fff000)]));
row('elf-bss-too-large', 65, 'do not fit', elf(segments => [segment(memsz => 0x8000000)]));
row('elf-entry', 65, 'entered outside', elf(entry => 0x30000000));
row('elf-entry-in-bss', 65, 'entered outside', elf(entry => 0x40080000 + $end));
row('elf-entry-odd', 65, 'no multiple of 4', elf(entry => 0x40080002));

# ---- gzip, and the EFI wrapper around it ----

my $zipped = packed($hello);
my $zimage = packed($whole);
my $zboot = pack('a4 a4 V V V V a8', 'MZ', 'zimg', 64, length $zimage, 0, 0, 'gzip') . "\0" x 32 . $zimage;
row('gzip', 0, 'Hello', $zipped);
row('gzip-image', 0, '', $zimage);
row('gzip-elf', 0, 'Hello', packed($good));
# Files whose pages are read again after they were loaded: headers in a segment, and two segments of the same bytes.
row('gzip-elf-whole', 0, 'Hello', packed(elf(segments =>
	[segment(offset => 0, vaddr => 0x4007f000, filesz => 0x1000 + $end, memsz => 0x9000)])));
row('gzip-elf-twice', 0, 'Hello', packed(elf(segments => [
	segment(offset => 0, vaddr => 0x4007f000, filesz => 0x1000 + $end, memsz => 0x9000),
	segment(offset => 0, vaddr => 0x40100000, filesz => 0x1000 + $end, memsz => 0x9000)])));
row('gzip-trailing', 0, 'Hello', $zipped . 'what follows is not of it');
row('gzip-named', 0, 'Hello', substr($zipped, 0, 3) . "\x1f" . substr($zipped, 4, 6)
	. pack('v', 3) . "abc" . "name\0comment\0" . "\0\0" . substr $zipped, 10);
row('zboot', 0, '', $zboot);
row("gzip-cut-$_", 65, 'gzip: .*(cut off|broken header)', substr $zipped, 0, $_)
	for 4, 9, 10, 11, 100, length($zipped) - 8, length($zipped) - 1;
row('gzip-method', 65, 'gzip: has a broken header', substr($zipped, 0, 2) . "\7" . substr $zipped, 3);
row('gzip-flags', 65, 'gzip: has a broken header', substr($zipped, 0, 3) . "\x80" . substr $zipped, 4);
row('gzip-endless-name', 65, 'gzip: has a broken header',
	substr($zipped, 0, 3) . "\x08" . substr($zipped, 4, 6) . 'x' x 50);
row('gzip-bad-block', 65, 'gzip: is damaged', substr($zipped, 0, 10) . "\x07" . substr $zipped, 11);
row('gzip-bad-stored', 65, 'gzip: is damaged', substr($zipped, 0, 10) . "\1\5\0\5\0hello" . substr $zipped, -8);
row('gzip-bad-distance', 65, 'gzip: is damaged', substr($zipped, 0, 10) . "\x03\x02\0" . substr $zipped, -8);
row('gzip-crc', 65, 'gzip: is damaged', substr($zipped, 0, -8) . "\0" x 4 . substr $zipped, -4);
row('gzip-lies', 65, 'gzip: is damaged', substr($zipped, 0, -4) . pack 'V', 1);
row('gzip-bomb', 65, 'more in it than fits', packed("\0" x (3 << 20)), '-m 2M');
row('gzip-nothing', 65, 'has nothing in it', packed(''));
row('gzip-gzip', 65, 'is compressed by gzip', packed($zipped));
row('zboot-cut', 65, 'ends within the packed kernel', substr $zboot, 0, -1);
row('zboot-offset', 65, 'ends within the packed kernel', pack('a4 a4 V V V V a8', 'MZ', 'zimg', ~0, 8, 0, 0, 'gzip') . $zimage);
row('zboot-zstd', 65, 'packed with zstd', pack('a4 a4 V V V V a8', 'MZ', 'zimg', 32, 8, 0, 0, 'zstd') . 'x' x 8);

# ---- other headers, or none ----

row('flat', 0, 'Hello', $hello);
row('empty', 65, 'empty', '');
row('zeros', 65, 'no A64 instruction', "\0" x 4096);
row('ones', 65, 'no A64 instruction', "\x7f\x45\x4c\x06" x 8);
row('text', 65, 'is a script', "#!/bin/sh\n");
row('xz', 65, 'compressed by xz', "\xfd7zXZ\0");
row('bzip2', 65, 'compressed by bzip2', "BZh91AY");
row('zstd', 65, 'compressed by zstd', "\x28\xb5\x2f\xfd\0\0");
row('lz4', 65, 'compressed by lz4', "\x02\x21\x4c\x18\0");
row('uimage', 65, 'U-Boot image', "\x27\x05\x19\x56" . "\0" x 60);
row('fit', 65, 'device tree or FIT', "\xd0\x0d\xfe\xed" . "\0" x 36);
row('archive', 65, 'archive of objects', "!<arch>\n");
row('flat-too-large', 65, 'do not fit into 2 MiB', $hello . "\0" x (2 << 20), '-m 2M');

# ---- initrd and device tree ----

row('initrd-too-large', 65, '--initrd .*do not fit', 'x' x (2 << 20), '-m 2M hello -i');
row('initrd-empty', 65, 'empty', '', 'hello -i');
row('initrd-just-too-large', 65, '--initrd .*do not fit', 'x' x 0x17f001, '-m 2M hello -i');
row('initrd-fits', 0, '^tree 0x40000000 initrd 0x400a0000 to 0x40200000$', 'x' x 0x160000, '-m 2M /payloads/place.bin -i');
row('initrd-below-half', 0, '^tree 0x40000000 initrd 0x40180000 to 0x40400000$', 'x' x 0x280000, '-m 4M /payloads/place.bin -i');
row('dtb-garbage', 65, 'is no whole device tree', 'garbage ' x 20, 'hello --dtb');
row('dtb-cut', 65, 'is no whole device tree', substr(tree(), 0, -1), 'hello --dtb');
row('dtb-short', 65, 'is no whole device tree', substr(tree(), 0, 20), 'hello --dtb');
row('dtb-big-header', 65, 'is no whole device tree', tree(totalsize => 0x7fffffff), 'hello --dtb');
row('dtb-version-16', 65, 'has version 16', tree(version => 16), 'hello --dtb');
row('dtb-too-big', 65, 'more than 2097152', tree(more => "\0" x (2 << 20)), 'hello --dtb');
row('dtb-strings', 65, 'is no whole device tree', tree(strings => 0x100000), 'hello --dtb');
row('dtb-empty-tree', 0, 'Hello', tree(), 'hello --dtb');
row('dtb-padded', 0, 'device tree at 0x44000000', tree(padding => 2 << 20), 'hello --dtb');
row('dtb-map-last', 0, 'Hello', tree(map_last => 1, padding => 24), 'hello --dtb');
row('dtb-no-cells', 65, 'no #address-cells', tree(names => "#cell-addresses\0#size-cells\0"), 'hello --dtb');
# Reserved ranges, where nothing must be loaded.
my $place = '/payloads/place.bin -i /payloads/flat --dtb';
my $far = '0xffffffffffffffff';
sub pages {
	return join ' ', map { sprintf '0x%x 0x1000', 0x44000000 + 0x1000 * $_ } 1 .. $_[0];
}
row('dtb-memreserve', 0, '^tree 0x44400000 initrd 0x44201000 to', source(memreserve => ['0x44000000 0x201000']), $place);
row('dtb-reserved', 0, '^tree 0x44800000 initrd 0x44600000 to', source(reg => '0x43fff800 0x600800'), $place);
row('dtb-reserved-between', 0, '^tree 0x44400000 initrd 0x44000000 to', source(reg => '0x44001000 0x200000'), $place);
row('dtb-reserved-above', 0, '^tree 0x40000000 initrd 0x43fff000 to', source(reg => "0x44000000 $far"), $place);
row('dtb-reserved-base', 0, '^tree 0x44000000$', source(reg => '0x40000000 1'), '/payloads/place-0x40100000.elf --dtb');
row('dtb-reserved-elsewhere', 0, '^tree 0x44200000 initrd 0x44000000 to',
	source(reg => "0x9000000 0x1000 0x44000000 0 $far 1"), $place);
row('dtb-reserved-overlap', 0, '^tree 0x44400000 initrd 0x44200000 to',
	source(reg => '0x44000000 0x100000 0x44080000 0x180000', memreserve => ['0x44000000 0x100000']), $place);
row('dtb-reserved-initrd', 65, '--initrd .*do not fit .* beside what --dtb reserves', source(reg => "0x1000 $far"), $place);
row('dtb-reserved-all', 65, 'device tree: .* do not fit .* beside what --dtb reserves', source(reg => "0 $far"), 'hello --dtb');
row('dtb-reserved-64', 0, '^tree 0x44200000 initrd 0x44040000 to', source(reg => '0x44000000 1 ' . pages(63)), $place);
row('dtb-reserved-65', 65, 'reserves more than 64 ranges', source(reg => pages(65)), $place);
row('dtb-memreserve-65', 65, 'reserves more than 64 ranges', source(memreserve => [('0x44000000 1') x 65]), $place);
row('dtb-reserved-cells', 65, '/reserved-memory has no #address-cells', source(cells => 1, reg => '0x44000000 1'), $place);
row('dtb-no-child-reserves', 0, '^tree 0x44200000', source(cells => 1), $place);
row('dtb-two-memories', 0, 'ok', source(), '/payloads/memory.bin --dtb');
row('dtb-32-bit', 65, 'no #address-cells', tree(cells => 1), 'hello --dtb');

# A device tree whose root has only #address-cells, #size-cells, and bootargs of a given length.
sub tree {
	my %field = (version => 17, padding => 0, cells => 2, names => "#address-cells\0#size-cells\0", @_);
	my @properties = map { (3, 4, $_, $field{cells}) } 0, 1 + index $field{names}, "\0";
	my $root = pack('N*', 1, 0, @properties) . pack('N3 a*', 3, length($field{more} // ''), 0, $field{more} // '') . pack('N*', 2, 9);
	my $strings = 56 + length $root;
	my $size = $strings + length($field{names}) + $field{padding};
	my $map = $field{map_last} ? $size - 16 & ~7 : 40;
	return pack('N10', 0xd00dfeed, $field{totalsize} // $size, 56, $field{strings} // $strings, $map,
		$field{version}, 16, 0, length $field{names}, length $root) . "\0" x 16 . $root
		. $field{names} . "\0" x $field{padding};
}

# A device tree with two memory nodes, one of which has two ranges, and with reserved memory.
sub source {
	my %field = (memreserve => [], cells => 2, reg => '', @_);
	my $child = $field{reg} ? "child\@0 { reg = /bits/ 64 <$field{reg}>; no-map; };" : '';
	open my $dtc, '|-', "dtc -q -o $directory/source -" or die "dtc: $!\n";
	print $dtc '/dts-v1/;', (map { "/memreserve/ $_;" } @{$field{memreserve}}), <<"END";
		/ {
			#address-cells = <2>;
			#size-cells = <2>;
			memory\@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0x1000 1 0 0 0x1000>; };
			ram { device_type = "memory"; reg = <2 0 0 0x1000>; linux,usable-memory = <2 0 0 0x1000>; };
			reserved-memory {
				#address-cells = <$field{cells}>;
				#size-cells = <2>;
				ranges;
				$child
			};
		};
END
	close $dtc or die "dtc failed\n";
	my $tree = read_file("$directory/source");
	unlink "$directory/source";
	return $tree;
}
