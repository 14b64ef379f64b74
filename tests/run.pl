#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs tests: run.pl TEST..., one more at once than there are CPUs, for each of them waits for something at times.
# Like prove(1), whose harness it is; but before the summary come all tests that failed, and why.
use strict;
use warnings;
use TAP::Harness;
use TAP::Parser::Aggregator;

# A test that failed is followed by comments that say why.
my @failed;
my %running;
sub note_failures {
	my ($parser, $job) = @_;
	my $failed;
	$running{$job->[0]} = time;
	$parser->callback(EOF => sub { delete $running{$job->[0]} });
	$parser->callback(test => sub {
		$failed = !$_[0]->is_ok;
		push @failed, "$job->[0]: " . $_[0]->as_string if $failed;
	});
	$parser->callback(comment => sub {
		push @failed, '    ' . $_[0]->as_string if $failed;
	});
}

# Who ends the run before its tests have ended learns which of them it was that did not.
$SIG{TERM} = sub {
	print map { "$_ runs since " . (time - $running{$_}) . " s\n" } sort keys %running;
	print map { "$_\n" } @failed;
	exit 1;
};

chomp(my $cpus = `nproc`);
my $harness = TAP::Harness->new({
	timer => 1,
	jobs => $cpus + 1,
	color => -t STDOUT,
});
$harness->callback(made_parser => \&note_failures);
my $aggregate = TAP::Parser::Aggregator->new;
$aggregate->start;
$harness->aggregate_tests($aggregate, @ARGV);
$aggregate->stop;
print map { "$_\n" } 'What failed, and why:', @failed if @failed;
$harness->summary($aggregate);
exit($aggregate->get_status eq 'PASS' ? 0 : 1);
