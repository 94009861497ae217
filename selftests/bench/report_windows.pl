# SPDX-License-Identifier: GPL-2.0
#
# The part of report.pl about what plugin/windows.c counts.
use strict;
use warnings;
use utf8;

# Cycles of AMD's Zen 3, roughly: two instructions in each; what is not in the
# first level, but in the second; what is in the third.
my ($per_insn, $l2_hit, $l3_hit) = (0.5, 12, 46);

my @cases = (
	['unwatched', 'unwatched'], ['burst', 'the same, many in a row'],
	['looked-up', 'each file looked up'], ['watched', '``memory.events`` is watched']);
my @states = (['limit', 'limit'], ['disabled', 'off'], ['enabled', 'on']);
my @layers = qw(kernfs rkernfs livepatch VFS fsnotify cgroup locks RCU lib memory other);

# Of a removal in one of the states; undef: not measured
sub windows_of {
	my ($patch, $case, $suffix, @stats) = @_;
	my ($size) = sizes('rmdir', $case);
	my %of = map { $_ => get('windows', $patch, 'rmdir', $case, $size // '', "$_$suffix") } @stats;
	return defined $of{$stats[0]} ? \%of : undef;
}

sub warm_cycles {
	my ($of) = @_;
	return $of->{insns} * $per_insn + ($of->{l1i} + $of->{l1d} - $of->{l2}) * $l2_hit + $of->{l2} * $l3_hit;
}

sub cold_cycles {
	my ($of) = @_;
	return $of->{insns} * $per_insn + ($of->{code_lines} + $of->{data_lines}) * $l3_hit;
}

sub each_window {
	my ($suffix, $stats, $each) = @_;
	for my $controllers (qw(reported memory all)) {
		for my $case (@cases) {
			for my $state (@states) {
				my $of = windows_of($state->[0], "$controllers/$case->[0]", $suffix, @$stats) or next;
				$each->("$controllers: $case->[1]", $state->[1], $of);
			}
		}
	}
}

sub misses_table {
	my @stats = qw(insns l1i l1d l2 code_lines data_lines code_pages data_pages);
	my @rows = ['controllers, case', 'patch', 'instructions', 'L1I', 'L1D', 'L2', 'lines of code', 'of data', 'pages of code', 'of data', 'cycles', 'cold'];
	each_window('', \@stats, sub {
		my ($case, $patch, $of) = @_;
		push @rows, [$case, $patch, (map { sprintf '%.0f', $of->{$_} } @stats), map { sprintf '%.1fk', $_ / 1000 } warm_cycles($of), cold_cycles($of)];
	});
	return rst_table('rmdir of an empty cgroup: misses, different lines and pages, and an estimate of cycles', @rows);
}

sub layers_table {
	my %rows;
	my @columns;
	each_window('', ['insns'], sub {
		my ($case, $patch) = @_;
		return if $case !~ /^memory: (unwatched|each|``)/;
		my ($name) = grep { "memory: $_->[1]" eq $case } @cases;
		my ($state) = grep { $_->[1] eq $patch } @states;
		push @columns, "$name->[0], $patch";
		for my $layer (@layers) {
			my $of = windows_of($state->[0], "memory/$name->[0]", "/$layer", 'insns', 'code_lines');
			push @{$rows{$layer}}, $of ? sprintf('%.0f (%.0f)', $of->{insns}, $of->{code_lines}) : '';
		}
	});
	# Debian's kernels come without the objects that tell whose a function is.
	my @there = grep { grep { length } @{$rows{$_} || []} } @layers;
	return rst_table('whose instructions they are, and in parentheses lines of code; memory controller only',
		['part', @columns], map { [$_, @{$rows{$_}}] } @there);
}

# Of a removal: lines that another processor had. In parentheses, those that
# rkernfs's own instructions took.
sub turns_table {
	my @rows = ['processors', map { ("$_, off", "$_, on") } qw(unwatched watched)];
	for my $cpus (sizes('turns', 'memory/unwatched')) {
		push @rows, [$cpus, map {
			my @key = ('turns', "memory/$_", $cpus);
			my ($off, $on, $own) = (get('turns', 'disabled', @key, 'bounced_lines'),
				map { get('turns', 'enabled', @key, $_) } 'bounced_lines', 'bounced_lines/rkernfs');
			($off // '', defined $on ? sprintf('%d (%d)', $on, $own // 0) : '')
		} qw(unwatched watched)];
	}
	return rst_table('P8: rmdir of an empty cgroup on each of so many processors in turn: lines of data that another one wrote, or loses; in parentheses to rkernfs\'s own instructions', @rows);
}

# --- kernels side by side ------------------------------------------------

my (@columns, %instructions);	# "kernel, state"; of it and a case

sub remember_kernel {
	my ($kernel) = @_;
	my %names = (limit => 'without its look at inodes', disabled => 'alone', enabled => 'with rkernfs');
	for my $state (@states) {
		my $column = "$kernel $names{$state->[0]}";
		for my $case (@cases) {
			my $of = windows_of($state->[0], "memory/$case->[0]", '', 'insns') or next;
			push @columns, $column unless $instructions{$column};
			$instructions{$column}{$case->[0]} = $of->{insns};
		}
	}
}

sub plot_kernels {
	my ($file) = @_;
	return unless @columns;
	gnuplot($file, "set title 'rmdir of an empty cgroup, memory controller only' noenhanced\n" .
		"set ylabel 'instructions'\nset yrange [0:*]\nset style data histogram\nset key outside top center maxrows 3\n" .
		"set style fill solid 0.8 border -1\nset xtics noenhanced\n\$data << EOD\n" .
		join('', map { my $case = $_->[0]; join(' ', $case, map { $instructions{$_}{$case} // 'NaN' } @columns) . "\n" } @cases) .
		"EOD\nplot " . join(', ', map { sprintf '$data using %d:xtic(1) title "%s"', $_ + 2, $columns[$_] } 0 .. $#columns) . "\n");
}

sub windows_tables { return misses_table() . layers_table() . turns_table() }

1;
