#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
#   man.pl README.md VERSION <HELP
#
# A man page (section 1) of a program from its README, whose title is "name: what
# it does", and from what its --help prints, as clap does. Of Markdown it knows
# what these READMEs have: headings, paragraphs, lists, tables, code.
use strict;
use warnings;

my ($readme, $version) = @ARGV;
open(my $in, '<', $readme) or die "$readme: $!\n";
my @lines = grep { !/^<!--/ } <$in>;
my @help = <STDIN>;
# Of no use to who has the program alone
my %left_out = map { $_ => 1 } ('Tests');

sub plain {
    my ($text) = @_;
    $text =~ s/\\/\\e/g;
    $text =~ s/^([.'])/\\&$1/;
    $text =~ s/-/\\-/g;
    return $text;
}

# Code, bold, and links without where they lead
sub inline {
    my ($text) = @_;
    $text =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
    $text = plain($text);
    $text =~ s/\*\*(.+?)\*\*/\\fB$1\\fP/g;
    $text =~ s/`([^`]+)`/\\fB$1\\fP/g;
    return $text;
}

sub code { print ".PP\n.nf\n", (map { plain($_) } @_), ".fi\n" }

# A row of a table is an item: its first cell, then the others
sub row {
    my ($first, @rest) = map { s/^\s+|\s+$//gr } split /\|/, $_[0] =~ s/^\|//r;
    return if $first =~ /^-*$/;
    print ".TP\n", inline($first), "\n", inline(join('; ', grep { $_ ne '' } @rest)) || '\\&', "\n";
}

sub body {
    my ($fenced, @block, $heading) = (0);
    for (@_, "\n") {
        if (/^```/) {
            code(splice @block) if $fenced;
            $fenced = !$fenced;
        } elsif ($fenced || /^    \S/) {
            push @block, s/^    //r;
        } else {
            code(splice @block) if @block;
            if (/^\|(?:-+\|)+/ || /^\s*$/) {
                print ".PP\n" if /^\s*$/;
            } elsif (/^\|/) {
                row($_);
            } elsif (/^- (.*)/) {
                print ".IP \\(bu 2\n", inline($1), "\n";
            } else {
                print inline(s/^\s+|\s+$//gr), "\n";
            }
        }
    }
}

sub options {
    my $open = 0;
    for (@help) {
        if (/^\s+(-.*)/) {
            print ".TP\n\\fB", plain($1), "\\fP\n";
            $open = 1;
        } elsif ($open && /^\s+(\S.*)/) {
            print plain($1), "\n";
        }
    }
}

my ($name, $what) = map { /^# (\S+): (.*)/ } @lines;
die "$readme: no title \"# name: what it does\"\n" unless defined $what;
my ($usage) = map { /^Usage: (.*)/ } @help;
my @sections = map { [split /\n/, $_, 2] } split /^## /m, join('', grep { !/^# / } @lines);
my (undef, $description) = @{[undef, join("\n", @{shift @sections})]};

printf ".TH %s 1 \"\" \"rkernfs %s\"\n.SH NAME\n%s \\- %s\n", uc $name, $version, $name, plain($what);
print ".SH SYNOPSIS\n", plain($usage), "\n" if $usage;
print ".SH DESCRIPTION\n";
body(map { "$_\n" } split /\n/, $description);
print ".SH OPTIONS\n";
options();
for my $section (@sections) {
    next if $left_out{$section->[0]};
    print ".SH ", uc $section->[0], "\n";
    body(map { "$_\n" } split /\n/, $section->[1]);
}
