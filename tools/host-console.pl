#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Passes a host's console on as it comes, up to the final line that PID 1 marks with this token; that
# line is swallowed, and its status is our own. A guest does not know the token, so what it prints is
# never taken for that line.
use strict;
use warnings;
use Errno;

# On these QEMU ends, and then its output: that is how this ends.
$SIG{$_} = 'IGNORE' for qw(HUP INT TERM);

my $marker = "\036nestling: $ARGV[0] exit status ";
my $held   = '';

sub pass {
    my ($bytes) = @_;
    while (length $bytes) {
        my $written = syswrite(STDOUT, $bytes);
        if (defined $written) {
            substr($bytes, 0, $written, '');
        } elsif ($!{EAGAIN}) {

            # QEMU has made the terminal non-blocking: it is the same open file as its input.
            my $out = '';
            vec($out, fileno(STDOUT), 1) = 1;
            select(undef, $out, undef, undef);
        } elsif (!$!{EINTR}) {
            exit 141;    # as if by SIGPIPE
        }
    }
}

while (sysread(STDIN, my $chunk, 65536)) {
    $held .= $chunk;
    my $at = index($held, $marker);
    if ($at >= 0) {
        pass(substr($held, 0, $at, ''));
        1 while sysread(STDIN, $held, 4096, length $held);     # what the host's kernel adds
        exit $1 if $held =~ /^\Q$marker\E(\d+)/;
        last;
    }

    # Keep back only what may become the marker.
    my $keep = length($held) < length($marker) ? length($held) : length($marker) - 1;
    $keep-- while $keep && substr($held, -$keep) ne substr($marker, 0, $keep);
    pass(substr($held, 0, length($held) - $keep, ''));
}
pass($held);
print STDERR "qemu-run.sh: the host ended without a word from nestling\n";
exit 70;
