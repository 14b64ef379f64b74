#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The host's console at this end: host-console.pl TOKEN KEYS CONSOLE MESSAGES, between QEMU's standard
# input, output and second serial port, three FIFOs, and our own standard input, output and error.
#
# Keys are held back until PID 1 says, in a line that is marked with the token, that it is ready for them:
# what comes while the host boots would be lost in its UART.
# What the console shows before that line is the host's and goes to standard error, as its messages do;
# what comes after it is the guest's and goes to standard output, up to the final line that PID 1 marks
# with the token. Both lines are swallowed, and the status of the final one is our own. A guest does not
# know the token, so what it prints is never taken for one of them.
# Nothing that stalls holds up anything else: each way has bytes of its own that wait.
use strict;
use warnings;
use Errno;

my ($token, $keys_path, $console_path, $messages_path) = @ARGV;
my ($ready, $final) = map { "\036nestling: $token $_" } 'ready', 'exit status ';

# On a signal QEMU ends, and with it what it had for us. What nobody takes then is not waited for.
pipe my $wake, my $waker or die "pipe: $!\n";
my $is_ending = 0;
for (qw(HUP INT TERM)) {
    $SIG{$_} = sub { syswrite $waker, 'x' unless $is_ending++ };
}
$SIG{PIPE} = 'IGNORE';

# In the order in which QEMU's are opened.
open my $keys, '>', $keys_path or die "$keys_path: $!\n";
open my $console, '<', $console_path or die "$console_path: $!\n";
open my $messages, '<', $messages_path or die "$messages_path: $!\n";

# The terminal's mode. It is raw once the host is ready; before that Ctrl-C ends QEMU.
my $mode;

sub make_raw {
    return unless -t STDIN;
    chomp($mode = `stty -g`);
    system 'stty', '-icanon', '-echo', '-isig', '-iexten', '-ixon', '-icrnl', '-istrip', '-brkint', 'min', '1';
}

END {
    if (defined $mode) {
        my $status = $?;
        system 'stty', $mode;
        $? = $status;
    }
}

# ---- ways: where bytes come from, and those that wait to be written, a list of [handle, bytes] ----

my ($is_ready, $is_final) = (0, 0);
my $held = '';    # of the console's: what may become a marked line, or the final one and what follows

my @ways = (
    { from => $console, waiting => [], take => \&take_console },
    { from => $messages, waiting => [], take => sub { [\*STDERR, $_[0]] } },
);
my $typing = { from => \*STDIN, waiting => [], take => sub { [$keys, $_[0]] } };

# What the console showed, and where it goes.
sub take_console {
    my @out;
    $held .= $_[0];
    return if $is_final;
    if (!$is_ready && $held =~ s/^(.*?)\Q$ready\E\r?\n//s) {
        push @out, [\*STDERR, $1];
        make_raw();
        $is_ready = 1;
        push @ways, $typing;
    }
    my $to = $is_ready ? \*STDOUT : \*STDERR;
    my $end = index($held, $final);
    $is_final = $end >= 0;
    $end = length($held) - may_become_mark() unless $is_final;
    return @out, [$to, substr($held, 0, $end, '')];
}

# How many bytes at the end of what is held a marked line may begin with.
sub may_become_mark {
    my $n = length $held;
    my $longest = length($final) > length($ready) + 2 ? length $final : length($ready) + 2;
    $n = $longest if $n > $longest;
    $n-- while $n && !grep { substr($held, -$n) eq substr($_, 0, $n) } $final, "$ready\r\n";
    return $n;
}

# Reads once. At the end of a file there is nothing to come any more.
sub take {
    my ($way) = @_;
    my $n = sysread($way->{from}, my $bytes, 65536);
    return if !defined $n && ($!{EINTR} || $!{EAGAIN});
    if ($n) {
        push @{ $way->{waiting} }, grep { length $_->[1] } $way->{take}->($bytes);
    } else {
        stop($way);
    }
}

sub stop {
    my ($way) = @_;
    undef $way->{from};
    @{ $way->{waiting} } = ();
    undef $keys if $way == $typing;    # QEMU has the end of its file then
}

# Writes what does not block: a pipe that can be written takes as much as this at once.
sub give {
    my ($way) = @_;
    my $next = $way->{waiting}[0];
    my ($to, $bytes) = @$next;
    my $written = syswrite($to, $bytes, 4096);
    if (defined $written) {
        substr($next->[1], 0, $written, '');
        shift @{ $way->{waiting} } unless length $next->[1];
    } elsif (!$!{EINTR} && !$!{EAGAIN}) {
        exit 141 if $to == \*STDOUT;    # as if by SIGPIPE
        shift @{ $way->{waiting} };     # nobody is there any more who would read it
        stop($way) if $way == $typing;
    }
}

# The ways that can be gone on with: a list of those to read from, and one of those to write to.
sub wait_for_any {
    my ($in, $out) = ('', '');
    vec($in, fileno($wake), 1) = 1 unless $is_ending;
    for (@ways) {
        if (@{ $_->{waiting} }) {
            vec($out, fileno($_->{waiting}[0][0]), 1) = 1;
        } elsif ($_->{from}) {
            vec($in, fileno($_->{from}), 1) = 1;
        }
    }
    my $has_output = $out =~ /[^\0]/;
    my $n = select($in, $out, undef, $is_ending && $has_output ? 0 : undef);
    return ([], []) if $n < 0;
    my @to_read = grep { !@{ $_->{waiting} } && $_->{from} && vec($in, fileno($_->{from}), 1) } @ways;
    my ($can, $cannot) = ([], []);
    for (grep { @{ $_->{waiting} } } @ways) {
        push @{ vec($out, fileno($_->{waiting}[0][0]), 1) ? $can : $cannot }, $_;
    }
    if ($is_ending) {
        @{ $_->{waiting} } = () for @$cannot;
    }
    return (\@to_read, $can);
}

while (grep { $_ != $typing && ($_->{from} || @{ $_->{waiting} }) } @ways) {
    my ($to_read, $to_write) = wait_for_any();
    take($_) for @$to_read;
    give($_) for @$to_write;
}
exit $1 if $is_final && $held =~ /^\Q$final\E(\d+)/;
exit 143 if $is_ending;
print { $is_ready ? *STDOUT : *STDERR } $held;    # without a number it is not the final line
print STDERR "qemu-run.sh: the host ended without a word from nestling\n";
exit 70;
