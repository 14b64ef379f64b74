#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs tests: run.pl TEST... [-- TEST...], as many at once as there are CPUs; those behind -- one after the other,
# when the others are done. Like prove(1), whose harness it is; but before the summary come all tests that failed,
# and why.
use strict;
use warnings;
use TAP::Harness;
use TAP::Parser::Aggregator;

my (@together, @alone);
my $list = \@together;
for (@ARGV) {
	if ($_ eq '--') { $list = \@alone } else { push @$list, $_ }
}

# A test that failed is followed by comments that say why.
my @failed;
sub note_failures {
	my ($parser, $job) = @_;
	my $failed;
	$parser->callback(test => sub {
		$failed = !$_[0]->is_ok;
		push @failed, "$job->[0]: " . $_[0]->as_string if $failed;
	});
	$parser->callback(comment => sub {
		push @failed, '    ' . $_[0]->as_string if $failed;
	});
}

chomp(my $cpus = `nproc`);
my $harness = TAP::Harness->new({
	timer => 1,
	jobs => $cpus,
	color => -t STDOUT,
	rules => { seq => [{ par => [@together] }, { seq => [@alone] }] },
});
$harness->callback(made_parser => \&note_failures);
my $aggregate = TAP::Parser::Aggregator->new;
$aggregate->start;
$harness->aggregate_tests($aggregate, @together, @alone);
$aggregate->stop;
print map { "$_\n" } 'What failed, and why:', @failed if @failed;
$harness->summary($aggregate);
exit($aggregate->get_status eq 'PASS' ? 0 : 1);
