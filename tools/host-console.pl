#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Connects the host's console with this terminal: host-console.pl TOKEN KEYS CONSOLE MESSAGES. The last
# three are FIFOs to QEMU's standard input, and from its standard output and second serial port. They are
# connected with standard input, output and error.
#
# Standard input is not read until PID 1 prints a line, marked with the token, that it is ready, because
# the host's UART loses what arrives while it boots.
# What the console prints before that line comes from the host and goes to standard error, as do messages.
# What it prints after that line comes from the guest and goes to standard output, until PID 1 prints the
# final line, which is marked with the token, too. Both lines are dropped; the final line's status becomes
# the exit status. A guest does not know the token, so its output is never taken for such a line.
# If $READY_FILE names a file it is made when the first line comes (tools/demo-resume.sh).
# Each direction has its own buffer, so that none waits for another that stalls.
#
# On SIGUSR1 the guest is asked to switch itself off, by Ctrl-A p: what is still to come is awaited, however
# little of it somebody takes, but only until the host ends or $GRACE seconds are over. If it cannot be asked, or that
# time is over, our parent gets SIGTERM.
use strict;
use warnings;
use Errno;

my ($token, $keys_path, $console_path, $messages_path) = @ARGV;
my ($ready, $final) = map { "\036nestling: $token $_" } 'ready', 'exit status ';

# qemu-run.sh ends QEMU on a signal. What is left is then written only if that does not block.
pipe my $wake, my $waker or die "pipe: $!\n";
my $is_ending = 0;
for (qw(HUP INT TERM)) {
    $SIG{$_} = sub { syswrite $waker, 'x' unless $is_ending++ };
}
my $is_asking = 0;
$SIG{USR1} = sub { syswrite $waker, 'x'; $is_asking = 1 };
$SIG{ALRM} = sub { kill 'TERM', getppid };
$SIG{PIPE} = 'IGNORE';

# In the order in which qemu-run.sh opens QEMU's ends: another order would block.
open my $keys, '>', $keys_path or die "$keys_path: $!\n";
open my $console, '<', $console_path or die "$console_path: $!\n";
open my $messages, '<', $messages_path or die "$messages_path: $!\n";

# The terminal's mode, to be restored. It is raw once the host is ready; before that Ctrl-C ends QEMU.
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

# ---- ways: each has a source, and a list of [handle, bytes] that are waiting to be written ----

my ($is_ready, $is_final) = (0, 0);
my $held = '';    # console output that may be the start of a marked line; at the end the final line

my @ways = (
    { from => $console, waiting => [], take => \&take_console },
    { from => $messages, waiting => [], take => sub { [\*STDERR, $_[0]] } },
);
my $typing = { from => \*STDIN, waiting => [], take => sub { [$keys, $_[0]] } };

# Takes console output, and returns what to write, as a list of [handle, bytes].
sub take_console {
    my @out;
    $held .= $_[0];
    return if $is_final;
    if (!$is_ready && $held =~ s/^(.*?)\Q$ready\E\r?\n//s) {
        push @out, [\*STDERR, $1];
        make_raw();
        open my $file, '>', $ENV{READY_FILE} if $ENV{READY_FILE};
        $is_ready = 1;
        push @ways, $typing;
    }
    my $to = $is_ready ? \*STDOUT : \*STDERR;
    my $end = index($held, $final);
    $is_final = $end >= 0;
    $end = length($held) - may_become_mark() unless $is_final;
    return @out, [$to, substr($held, 0, $end, '')];
}

# The number of bytes at the end of $held that may be the start of a marked line.
sub may_become_mark {
    my $n = length $held;
    my $longest = length($final) > length($ready) + 2 ? length $final : length($ready) + 2;
    $n = $longest if $n > $longest;
    $n-- while $n && !grep { substr($held, -$n) eq substr($_, 0, $n) } $final, "$ready\r\n";
    return $n;
}

# Behind what was typed before.
sub ask {
    $is_asking = 2;
    return kill 'TERM', getppid unless $is_ready && !$is_final;
    push @{ $typing->{waiting} }, [$keys, "\001p"];
    alarm $ENV{GRACE};
}

# Reads once from a way's source, and closes it at its end.
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
    $is_ending ||= $is_asking && $way == $ways[0];    # there is no host any more
    @{ $way->{waiting} } = ();
}

# Writes up to 4,096 bytes, which a pipe that select reports as writable accepts without blocking.
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
        shift @{ $way->{waiting} };     # the reader is gone
        stop($way) if $way == $typing;
    }
}

# When the guest is asked to end, nobody who takes nothing keeps it from doing so.
sub reads {
    my ($way) = @_;
    return $way->{from} && ($is_asking && $way != $typing || !@{ $way->{waiting} });
}

# Waits, and returns the ways that can be read from, and those that can be written to: two lists.
sub wait_for_any {
    my ($in, $out) = ('', '');
    vec($in, fileno($wake), 1) = 1 unless $is_ending;
    for (@ways) {
        vec($out, fileno($_->{waiting}[0][0]), 1) = 1 if @{ $_->{waiting} };
        vec($in, fileno($_->{from}), 1) = 1 if reads($_);
    }
    my $has_output = $out =~ /[^\0]/;
    my $n = select($in, $out, undef, !$is_ending || !$has_output ? undef : $is_asking ? 2 : 0);
    return ([], []) if $n < 0;
    sysread $wake, my $any, 16 if vec($in, fileno($wake), 1);
    ask() if $is_asking == 1;
    my @to_read = grep { reads($_) && vec($in, fileno($_->{from}), 1) } @ways;
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
print { $is_ready ? *STDOUT : *STDERR } $held;    # it has turned out not to be a marked line
print STDERR "qemu-run.sh: the host ended without a word from nestling\n";
exit 70;
