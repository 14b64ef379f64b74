#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# HTTP for --demo net, of perl-base's modules alone:
# demo-http.pl serve FILE TEXT  answers every request on this machine with TEXT; its port is in FILE, and behind it one
#                               that is free
# demo-http.pl get PORT         prints the page that is at this port of this machine, as soon as there is one
use strict;
use warnings;
use IO::Socket::INET;

my ($action, @arguments) = @ARGV;

sub listen_anywhere {
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) || die "demo-http.pl: $!\n";
}

sub serve {
    my ($file, $text) = @_;
    my $listener = listen_anywhere();
    open my $ports, '>', "$file.new" or die "$file: $!\n";
    printf $ports "%d %d\n", $listener->sockport, listen_anywhere()->sockport;
    close $ports;
    rename "$file.new", $file;
    while (my $peer = $listener->accept) {
        my $line;
        do { $line = <$peer> } while defined $line && $line =~ /\S/;
        print $peer "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n$text\n";
    }
}

# Who is not there yet closes the connection, or answers nothing.
sub get {
    my ($port) = @_;
    my $page = '';
    while ($page !~ /\r\n\r\n(.*)/s) {
        select undef, undef, undef, 0.2;
        my $peer = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or next;
        print $peer "GET / HTTP/1.0\r\n\r\n";
        $peer->flush;
        local $/;
        $page = <$peer> // '';
    }
    print $page =~ s/.*?\r\n\r\n//sr;
}

$SIG{PIPE} = 'IGNORE';
$action eq 'serve' ? serve(@arguments) : get(@arguments);
