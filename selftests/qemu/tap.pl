#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
#   tap.pl FILE.tap...
#
# Reads what suite.sh left, by the library that prove is made of. A file fails
# if one of its tests does, or passes though it is expected to fail (XPASS,
# TODO), but also without a plan, cut short, without any test or a reason why,
# or if the program did not end well (FILE.status). A test that fails as
# expected (XFAIL, TODO) is named and neither passed nor failed. The last line
# tells how many tests passed and failed; ends non-zero unless all passed, and
# there were any.
use strict;
use warnings;
use TAP::Harness;

my $replay = 'cat "$0"; exit "$(cat "${0%.tap}.status")"';
# It says nothing itself: what failed is told below, with its output.
my $harness = TAP::Harness->new({
    verbosity => -3,
    exec => sub { ['sh', '-c', $replay, $_[1]] },
});
my @files = map { my $name = $_; $name =~ s/\.tap$//; $name =~ s{^.*build/logs/}{}; [$_, $name] } @ARGV;

# By file: the tests that failed as expected, and those that passed against
# expectation. kselftest says "ok" to both, with a directive of its own before
# or behind the name.
my (%xfail, %xpass);
sub note_expectation {
    my ($file, $test) = @_;
    my ($directive) = $test->raw =~ /# (XFAIL|XPASS)\b/;
    if ($test->has_todo) {
        $directive = $test->todo_passed ? 'XPASS' : 'XFAIL';
    }
    return unless $directive;
    my ($name) = $test->raw =~ /^(?:not )?ok\s+(.*)/;
    push @{($directive eq 'XFAIL' ? \%xfail : \%xpass)->{$file}}, $name;
}
$harness->callback(made_parser => sub {
    my ($parser, $job) = @_;
    my $file = $job->[1];
    $parser->callback(test => sub { note_expectation($file, $_[0]) });
});
my $results = $harness->runtests(@files);

my ($passed, $failed, $skipped, $expected) = (0, 0, 0, 0);
for my $file (@files) {
    my ($parser) = $results->parsers($file->[1]);
    my $skip = $parser->skip_all // '';
    my $empty = !$parser->tests_run && ($skip eq '' || $skip eq '(no reason given)');
    my @unexpected = @{$xpass{$file->[1]} // []};
    my @as_expected = @{$xfail{$file->[1]} // []};
    my $broken = $parser->parse_errors || $parser->exit || $empty;
    # The library takes the two for passed.
    my $bad = $parser->failed + @unexpected;

    $passed += $parser->passed - $parser->skipped - @unexpected - @as_expected;
    $skipped += $parser->skipped + ($skip ne '' && !$empty ? 1 : 0);
    $failed += $bad || ($broken ? 1 : 0);
    $expected += @as_expected;
    print map { "XFAIL $file->[1]: $_\n" } @as_expected;
    if ($bad || $broken) {
        print "FAILED $file->[1]", ($empty ? ' (no test)' : ''), ": $file->[0]\n";
        print map { "  passed, and is expected to fail: $_\n" } @unexpected;
        open(my $tap, '<', $file->[0]) or die "$file->[0]: $!";
        my @lines = <$tap>;
        splice(@lines, 0, @lines - 30) if @lines > 30;
        print map { "  | $_" } @lines;
    }
}
print "$expected failed as expected\n" if $expected;
print "$skipped skipped\n" if $skipped;
print "$passed passed, $failed failed\n";
exit($passed && !$failed ? 0 : 1);
