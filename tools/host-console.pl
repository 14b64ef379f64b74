#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The host's console at this end: host-console.pl TOKEN KEYS CONSOLE, between QEMU's standard input and
# output, two FIFOs, and our own.
#
# Keys are held back until PID 1 says, in a line that is marked with the token, that it is ready for them:
# what comes while the host boots would be lost in its UART.
# What the console shows is passed on as it comes, up to the final line that PID 1 marks with the token;
# both lines are swallowed, and the status of the final one is our own. A guest does not know the token, so
# what it prints is never taken for one of them.
use strict;
use warnings;
use Errno;

my ($token, $keys_path, $console_path) = @ARGV;
my ($ready, $final) = map { "\036nestling: $token $_" } 'ready', 'exit status ';

# On these QEMU ends, and then its output: that is how this ends.
$SIG{$_} = 'IGNORE' for qw(HUP INT TERM PIPE);

# In the order in which QEMU opens them.
open my $keys, '>', $keys_path or die "$keys_path: $!\n";
open my $console, '<', $console_path or die "$console_path: $!\n";

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

# Writes all of it. False if there is nobody any more who would read it.
sub pass {
    my ($to, $bytes) = @_;
    while (length $bytes) {
        my $written = syswrite($to, $bytes);
        if (defined $written) {
            substr($bytes, 0, $written, '');
        } elsif ($!{EAGAIN}) {    # whoever started us made it non-blocking
            my $out = '';
            vec($out, fileno($to), 1) = 1;
            select(undef, $out, undef, undef);
        } elsif (!$!{EINTR}) {
            return 0;
        }
    }
    return 1;
}

sub show {
    pass(*STDOUT, $_[0]) or exit 141;    # as if by SIGPIPE
}

# What was typed, to QEMU; a FIFO that can be written takes this much at once.
sub type {
    my $n = sysread(STDIN, my $bytes, 4096);
    return if !defined $n && ($!{EINTR} || $!{EAGAIN});
    return if $n && pass($keys, $bytes);
    close $keys;
    undef $keys;
}

# Waits until the console has something; until then types, once that is wanted.
sub wait_for_console {
    my ($typing) = @_;
    while (1) {
        my ($in, $out) = ('', '');
        vec($in, fileno($console), 1) = 1;

        # Keys are read only if QEMU takes them: how much waits there is bounded.
        if ($typing && $keys) {
            vec($out, fileno($keys), 1) = 1;
            next if select(my $now = $in, $out, undef, undef) < 0;
            return if vec($now, fileno($console), 1);
            vec($in, fileno(STDIN), 1) = 1;
        }
        next if select($in, undef, undef, undef) < 0;
        return if vec($in, fileno($console), 1);
        type();
    }
}

my $held   = '';
my $is_ready = 0;
while (1) {
    wait_for_console($is_ready);
    my $n = sysread($console, my $chunk, 65536);
    next if !defined $n && $!{EINTR};
    last unless $n;
    $held .= $chunk;
    if (!$is_ready && $held =~ s/\Q$ready\E\r?\n//) {
        make_raw();
        $is_ready = 1;
    }
    my $at = index($held, $final);
    if ($at >= 0) {
        show(substr($held, 0, $at, ''));
        1 while sysread($console, $held, 4096, length $held);    # what the host's kernel adds
        exit $1 if $held =~ /^\Q$final\E(\d+)/;
        last;
    }

    # Keep back only what may become a marked line.
    my $keep = length($held) < length($final) ? length($held) : length($final);
    $keep-- while $keep && !grep { substr($held, -$keep) eq substr($_, 0, $keep) } $final, "$ready\r\n";
    show(substr($held, 0, length($held) - $keep, ''));
}
show($held);
print STDERR "qemu-run.sh: the host ended without a word from nestling\n";
exit 70;
