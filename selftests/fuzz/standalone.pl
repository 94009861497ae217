#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
#   standalone.pl STANDALONE.c <CALLS
#
# Prints a C program of what the fuzzer printed, with those functions of
# standalone.c that it needs.
use strict;
use warnings;

my ($library) = @ARGV;
open(my $in, '<', $library) or die "$library: $!";
my @parts = split /\n\n(?=[^\t\n}])/, do { local $/; <$in> };
my $calls = do { local $/; <STDIN> };

my %needed;
my $text = $calls;
while ($text ne '') {
    my $more = '';
    for my $i (grep { !$needed{$_} } 0 .. $#parts) {
        my ($name) = $parts[$i] =~ /^(?:static .*?|#define )\b(\w+)\(.*[^;]$/m;
        next if defined $name && $text !~ /\b$name\b/;
        $needed{$i} = 1;
        $more .= $parts[$i] if defined $name;
    }
    $text = $more;
}
chomp(@parts);
print join("\n\n", map { $parts[$_] } sort { $a <=> $b } keys %needed), "\n", $calls;
