#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Measures nestling, a floor (floor.c) and QEMU: bench.pl [--update | --budget]
# Boots hosts in which a nanosecond is one instruction (QEMU's -icount) and runs rows.sh in them, each
# twice. Writes build/bench.json, build/bench.svg and the tables, build/bench.md.
# --update   also puts these into docs/, and the ratios to the floor into tests/bench/budget
# --budget   instead checks that each ratio is within 2 % of that in tests/bench/budget, and prints TAP
# Who runs it: make bench, make bench-update, tests/system/budget.t.
use strict;
use warnings;
use File::Basename;
use File::Temp;

my $what = $ARGV[0] // '';
chdir dirname(__FILE__) . '/../..' or die "$!\n";
my $budget = 'tests/bench/budget';
my $work = File::Temp->newdir;
# It is removed then, too; limit.pl ends the host when nobody waits for it.
$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);

my @monitors = qw(floor nestling leanest qemu);
my %label = (
	floor => 'floor',
	nestling => 'nestling',
	leanest => '`--no-sandbox --no-pmu`',
	qemu => 'QEMU',
);
my @rows = (
	['first', 'execve to first instruction, 4 KiB payload, first run after boot'],
	['start', 'the same later'],
	['image', 'the same, Image of 27 MB'],
	['image-small-pages', 'the same, a host without huge pages'],
	['read-last', 'MMIO read exit (the last device on the bus)'],
	['read-nothing', 'MMIO read exit where nothing is'],
	['read', "read of the UART's FR, again and again"],
	['byte', 'polled console byte (read FR, write DR), to tmpfs'],
	['linux', 'Linux to power-off, `quiet`'],
	['linux-messages', 'Linux to power-off, all messages'],
	['disk-read', 'a disk: read 4 KiB, random, O_DIRECT'],
	['disk-write', 'a disk: write 4 KiB, random'],
	['disk-read-large', 'a disk: read 1 MiB'],
	['disk-write-synced', 'a disk: write 4 KiB and fsync'],
	['net-udp', 'a network (tap): UDP, 64 bytes there and back'],
	['net-send', 'a network: the guest sends by TCP, a KiB'],
	['net-receive', 'a network: the guest receives by TCP, a KiB'],
	['resume-64', "a snapshot of Linux at its prompt, 64 MiB: execve to the guest's next instruction"],
	['resume-256', 'the same, 256 MiB'],
	['resume-4096', 'the same, 4 GiB'],
	['answer', '256 MiB: execve to the first byte that the shell answers to a key'],
	['snapshot-reset', 'reset to a snapshot, of a guest that has touched 1 MiB'],
	['pause', 'pause for a save of a guest that writes 1 MiB between passes'],
	['snapshot-size', "bytes of Linux's snapshot, 256 MiB"],
	['snapshot-size-balloon', 'the same with `--balloon`'],
	['memory', "bytes of memory beside the guest's 64 MiB"],
	['calls-different', 'different system calls before the guest runs'],
	['calls', 'system calls before the guest runs'],
	['size', 'bytes of the program, with its libraries'],
);
my @curves = (
	['cpus', 'vCPUs', ''],
	['ram', "guest's RAM", ' MiB'],
	['payload', 'payload', ' KiB'],
);

sub contents {
	my ($name) = @_;
	open my $file, '<', $name or die "$name: $!\n";
	local $/;
	return scalar <$file>;
}

sub write_file {
	my ($name, $text) = @_;
	open my $file, '>', $name or die "$name: $!\n";
	print $file $text;
	close $file or die "$name: $!\n";
}

# ---- boots ----

# Packs QEMU for the host, with all libraries that it needs, into an archive; returns nothing if there is none.
my $rival = 'build/qemu';
my $rival_size;
sub pack_rival {
	return unless -f "$rival/.complete";
	my @files = 'usr/bin/qemu-system-aarch64';
	my %seen;
	for (my $i = 0; $i < @files; $i++) {
		for (`$ENV{READELF} -d $rival/$files[$i]` =~ /\(NEEDED\).*\[(.*)\]/g) {
			next if $seen{$_}++;
			my $name = $_;
			push @files, grep { -f "$rival/$_" } "lib/$name" =~ /ld-/ ? "lib/$name"
				: (map { "$_/aarch64-linux-gnu/$name" } 'lib', 'usr/lib')
		}
	}
	$rival_size += -s "$rival/$_" for @files;
	system('tar', '-chf', "$work/qemu.tar", '-C', $rival, @files) == 0 or die "tar failed\n";
	return "$work/qemu.tar";
}

my %notes;

# boot GIC STEPS MONITORS FILE...: returns ROW => MONITOR => FIGURE. Without qemu-run.sh, because its token
# differs every time, and the host's kernel uses its command line for random numbers; as it does the time of day,
# which is the emulated machine's, too.
sub boot {
	my ($gic, $steps, $monitors, @files) = @_;
	write_file("$work/rows.sh", "monitors='$monitors'\nsteps='$steps'\n" . contents('tests/bench/rows.sh'));
	write_file("$work/list", join '', map { 'file payloads/' . basename($_) . " $_\n" } "$work/rows.sh", @files,
		map { "build/$_" } qw(bench/floor bench/measure payloads/first.bin payloads/exits.bin payloads/again.bin payloads/echo.bin));
	system("rootfs/pack.sh $work/cpio <$work/list && cat build/test-rootfs.cpio $work/cpio >$work/initrd") == 0
		or die "rootfs/pack.sh failed\n";
	my $command_line = 'console=ttyAMA0 panic=-1 quiet loglevel=1 nokaslr norandmaps rdinit=/init -- --script /payloads/rows.sh';
	my $output = `exec tests/system/limit.pl 3600 qemu-system-aarch64 -machine virt,gic-version=$gic,virtualization=on \\
		-cpu cortex-a57 -m 1G -nographic -nic none -no-reboot \\
		-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01T00:00:00,clock=vm \\
		-kernel build/sysroot/vmlinuz -initrd $work/initrd -append '$command_line' </dev/null 2>&1`;
	die "GICv$gic, $steps, $monitors:\n$output" if $output !~ /^end\r?$/m;
	my %rows;
	for (split /\r?\n/, $output) {
		$notes{$1} = $2 if /^note (\S+): (.*)/;
		next unless /^row (\S+) (\S+) (\d+)(?: (\d+))?$/;
		$rows{$1}{$2} = $4 // $3;
		$rows{"$1-different"}{$2} = $3 if defined $4;
	}
	return \%rows;
}

# Boots twice, and fails if a figure differs by more than 1 %.
my @unsteady;
sub boot_twice {
	my ($one, $two) = map { boot(@_) } 1, 2;
	for my $row (sort keys %$one) {
		for (sort keys %{ $one->{$row} }) {
			my ($a, $b) = ($one->{$row}{$_}, $two->{$row}{$_} // 0);
			push @unsteady, "GICv$_[0]: $row, $_: $a, then $b" if abs($a - $b) > $a / 100;
		}
	}
	return $one;
}

my @budgeted = qw(start image read read-last read-nothing byte memory calls-different calls resume snapshot-reset);

# Returns the ratios to the floor of the same boot: ROW, MONITOR, RATIO. The floor has no snapshots: theirs are to its start.
sub ratios {
	my $rows = boot(2, 'figures payloads', 'floor nestling leanest');
	return map {
		my $row = $_;
		my $floor = $rows->{$row}{floor} // $rows->{start}{floor};
		map { [$row, $_, $rows->{$row}{$_} / $floor] } qw(nestling leanest);
	} @budgeted;
}

sub measure_all {
	my $tar = pack_rival();
	my %all;
	system('cp', '-L', 'build/sysroot/vmlinuz', "$work/kernel") == 0 or die "cp failed\n";
	for my $gic (2, 3) {
		my $rows = $all{"GICv$gic"} = {};
		for my $monitor (grep { $tar || $_ ne 'qemu' } @monitors) {
			my @files = $monitor eq 'qemu' ? $tar : ();
			my @linux = ("$work/kernel", 'build/guest-rootfs.cpio');
			my @tun = glob 'build/sysroot/lib/modules/*/kernel/drivers/net/tun.ko';
			print STDERR "GICv$gic: $monitor\n";
			for (['first'], ['figures small_pages growth'], ['linux', @linux], ['disk', $linux[0], 'build/bench/disk.cpio'],
				['net', $linux[0], 'build/bench/net.cpio', 'build/bench/packets', @tun],
				['snapshot', $linux[0], 'build/bench/prompt.cpio']) {
				my ($steps, @more) = @$_;
				next if $monitor eq 'floor' && $steps =~ /^(linux|disk|net|snapshot)$/
					|| $monitor eq 'qemu' && $steps eq 'snapshot';
				my $new = boot_twice($gic, $steps, $monitor, @files, @more);
				$rows->{$_}{$monitor} = $new->{$_}{$monitor} for keys %$new;
			}
			$rows->{size}{$monitor} = $monitor eq 'qemu' ? $rival_size
				: -s ('build/' . ($monitor eq 'floor' ? 'bench/floor' : 'nestling'));
		}
	}
	return \%all;
}

# ---- tables ----

sub thousands {
	my ($number) = @_;
	1 while $number =~ s/^(\d+)(\d{3})/$1,$2/;
	return $number;
}

sub table {
	my ($gic, $rows) = @_;
	my $text = "| $gic | " . join(' | ', map { $label{$_} } @monitors) . " |\n| --- |" . ' ---: |' x @monitors . "\n";
	for (@rows) {
		my ($row, $name) = @$_;
		my $floor = $rows->{$row}{floor};
		$text .= "| $name |" . join('', map {
			my $figure = $rows->{$row}{$_};
			!defined $figure ? ' - |'
				: ' ' . thousands($figure) . ($floor && $_ ne 'floor' ? sprintf(' (%.2f)', $figure / $floor) : '') . ' |';
		} @monitors) . "\n";
	}
	return $text;
}

# Returns the points of a curve for a monitor, [X, FIGURE].
sub points {
	my ($rows, $curve, $monitor) = @_;
	return map { [$_, $rows->{"$curve=$_"}{$monitor}] }
		grep { defined $rows->{"$curve=$_"}{$monitor} }
		sort { $a <=> $b } map { /^\Q$curve\E=(\d+)$/ ? $1 : () } keys %$rows;
}

sub growth_table {
	my ($rows) = @_;
	my $text = '';
	for (@curves) {
		my ($curve, $name, $unit) = @$_;
		my @x = map { $_->[0] } points($rows, $curve, 'floor');
		$text .= "\n| $name | " . join(' | ', map { thousands($_) . $unit } @x) . " |\n| --- |" . ' ---: |' x @x . "\n";
		for my $monitor (@monitors) {
			my %figures = map { @$_ } points($rows, $curve, $monitor);
			$text .= "| $label{$monitor} |" . join('', map { ' ' . thousands($figures{$_} // '-') . ' |' } @x) . "\n";
		}
	}
	return $text;
}

sub json {
	my ($value) = @_;
	return $value =~ /^\d+$/ ? $value : "\"$value\"" unless ref $value;
	return '{' . join(', ', map { "\"$_\": " . json($value->{$_}) } sort keys %$value) . '}'
		if !grep { ref } values %$value;
	return "{\n" . join(",\n", map { "\"$_\": " . json($value->{$_}) } sort keys %$value) . "\n}";
}

# ---- the chart: GICv2's figures, each row's bars and then the curves, all on logarithmic scales ----

my %colour = (floor => '#888888', nestling => '#2a7de1', leanest => '#62a8f5', qemu => '#e07b1f');

# Maps LOW..HIGH on a logarithmic scale to FROM..TO.
sub scale {
	my ($value, $low, $high, $from, $to) = @_;
	return sprintf '%.1f', $from + ($to - $from) * log($value / $low) / log($high / $low);
}

sub text {
	my ($x, $y, $text, $anchor) = @_;
	$text =~ s/`//g;
	return "<text x=\"$x\" y=\"$y\"" . ($anchor ? " text-anchor=\"$anchor\"" : '') . ">$text</text>\n";
}

sub line {
	my ($x1, $y1, $x2, $y2) = @_;
	return "<line x1=\"$x1\" y1=\"$y1\" x2=\"$x2\" y2=\"$y2\"/>\n";
}

sub bars {
	my ($rows) = @_;
	my $y = 70;
	my ($low, $high, $left, $right) = (10, 1e10, 400, 960);
	my $svg = '';
	for (@rows) {
		my ($row, $name) = @$_;
		my @shown = grep { defined $rows->{$row}{$_} } @monitors;
		$svg .= text(390, $y + 6.5 * @shown + 3, $name, 'end');
		for (@shown) {
			my $x = scale($rows->{$row}{$_} < $low ? $low : $rows->{$row}{$_}, $low, $high, $left, $right);
			$svg .= sprintf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"9\" fill=\"%s\"/>\n",
				$left, $y, $x - $left, $colour{$_};
			$svg .= text($x + 5, $y + 9, thousands($rows->{$row}{$_}));
			$y += 13;
		}
		$y += 10;
	}
	my $grid = '';
	for (my $value = $low; $value <= $high; $value *= 10) {
		my $x = scale($value, $low, $high, $left, $right);
		$grid .= line($x, 60, $x, $y) . text($x, 54, '10^' . (length($value) - 1), 'middle') unless length($value) % 2;
	}
	return ($grid . $svg, $y + 40);
}

sub curve {
	my ($rows, $left, $top, $name, $title, $unit) = @_;
	my ($width, $height, $low, $high) = (250, 200, 1e5, 1e9);
	my @x = map { $_->[0] } points($rows, $name, 'floor');
	my $svg = text($left, $top - 10, "first instruction, by $title");
	for (my $value = $low; $value <= $high; $value *= 10) {
		my $y = scale($value, $low, $high, $top + $height, $top);
		$svg .= line($left, $y, $left + $width, $y) . text($left - 4, $y + 4, '10^' . (length($value) - 1), 'end');
	}
	$svg .= text(scale($_, $x[0], $x[-1], $left, $left + $width), $top + $height + 16, thousands($_) . $unit, 'middle')
		for $x[0], $x[@x / 2], $x[-1];
	for my $monitor (@monitors) {
		my @points = map { scale($_->[0], $x[0], $x[-1], $left, $left + $width) . ',' .
			scale($_->[1], $low, $high, $top + $height, $top) } points($rows, $name, $monitor);
		$svg .= "<polyline points=\"@points\" fill=\"none\" stroke=\"$colour{$monitor}\" stroke-width=\"2\"/>\n"
			if @points;
	}
	return $svg;
}

sub chart {
	my ($rows) = @_;
	my ($svg, $top) = bars($rows);
	my $x = 60;
	for (@curves) {
		$svg .= curve($rows, $x, $top, @$_);
		$x += 330;
	}
	my $legend = text(10, 20, 'Instructions (bytes, calls) on a logarithmic scale, GICv2:');
	$x = 370;
	for (@monitors) {
		$legend .= "<rect x=\"$x\" y=\"11\" width=\"10\" height=\"10\" fill=\"$colour{$_}\"/>\n" . text($x + 14, 20, $label{$_});
		$x += 14 + 8 * length $label{$_};
	}
	my $height = $top + 230;
	return <<"END";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 $height" font-family="sans-serif" font-size="12">
<style>
text { fill: #222222 } line { stroke: #cccccc }
\@media (prefers-color-scheme: dark) { text { fill: #dddddd } line { stroke: #444444 } }
</style>
$legend$svg</svg>
END
}

# ---- the budget ----

sub hold_budget {
	my %committed = map { /^(\S+ \S+) ([\d.]+)$/ ? ($1 => $2) : () } split /\n/, contents($budget);
	my @ratios = ratios();
	print '1..' . @ratios . "\n";
	my $test = 0;
	for (@ratios) {
		my ($row, $monitor, $ratio) = @$_;
		my $wanted = $committed{"$row $monitor"} // 0;
		my $good = abs($ratio - $wanted) <= $wanted / 50;
		printf "%s %d - %s, %s\n", $good ? 'ok' : 'not ok', ++$test, $row, $monitor;
		printf "# %.4f of the floor's; it was %s. Meant? make bench-update\n", $ratio, $wanted unless $good;
	}
}

if ($what eq '--budget') {
	hold_budget();
	exit;
}

my $all = measure_all();
my $tables = join '', map { table($_, $all->{$_}) . "\n" } sort keys %$all;
$tables .= "Growth, execve to first instruction on GICv2:\n" . growth_table($all->{GICv2});
$tables .= join '', map { "\n$_: $notes{$_}." } sort keys %notes;
write_file('build/bench.json', json({ %$all, %notes }) . "\n");
write_file('build/bench.svg', chart($all->{GICv2}));
write_file('build/bench.md', "$tables\n");
print $tables, "\n";
die map { "differs: $_\n" } @unsteady if @unsteady;
if ($what eq '--update') {
	my $page = contents('docs/performance.md');
	$page =~ s/(<!-- bench -->\n).*(<!-- end of bench -->)/$1\n$tables\n\n$2/s or die "docs/performance.md: has no marks\n";
	write_file('docs/performance.md', $page);
	write_file('docs/performance.svg', chart($all->{GICv2}));
	write_file($budget, join '', map { sprintf "%s %s %.4f\n", @$_ } ratios());
}
