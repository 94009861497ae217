#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Compares the source of a kernel with those that rkernfs was compared with:
# functions, structures and tables that the module replaces, calls or relies on.
# The file kernels, beside this one, lists them, with a hash of the text in each
# kernel that was reviewed.
#
#   compare.pl check TREE	prints in one line what stands against it, if any
#				thing does, and fails; not if RKERNFS_UNREVIEWED=1
#   compare.pl header TREE	the same, and prints a header for src/shim/compat.h
#   compare.pl files		what of a kernel's source it reads
#   compare.pl diff OLD NEW	how two trees differ in what is listed
#   compare.pl record TREE	adds that kernel to the list, or renews it there
#
# A text is its tokens, so comments and white space are left aside, and so is
# its place. A vendor's kernel is judged by its text, not by its version. Yet all
# of it must be that of one kernel that was reviewed: nobody looked at a mixture.
#
# Only what perl-base and coreutils have is used: DKMS runs this, too.
use strict;
use warnings;
use File::Temp qw(tempdir);

my $path = ($0 =~ m{^(.*/)} ? $1 : "") . "kernels";

sub fail { print STDERR "rkernfs: @_\n"; exit 1 }

# --- C -------------------------------------------------------------------

my $string = qr/"(?:\\.|[^"\\\n]++)*+"/s;
my $char = qr/'(?:\\.|[^'\\\n]){1,8}'/s;
my $rest = qr/(?:\\[ \t\r]*\n|[^\n\\]++|\\)*+/;
my $directive = qr/#$rest/;
my $operator = qr/<<=|>>=|\.\.\.|->|\+\+|--|<<|>>|[-+*\/%&|^<>=!]=|&&|\|\||##|\S/;

# What attributes, and not functions, are called
my $attribute = qr/__attribute__|__printf|__scanf|__aligned|__section|_*asm_*|__nonstring|__alloc_size/;

# Comments become as many \x01, also their line ends: one inside a directive does
# not end it.
sub blank_comments {
	my ($text) = @_;
	$text =~ s{($string|$char)|(/\*.*?\*/|//$rest)}
		{defined $1 ? $1 : "\x01" x length $2}gse;
	return $text;
}

# The tokens of a text, one a line. A directive has its line of its own: it ends
# where that does.
sub tokens {
	my ($text) = @_;
	my ($out, $line_start) = ('', 1);
	pos($text) = 0;
	while (pos($text) < length $text) {
		if ($text =~ /\G[\s\x01]+/gc) {
			$line_start = 1 if $& =~ /\n/;
		} elsif ($line_start && $text =~ /\G$directive/gc) {
			$out .= join(' ', '#', split /\n/, tokens(substr($&, 1))) . "\n";
		} else {
			$line_start = 0;
			next if $text =~ /\G\\[ \t\r]*\n/gc;
			$text =~ /\G(?:$string|$char|[A-Za-z_]\w*|\.?\d(?:[eEpP][-+]|[\w.])*|$operator)/gc;
			$out .= "$&\n";
		}
	}
	return $out;
}

# The head of a definition without comments, and with \x02 for each (...)
sub outline {
	my ($head) = @_;
	$head =~ s/^\s*$directive//gm;
	$head =~ s/(?:[\s\x01]|\\[ \t\r]*\n)+/ /g;
	1 while $head =~ s/\([^()]*\)/\x02/;
	return $head;
}

# What a definition defines: "name()", "struct name", "name" of a variable
sub names {
	my ($head) = @_;
	my $outline = outline($head);
	return "$1 $2" if $outline =~ /\b(struct|union|enum) (?:\w+ ?\x02? )*(\w+) ?$/;
	return $1 if $outline =~ /(\w+) ?(?:\[[^]]*\] ?)*(?:__\w+ ?\x02? ?)*= ?$/;
	return if $outline =~ /=/;
	my %seen;
	return map { "$_()" } grep { !/^$attribute$/ && !$seen{$_}++ } $outline =~ /(\w+) ?\x02/g;
}

# Parses a file: adds each definition to %$found, by what it defines, as a
# [text, raw text, whether it is the first name].
sub parse {
	my ($file, $found) = @_;
	local $/;
	open(my $in, '<', $file) or return;
	my $raw = <$in>;
	my $text = blank_comments($raw);
	my ($braces, $parens, $start, $head, $line_start, $after) = (0, 0, undef, undef, 1, '');
	my (@branches, $guard);
	my $define = sub { # name, start, end
		my ($names, $from, $to) = @_;
		my $conditions = join '', map { $_->{conditions} } @branches;
		my $definition = substr $text, $from, $to - $from;
		my $entry = [$conditions . tokens($definition), substr($raw, $from, $to - $from), $$names[0]];
		push @{$found->{$_}}, $entry for @$names;
	};
	my $end = sub { ($start, $head, $after) = (undef, undef, '') };

	pos($text) = 0;
	while (pos($text) < length $text) {
		if ($text =~ /\G[\s\x01]+/gc) {
			my $space = $&;
			$line_start = 1 if $space =~ /\n/;
			# A macro without a semicolon: by itself, or before an empty line
			$end->() if !$braces && !$parens && !defined $head && $after eq ')' && $space =~ /\n/ &&
				substr($text, pos $text, 1) ne '{' && ($space =~ /\n[ \t\r]*\n/ ||
				outline(substr $text, $start, pos($text) - $start) =~ /^(?: ?(?!$attribute)\w+ ?\x02)+ $/);
			next;
		}
		if ($line_start && $text =~ /\G$directive/gc) {
			my ($at, $line) = ($-[0], $&);
			my $words = tokens(substr $line, 1);
			my ($what, $name) = split /\n/, $words;
			$what = '' unless defined $what;
			$words =~ s/\n/ /g;
			if ($what =~ /^if/) {
				push @branches, { before => [$braces, $parens], conditions => "#$words\n",
					guard => $what eq 'ifndef' && !defined $guard && !@branches ? $name : undef };
				$guard = 1;
			} elsif ($what =~ /^el/ && @branches) {
				my $branch = $branches[-1];
				$branch->{first} ||= [$braces, $parens];
				($braces, $parens) = @{$branch->{before}};
				$branch->{conditions} .= "#$words\n";
			} elsif ($what eq 'endif' && @branches) {
				my $branch = pop @branches;
				($braces, $parens) = @{$branch->{first}} if $branch->{first};
			} elsif ($what eq 'define' && defined $name) {
				if (@branches && defined $branches[-1]{guard} && $branches[-1]{guard} eq $name) {
					$branches[-1]{conditions} = '';
				} elsif (!defined $start) {
					$define->(["#define $name"], $at, pos $text);
				}
			}
			next;
		}
		$line_start = 0;
		$start = pos $text unless defined $start;
		$text =~ /\G(?:$string|$char|[{}();]|[^\s\x01{}();"']+|.)/gc;
		$after = $&;
		if ($after eq '(') {
			$parens++;
		} elsif ($after eq ')') {
			$parens-- if $parens;
		} elsif ($after eq '{' && !$parens) {
			$head = substr $text, $start, pos($text) - 1 - $start if !$braces && !defined $head;
			$braces++;
		} elsif ($after eq '}' && !$parens) {
			$braces-- if $braces;
			next if $braces || !defined $head;
			# A structure or a table goes on, to its semicolon.
			my $outline = outline($head);
			if ($outline =~ /\x02/ && $outline !~ /=/) {
				my @names = names($head);
				$define->(\@names, $start, pos $text) if @names;
				$end->();
			}
		} elsif ($after eq ';' && !$braces && !$parens) {
			if (defined $head) {
				my @names = names($head);
				$define->(\@names, $start, pos $text) if @names;
			}
			$end->();
		}
	}
}

# --- a tree --------------------------------------------------------------

# A file, or the sources in a folder
sub sources_in {
	my ($path) = @_;
	opendir my $dir, $path or return $path;
	return map { "$path/$_" } sort grep { /\.[ch]$/ } readdir $dir;
}

# Memoized: all definitions of the files of a section
my %parsed;
sub definitions {
	my ($tree, $section) = @_;
	return $parsed{$tree}{"@$section"} ||= do {
		my %found;
		parse($_, \%found) for map { sources_in("$tree/$_") } @$section;
		\%found;
	};
}

# What an item is in a tree: the text to hash, and in a list also the one to read.
# Nothing if it is not there.
sub text_of {
	my ($tree, $section, $item) = @_;
	my $found = definitions($tree, $section);
	if ($item =~ /^users of (\w+)$/) {
		my $user = qr/^(?:.* )?\Q$1\E(?: .*)?$/m;
		my @users = grep { my $name = $_; grep { $$_[2] eq $name && $$_[0] =~ $user } @{$found->{$name}} } keys %$found;
		my $users = join '', map { "$_\n" } sort grep { $_ ne "$1()" } @users;
		return wantarray ? ($users, $users) : $users;
	}
	my @entries = sort { $$a[0] cmp $$b[0] } @{$found->{$item} || []};
	return unless @entries;
	my $text = join("\n", map { $$_[0] } @entries);
	return wantarray ? ($text, join("\n", map { "$$_[1]\n" } @entries)) : $text;
}

sub version_of {
	my ($tree) = @_;
	my %is;
	if (open my $makefile, '<', "$tree/Makefile") {
		for my $line (<$makefile>) {
			$is{$1} = $2 if $line =~ /^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=\s*(\S*)/ && !defined $is{$1};
		}
	}
	fail("$tree/Makefile does not say which kernel it is: the kernel's source is needed")
		unless defined $is{VERSION} && defined $is{PATCHLEVEL} && defined $is{SUBLEVEL};
	return "$is{VERSION}.$is{PATCHLEVEL}.$is{SUBLEVEL}" . ($is{EXTRAVERSION} // '');
}

# The hashes of several texts; - for none
sub hashes {
	my (@texts) = @_;
	my $dir = tempdir(CLEANUP => 1);
	my @files = map { "$dir/$_" } grep { defined $texts[$_] } 0 .. $#texts;
	for my $n (grep { defined $texts[$_] } 0 .. $#texts) {
		open my $out, '>', "$dir/$n" or die "$dir/$n: $!\n";
		print $out $texts[$n];
		close $out or die "$dir/$n: $!\n";
	}
	my @sums = ('-') x @texts;
	return @sums unless @files;
	open my $in, '-|', 'sha256sum', @files or die "sha256sum: $!\n";
	for my $line (<$in>) {
		$sums[$2] = $1 if $line =~ m{^(\w{12})\w* .*/(\d+)$};
	}
	close $in or die "sha256sum failed\n";
	return @sums;
}

# --- the list ------------------------------------------------------------

# Lines as they are, with those of items parsed
sub read_list {
	my (@lines, @kernels, $section, @features);
	open my $in, "<", $path or die "$path: $!\n";
	for (<$in>) {
		chomp;
		my $line = { text => $_ };
		push @lines, $line;
		if (/^kernels:\s*(.*)/) {
			@kernels = split ' ', $1;
			$line->{is_kernels} = 1;
		} elsif (/^\[(.*)\]$/) {
			$section = [split ' ', $1];
		} elsif (/^feature (\w+): (.*) has (\w+)$/) {
			push @features, { name => $1, item => $2, token => $3, section => $section };
		} elsif (/^([^#\t][^\t]*|#define \w+)\t*(.*)/) {
			my $item = { line => $line, name => $1, section => $section, hash => {} };
			for (split ' ', $2) {
				my ($hash, $first, $last) = /^(\w+|-|\?)=([^-]+(?:-rc\d+)?)(?:-([^-]+(?:-rc\d+)?))?$/ or die "$path: $_?\n";
				my ($from, $to) = map { my $v = $_; grep { $kernels[$_] eq $v } 0 .. $#kernels }
					$first, $last // $first;
				die "$path: $_: a kernel that is not among those above\n" unless defined $to;
				$item->{hash}{$kernels[$_]} = $hash for $from .. $to;
			}
			$line->{item} = $item;
		}
	}
	return { lines => \@lines, kernels => \@kernels, features => \@features,
		items => [map { $_->{item} } grep { $_->{item} } @lines] };
}

# Kernels in their order; those with the same text in one range
sub spans {
	my ($kernels, $hash) = @_;
	my @spans;
	for my $kernel (@$kernels) {
		my $now = $hash->{$kernel} // '?';
		if (@spans && $spans[-1][0] eq $now) {
			$spans[-1][2] = $kernel;
		} else {
			push @spans, [$now, $kernel];
		}
	}
	return map { "$$_[0]=" . join '-', @$_[1 .. $#$_] } @spans;
}

sub columns {
	my ($name, @spans) = @_;
	my $tabs = int((39 - length $name) / 8);
	return $name . "\t" x ($tabs > 0 ? $tabs : 1) . join ' ', @spans;
}

# --- what is asked -------------------------------------------------------

# The files and folders that are read
sub needed {
	my ($list) = @_;
	my %seen;
	return grep { !$seen{$_}++ } map { @{$_->{section}} } @{$list->{items}};
}

# Whether it is a source tree at all; one that lacks a file lacks what is in it.
sub need_tree {
	my ($list, $tree) = @_;
	my ($first) = needed($list);
	fail("$tree has no $first: the kernel's whole source is needed, headers won't do")
		unless grep { /\.c$/ } sources_in("$tree/$first");
}

sub hash_items {
	my ($list, $tree) = @_;
	return hashes(map { scalar text_of($tree, $_->{section}, $_->{name}) } @{$list->{items}});
}

# In one line, what keeps the tree from being that of a reviewed kernel; compared
# with the one that it has most of.
sub difference {
	my ($list, $tree) = @_;
	my @items = @{$list->{items}};
	my @now = hash_items($list, $tree);
	my ($nearest, @differ);
	for my $kernel (reverse @{$list->{kernels}}) {
		my @these = grep { $now[$_] ne ($items[$_]{hash}{$kernel} // '') } 0 .. $#items;
		($nearest, @differ) = ($kernel, @these) if !defined $nearest || @these < @differ;
	}
	return unless @differ;
	my $lacks = sub { my $item = shift; grep { $_ eq '-' } values %{$item->{hash}} };
	my @gone = grep { $now[$_] eq '-' && !$lacks->($items[$_]) } @differ;
	# What is gone is named first, as it explains the others.
	my ($n) = (@gone, @differ);
	my $what = "$items[$n]{name} of " . version_of($tree);
	my $more = @differ - 1;
	my ($other) = grep { ($items[$n]{hash}{$_} // '') eq $now[$n] } reverse @{$list->{kernels}};
	return "$what is gone" . ($more ? ", and $more more differ" : '') .
		': rkernfs was compared with kernels that have it' if @gone;
	return "$what is that of $other, others are those of $nearest: rkernfs was compared with no such mixture" if $other;
	my $others = !$more ? '' : $more == 1 ? ', nor is 1 other' : ", nor are $more others";
	return "$what are not those that rkernfs was compared with$others" if $what =~ /^users/;
	return "$what is not one of those that rkernfs was compared with$others";
}

# The same, unless that is the end: what is not to build what nobody compared.
sub judge {
	my ($list, $tree) = @_;
	need_tree($list, $tree);
	my $why = difference($list, $tree) or return;
	return $why if ($ENV{RKERNFS_UNREVIEWED} // '') eq '1';
	fail("$why: Documentation/kernels.rst, Porting");
}

sub check {
	my $why = judge(read_list(), @_) or return;
	print STDERR "note: $why; built all the same, as RKERNFS_UNREVIEWED=1\n";
}

sub header {
	my ($tree) = @_;
	my $list = read_list();
	my $why = judge($list, $tree);
	print "#define RKERNFS_UNREVIEWED \"$why\"\n" if $why;
	for my $feature (@{$list->{features}}) {
		my $text = text_of($tree, $feature->{section}, $feature->{item}) // '';
		print "#define RKERNFS_HAS_$feature->{name} ", $text =~ /^(?:.* )?\Q$feature->{token}\E(?: .*)?$/m ? 1 : 0, "\n";
	}
}

sub files { print "$_\n" for needed(read_list()) }

sub diff {
	my (@trees) = @_;
	my $list = read_list();
	need_tree($list, $_) for @trees;
	my $dir = tempdir(CLEANUP => 1);
	for my $item (@{$list->{items}}) {
		my @texts = map { [text_of($_, $item->{section}, $item->{name})] } @trees;
		next if ($texts[0][0] // '') eq ($texts[1][0] // '');
		for my $n (0, 1) {
			open my $out, '>', "$dir/$n" or die "$dir/$n: $!\n";
			print $out $texts[$n][1] // '';
			close $out or die "$dir/$n: $!\n";
		}
		$| = 1;
		system 'diff', '-up', map({ ('--label', version_of($_) . ": $item->{name}") } @trees), "$dir/0", "$dir/1";
	}
}

sub record {
	my ($tree) = @_;
	my $list = read_list();
	need_tree($list, $tree);
	my $version = version_of($tree);
	my @now = hash_items($list, $tree);
	my %seen;
	my @kernels = sort { sort_key($a) cmp sort_key($b) } grep { !$seen{$_}++ } @{$list->{kernels}}, $version;
	$list->{items}[$_]{hash}{$version} = $now[$_] for 0 .. $#now;
	open my $out, '>', "$path.part" or die "$path.part: $!\n";
	for my $line (@{$list->{lines}}) {
		my $text = $line->{text};
		$text = "kernels: @kernels" if $line->{is_kernels};
		$text = columns($line->{item}{name}, spans(\@kernels, $line->{item}{hash})) if $line->{item};
		print $out "$text\n";
	}
	close $out or die "$path.part: $!\n";
	rename "$path.part", $path or die "$path: $!\n";
}

sub sort_key {
	my ($version) = @_;
	return join '.', map { /^\d+$/ ? sprintf '%06d', $_ : $_ } split /\.|(?=-)/, $version;
}

my %actions = (check => [\&check, 1], header => [\&header, 1], files => [\&files, 0],
	diff => [\&diff, 2], record => [\&record, 1]);
my $action = $actions{shift // ''};
if (!$action || @ARGV != $$action[1]) {
	print STDERR "usage: compare.pl check TREE | header TREE | files | diff OLD NEW | record TREE\n";
	exit 2;
}
$$action[0]->(@ARGV);
