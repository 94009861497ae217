#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
#   tap.pl FILE.tap...
#
# Reads what suite.sh left, by the library that prove is made of. A file fails
# if one of its tests does, but also without a plan, cut short, without any
# test or a reason why, or if the program did not end well (FILE.status). The last line tells
# how many tests passed and failed; ends non-zero unless all passed, and there
# were any.
use strict;
use warnings;
use TAP::Harness;

my $replay = 'cat "$0"; exit "$(cat "${0%.tap}.status")"';
my $harness = TAP::Harness->new({
    exec => sub { ['sh', '-c', $replay, $_[1]] },
});
my @files = map { my $name = $_; $name =~ s/\.tap$//; $name =~ s{^.*build/logs/}{}; [$_, $name] } @ARGV;
my $results = $harness->runtests(@files);

my ($passed, $failed, $skipped) = (0, 0, 0);
for my $file (@files) {
    my ($parser) = $results->parsers($file->[1]);
    my $skip = $parser->skip_all // '';
    my $empty = !$parser->tests_run && ($skip eq '' || $skip eq '(no reason given)');
    my $broken = $parser->parse_errors || $parser->exit || $empty;

    $passed += $parser->actual_passed - $parser->skipped;
    $skipped += $parser->skipped + ($skip ne '' && !$empty ? 1 : 0);
    $failed += $parser->actual_failed || ($broken ? 1 : 0);
    if ($parser->actual_failed || $broken) {
        print "FAILED $file->[1]", ($empty ? ' (no test)' : ''), ": $file->[0]\n";
        open(my $tap, '<', $file->[0]) or die "$file->[0]: $!";
        my @lines = <$tap>;
        splice(@lines, 0, @lines - 30) if @lines > 30;
        print map { "  | $_" } @lines;
    }
}
print "$skipped skipped\n" if $skipped;
print "$passed passed, $failed failed\n";
exit($passed && !$failed ? 0 : 1);
