#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs a command, and ends it with all its descendants if it hangs: limit.pl SECONDS COMMAND...
# Its output is passed on. The limit is for the time without output, so that a busy machine makes a test slow,
# but does not fail it. There is a limit for the whole time, too, and processes are ended that nobody waits for
# any more. The status is 124, as timeout(1)'s, if the command was ended.
use strict;
use warnings;
use Errno;
use POSIX 'WNOHANG';

my ($limit, @command) = @ARGV;
my $parent = getppid;
my $very_end = time + 8 * $limit;
pipe my $output, my $end or die "pipe: $!\n";
my $command = fork // die "fork: $!\n";
if (!$command) {
	setpgrp;
	open STDOUT, '>&', $end or die "standard output: $!\n";
	close $_ for $output, $end;
	exec @command or die "$command[0]: $!\n";
}
close $end;

# Gives it time to clean up.
sub end {
	print STDERR "limit.pl: $_[0], ended: @command\n";
	kill TERM => -$command;
	for (1 .. 50) {
		waitpid $command, WNOHANG;
		last unless kill 0 => -$command;
		select undef, undef, undef, 0.1;
	}
	kill KILL => -$command;
	exit 124;
}
$SIG{$_} = sub { end("SIG$_[0]") } for qw(HUP INT TERM);
$SIG{PIPE} = 'IGNORE'; # who read what it prints may be gone before it has ended the command

my $patience = time + $limit;
sub look_at_the_clock {
	end('nobody waits for it') if getppid != $parent;
	end("nothing came for $limit s") if time > $patience;
	end('it does not come to its end') if time > $very_end;
}

while (1) {
	look_at_the_clock();
	my $in = '';
	vec($in, fileno($output), 1) = 1;
	next if select($in, undef, undef, 1) <= 0;
	my $n = sysread $output, my $bytes, 65536;
	next if !defined $n && $!{EINTR};
	last unless $n;
	$patience = time + $limit;
	while (length $bytes) {
		substr $bytes, 0, syswrite(STDOUT, $bytes) // end("standard output: $!"), '';
	}
}
# Usually it ends soon after it has closed its output.
for (my $nap = 0.001; waitpid($command, WNOHANG) == 0; $nap *= 2 if $nap < 1) {
	select undef, undef, undef, $nap;
	look_at_the_clock();
}
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
