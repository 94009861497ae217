#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# report.pl FOLDER [TREE]: of each <kernel>.csv in FOLDER makes tables,
# <kernel>.rst, and plots, <kernel>-*.svg. In the source TREE they replace what
# Documentation/results/bench-<kernel>.rst has from the line ".. generated" on, and
# the plots of these names in Documentation/plots; and a line what README.md
# has between <!-- cost:<kernel> --> and <!-- /cost:<kernel> -->.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use File::Basename qw(basename);
use FindBin;
use List::Util qw(sum);

require "$FindBin::Bin/report_windows.pl";

my ($folder, $tree) = @ARGV;
my %values;	# clock, patch, measure, case, size, stat: the turns' values
my %of;		# measure, case: sizes
my %ways = (	# to learn of the end of a cgroup
	mark => 'one mark (rkernfs)',
	inotify => 'one watch (rkernfs)', pidfd => 'watch + pidfd',
	procfs => 'watch + /proc every second', parent => 'watch + watch of the parent');

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return @sorted ? ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2 : undef;
}

sub read_csv {
	my ($file) = @_;
	open(my $csv, '<', $file) or die "$file: $!\n";
	<$csv>;
	(%values, %of) = ();
	while (<$csv>) {
		chomp;
		my ($kernel, $clock, $turn, $patch, $measure, $case, $size, $stat, $value) = split /,/;
		push @{$values{join ',', $clock, $patch, $measure, $case, $size, $stat}}, $value;
		$of{"$measure,$case"}{$size} = 1;
	}
}

sub read_conditions {
	my ($file) = @_;
	my %conditions;
	open(my $lines, '<', $file) or return;
	/^(\w+)=(.*)/ and $conditions{$1} = $2 while <$lines>;
	return %conditions;
}

# The median of the turns
sub get {
	return median(@{$values{join ',', @_} || []});
}

sub sizes {
	my ($measure, $case) = @_;
	return sort { $a <=> $b } keys %{$of{"$measure,$case"} || {}};
}

sub us { return sprintf $_[0] < 99500 ? '%.1f' : '%.0f', $_[0] / 1000 }
sub ms { return sprintf '%.2f', $_[0] / 1e6 }

# --- tables --------------------------------------------------------------

# A reStructuredText table of rows; the first is the heading
sub rst_table {
	my ($title, @rows) = @_;
	return '' if @rows < 2;
	my @width;
	for my $row (@rows) {
		for (0 .. $#$row) {
			my $length = length $row->[$_];
			$width[$_] = $length if $length > ($width[$_] // 1);
		}
	}
	my $rule = '   ' . join('  ', map { '=' x $_ } @width) . "\n";
	my @lines = map {
		my $row = $_;
		my $line = '   ' . join('  ', map { sprintf '%-*s', $width[$_], length $row->[$_] ? $row->[$_] : '–' } 0 .. $#width);
		$line =~ s/ +$//;
		"$line\n"
	} @rows;
	return "\n.. table:: $title\n\n$rule" . shift(@lines) . $rule . join('', @lines) . $rule;
}

# A limit as "<= 1.03" and a value: by how much is it missed?
sub missed_by {
	my ($value, $limit) = @_;
	my ($relation, $bound) = split ' ', $limit;
	return $relation eq '<=' ? $value - $bound : $bound - $value;
}

my %missed;	# clock, measure: a target is missed

sub judge {
	my ($value, $limit, $clock, $name) = @_;
	my $text = sprintf '%.3f', $value;
	return $text unless $limit;
	my $by = missed_by($value, $limit);
	return "**$text**" if $by <= 0;
	$missed{$clock}{$name} = 1;
	return sprintf '%s (+%.3f)', $text, $by;
}

# Enabled to disabled; of throughput, the inverse of time, the other way round
sub ratio {
	my ($limit, $clock, @key) = @_;
	my ($off, $on) = map { get($clock, $_, @key) } qw(disabled enabled);
	return unless $off && $on;
	return $limit =~ /^>/ ? $off / $on : $on / $off;
}

# With the host's clock the best tenth is judged: what is more than that is
# mostly the host's other work.
sub compare {
	my ($clock, $name, $limit, $format, @key) = @_;
	my $stat = pop @key;
	$stat =~ s/median/p10/ if $clock eq 'plain';
	my ($off, $on) = map { get($clock, $_, @key, $stat) } qw(disabled enabled);
	$limit = $limit->{$clock} // '' if ref $limit;
	my $ratio = ratio($limit, $clock, @key, $stat);
	return ('', '') unless defined $ratio;
	return ($format->($off) . ' → ' . $format->($on), judge($ratio, $limit, $clock, $name));
}

sub limit_text {
	my ($limit) = @_;
	return join ', time ', map { limit_text($_) } grep { defined } @$limit{qw(icount plain)} if ref $limit;
	$limit =~ s/<=/≤/;
	$limit =~ s/>=/≥/;
	return $limit;
}

# @key: measure, case, size, stat
sub comparison {
	my ($what, $name, $limit, $format, @key) = @_;
	my @columns = map { compare($_, $name, $limit, $format, @key) } qw(icount plain);
	my $medians = ratio(ref $limit ? '' : $limit, 'plain', @key);
	return unless grep { $_ } @columns;
	return [$what, $name, limit_text($limit), @columns, defined $medians ? sprintf('%.3f', $medians) : ''];
}

sub comparison_table {
	my ($title, @rows) = @_;
	return rst_table($title, ['case', 'P', 'to reach', 'counted: off → on', 'ratio', 'time: off → on', 'ratio', 'medians'], @rows);
}

# Before 7.1, whose own removal looks at inodes
sub is_old {
	my ($kernel) = @_;
	return $kernel =~ /^(dev-)?(6\.|7\.0)/;
}

# The name and the target of rmdir's cases; by the host's clock, of one after a pause
sub rmdir_targets {
	my ($kernel) = @_;
	return is_old($kernel) ?
		(unwatched => ['P1', { icount => '<= 0.90', plain => '<= 1.00' }], burst => ['P1', '<= 0.90'],
		 looked_up => ['P11', '<= 1.00'], watched => ['P3', '<= 1.03']) :
		(unwatched => ['P2', { icount => '<= 0.83', plain => '<= 0.82' }], burst => ['P2', '<= 0.83'],
		 looked_up => ['P11', '<= 0.94'], watched => ['P3', '<= 0.85']);
}

sub rmdir_table {
	my ($kernel) = @_;
	my %target = rmdir_targets($kernel);
	my @rows;
	for my $set (['reported', 'as reported'], ['memory', 'memory controller only'], ['all', 'all controllers']) {
		my ($controllers, $text) = @$set;
		for my $size (sizes('rmdir', "$controllers/unwatched")) {
			my @rest = ($size, 'ns_median');
			my ($burst) = sizes('rmdir', "$controllers/burst");
			my $what = "$size nodes ($text)";
			push @rows, comparison("$what: unwatched", @{$target{unwatched}}, \&us, 'rmdir', "$controllers/unwatched", @rest);
			push @rows, comparison("$what: the same, $burst in a row", @{$target{burst}}, \&us, 'rmdir', "$controllers/burst", $burst, 'ns_median') if $burst;
			push @rows, comparison("$what: each file looked up", @{$target{looked_up}}, \&us, 'rmdir', "$controllers/looked-up", @rest);
			push @rows, comparison("$what: ``memory.events`` is watched", @{$target{watched}}, \&us, 'rmdir', "$controllers/watched", @rest);
		}
	}
	return comparison_table('rmdir of an empty cgroup, µs', @rows);
}

sub live_table {
	my @rows;
	for my $place (qw(cgroup sysfs)) {
		for my $operation (qw(stat open-close walk readdir change-unseen change-seen)) {
			push @rows, comparison("$place: $operation", 'P5', '<= 1.01',
				sub { sprintf '%.2f', $_[0] / 1000 }, 'live', "$place/$operation", 1, 'ns_median');
		}
	}
	return comparison_table('nodes that stay, µs', @rows);
}

# A tree on each of so many CPUs, as many as the host has
sub parallel_table {
	return comparison_table('removals per second', map {
		comparison($_ > 1 ? "rmdir in $_ trees at once" : 'rmdir in one tree', 'P8', '>= 0.97',
			sub { sprintf '%.0f', 1e9 / $_[0] }, 'parallel', 'rmdir', $_, 'ns_median')
	} sizes('parallel', 'rmdir'));
}

# The growth from the least to the most superblocks, which come with network
# namespaces: some of it is theirs, so it is judged against that of the kernel alone.
# By the clock that counts instructions, the time is that of a grace period's ticks:
# nothing to judge; nor is that of a thread of the kernel, which waits for several.
sub netdev_table {
	my @sizes = sizes('netdev', 'removal');
	my @rows = ['', 'clock', 'patch', @sizes, 'growth', 'on to off'];
	for my $kind (['removal', 'ns', 'time'], ['removal', 'cpu_ns', 'CPU time'],
		      ['namespace', 'ns', "time, by the kernel's thread"]) {
		my ($case, $stat, $text) = @$kind;
		for my $clock (qw(icount plain)) {
			my $unpatched;
			for my $patch (qw(disabled enabled)) {
				my @at = map { get($clock, $patch, 'netdev', $case, $_, $stat . ($clock eq 'plain' ? '_p10' : '_median')) } @sizes;
				my @there = grep { defined } @at;
				next if @there < 2;
				my $judged = $patch eq 'enabled' && $case eq 'removal' && $clock . $stat ne 'icountns';
				my $limit = $judged ? '<= 1.01' : '';
				my $growth = $there[-1] / $there[0];
				push @rows, [$text, $clock eq 'plain' ? 'time' : 'counted', $patch eq 'enabled' ? 'on' : 'off',
					(map { defined ? us($_) : '' } @at), sprintf('%.3f', $growth),
					$unpatched ? judge($growth / $unpatched, $limit, $clock, 'P4') : ''];
				$unpatched //= $growth;
			}
		}
	}
	$rows[0][0] = 'what';
	return rst_table('P4: removal of a network device with so many sysfs superblocks, µs', @rows);
}

sub names_table {
	my @sizes = sizes('names', 'removal');
	my @rows = ['what', 'patch', @sizes, 'growth'];
	for my $kind (['beside', 'another device', '<= 1.01'], ['removal', 'that device', '']) {
		my ($case, $text, $limit) = @$kind;
		for my $patch (qw(disabled enabled)) {
			my @at = map { get('icount', $patch, 'names', $case, $_, 'cpu_ns_median') // () } @sizes;
			next if @at < 2;
			push @rows, [$text, $patch eq 'enabled' ? 'on' : 'off', (map { us($_) } @at),
				judge($at[-1] / $at[0], $patch eq 'enabled' ? $limit : '', 'icount', 'P12')];
		}
	}
	return rst_table('P12: removal of a network device while a user has looked up so many names that are not there in the directory of one, µs of CPU time', @rows);
}

sub delay_table {
	my @rows = ['cause', 'clock', 'median', 'p99', 'p99 after the return', 'rounds'];
	for my $cause (qw(subtree_control reclaimed netdev cpu-offline)) {
		for my $clock (qw(icount plain)) {
			my ($median, $p99, $after, $rounds) = map { get($clock, 'enabled', 'delay', $cause, 1, $_) }
				qw(from_start_ns_median from_start_ns_p99 from_return_ns_p99 from_start_ns_rounds);
			next unless defined $median;
			$missed{$clock}{P6} = 1 if $after > 5e6;
			push @rows, [$cause, $clock eq 'plain' ? 'time' : 'counted', ms($median), ms($p99),
				$after > 5e6 ? sprintf('%s (+%s)', ms($after), ms($after - 5e6)) : '**' . ms($after) . '**', $rounds];
		}
	}
	return rst_table('P6: from the start of the call to the event, ms; p99 after the return ≤ 5 ms', @rows);
}

sub directory_table {
	my @sizes = sizes('directory', 'unwatched');
	my @rows = ['case', 'clock', @sizes];
	for my $case (qw(unwatched watched)) {
		for my $clock (qw(icount plain)) {
			my @at = map { get($clock, 'enabled', 'directory', $case, $_, $clock eq 'plain' ? 'ns_per_node_p10' : 'ns_per_node_median') } @sizes;
			push @rows, [$case eq 'watched' ? 'all watched' : 'nobody watches', $clock eq 'plain' ? 'time' : 'counted',
				map { defined ? sprintf('%.0f', $_) : '' } @at] if grep { defined } @at;
		}
	}
	return rst_table('P7: removal of a directory of so many nodes, ns per node', @rows);
}

sub load_table {
	my @rows = ['clock', 'file, KiB', 'in memory, KiB', 'slab, KiB', 'insmod, ms', 'patched after, ms'];
	for my $clock (qw(icount plain)) {
		my ($insmod, $patched) = map { get($clock, 'enabled', 'load', $_, 1, 'ns') } qw(insmod patched);
		my @bytes = map { get($clock, 'enabled', 'load', $_, 1, 'bytes') } qw(file module slab);
		push @rows, [$clock eq 'plain' ? 'time' : 'counted', (map { sprintf '%.0f', $_ / 1024 } @bytes), ms($insmod), ms($patched)]
			if defined $insmod;
	}
	return rst_table('P10: size and start', @rows);
}

sub monitor {
	return get('icount', 'enabled', 'monitor', @_) // get('many', 'enabled', 'monitor', @_);
}

# "never (3)": so many were never known of
sub delay_text {
	my ($way, $size, $suffix, @stats) = @_;
	my $missed = monitor($way, $size, "missed$suffix") // return '';
	return $missed ? "never ($missed)" : join ', ', map { ms(monitor($way, $size, "delay${suffix}_ns_$_")) } @stats;
}

sub monitor_table {
	my ($seconds) = @_;
	my @rows = ['cgroups', 'learns of the end by', 'descriptors + watches', 'kernel bytes each', 'set up, ms', 'idle CPU, µs/s', 'CPU for each event, µs', 'for each that goes', 'delay, ms', 'at once', 'delay, p99, ms'];
	for my $size (sizes('monitor', 'inotify')) {
		for my $way (qw(mark inotify parent pidfd procfs)) {
			my %v = map { $_ => monitor($way, $size, $_) } qw(fds watches kernel_bytes_each setup_ns idle_cpu_ns_per_s
				cpu_ns_each_event breaches_missed cpu_ns_each_gone at_once);
			next unless defined $v{fds};
			push @rows, [$size, $ways{$way} =~ /rkernfs/ ? "**$ways{$way}**" : $ways{$way}, "$v{fds} + $v{watches}",
				sprintf('%.0f', $v{kernel_bytes_each}), defined $v{setup_ns} ? ms($v{setup_ns}) : '', us($v{idle_cpu_ns_per_s}),
				$v{breaches_missed} ? "missed $v{breaches_missed}" : defined $v{cpu_ns_each_event} ? us($v{cpu_ns_each_event}) : '',
				us($v{cpu_ns_each_gone} // 0), delay_text($way, $size, '', 'median'),
				$v{at_once} // '', delay_text($way, $size, '_at_once', 'median', 'p99')];
		}
	}
	return rst_table('P9: a monitor of ``memory.events`` in so many cgroups, ten to a parent, a process in each (of 100,000 in 1.1 %); 1 % (5 to 100) breach ``memory.high``, then go', @rows) . limits_text($seconds);
}

# Two events for each cgroup that goes, IN_DELETE_SELF and IN_IGNORED
sub limits_text {
	my ($seconds) = @_;
	my ($watches, $queue) = map { get('many', 'enabled', 'limits', 'inotify', 1, $_) } qw(watches queued_events);
	my $pids = get('many', 'enabled', 'limits', 'pidfd', 1, 'pid_max');
	return '' unless defined $watches;
	return "\ninotify's own limits there, of 12 GB of memory: ``max_user_watches`` $watches, ``max_queued_events`` $queue:\n" .
		sprintf("a monitor that does not read while %d cgroups go gets an overflow. Of more than 65,535 cgroups,\n", $queue / 2) .
		"which cannot all have the memory controller, ``cgroup.events`` is watched. Of more than\n``pid_max``, $pids, not each can have a process. All that took $seconds s.\n";
}

sub make_tables {
	my ($kernel, %is) = @_;
	%missed = ();
	return "\nLinux $is{kernel}, rkernfs $is{revision}, $is{date}, by ``make bench $is{settings}" . ($is{full} ? ' FULL=1' : '') .
		"``.\nQEMU $is{qemu} ($is{plain})\non $is{host}, load $is{load}.\n" .
		rmdir_table($kernel) . windows_tables() . netdev_table() . names_table() . live_table() . delay_table() . directory_table() .
		parallel_table() . monitor_table($is{many} // '?') . load_table();
}

# --- the line in the README ----------------------------------------------

sub percent {
	my ($case) = @_;
	my ($size) = sizes('rmdir', $case);
	my $ratio = ratio('', 'icount', 'rmdir', $case, $size // '', 'ns_median');
	return defined $ratio ? sprintf('%+.1f %%', 100 * $ratio - 100) : '?';
}

# What the tables missed, as make_tables() left it
sub make_verdict {
	my ($kernel) = @_;
	my $verdict = sprintf "- %s: rmdir of an unwatched cgroup %s, of a watched one %s%s. Targets missed: %s.\n",
		$kernel, percent('memory/unwatched'), percent('memory/watched'),
		is_old($kernel) ? ' (which an unpatched 6.12 does not report)' : '', join(', ', sort keys %{$missed{icount} || {}}) || 'none';
	$verdict =~ s/-(\d)/−$1/g;
	return $verdict;
}

# --- plots ---------------------------------------------------------------

sub gnuplot {
	my ($file, $commands) = @_;
	open(my $gnuplot, '|-', 'gnuplot') or die "gnuplot: $!\n";
	print $gnuplot "set terminal svg size 720,440 dynamic font 'sans,12' background 'white'\n",
		"set output '$file'\nset grid ytics lc rgb '#dddddd'\nset key top left\n", $commands;
	close($gnuplot) or warn "$file: gnuplot failed\n";
}

# One block of data, "x y" lines, for each series
sub plot_lines {
	my ($file, $title, $x, $y, $more, @series) = @_;
	my ($data, @plots) = ('');
	for (@series) {
		my ($name, @points) = @$_;
		next unless @points;
		my $block = '$s' . @plots;
		$data .= "$block << EOD\n" . join('', map { "$_->[0] $_->[1]\n" } @points) . "EOD\n";
		push @plots, "$block using 1:2 with linespoints lw 2 pt 7 ps 0.6 title '$name'";
	}
	return unless @plots;
	gnuplot($file, "set title '$title' noenhanced\nset xlabel '$x'\nset ylabel '$y'\nset logscale x\n$more\n${data}plot " .
		join(', ', @plots) . "\n");
}

sub plot_netdev {
	my ($kernel) = @_;
	my @series;
	for my $patch (qw(disabled enabled)) {
		push @series, [$patch, map { my $v = get('icount', $patch, 'netdev', 'removal', $_, 'cpu_ns_median');
			defined $v ? [$_, $v / 1000] : () } sizes('netdev', 'removal')];
	}
	plot_lines("$folder/$kernel-netdev.svg", "$kernel: removal of a network device", 'sysfs superblocks',
		'CPU time, µs (instructions / 1000)', "unset logscale x\nset yrange [0:*]", @series);
}

sub plot_directory {
	my ($kernel) = @_;
	my @series = map { my $case = $_; [$case, map { [$_, get('icount', 'enabled', 'directory', $case, $_, 'ns_per_node_median') // 'NaN'] }
		sizes('directory', $case)] } qw(unwatched watched);
	plot_lines("$folder/$kernel-directory.svg", "$kernel: removal of a directory", 'nodes',
		'instructions per node', 'set yrange [0:*]', @series);
}

sub plot_monitor {
	my ($kernel) = @_;
	# name, what is added up, label, scale
	my @plots = (
		['kernel-bytes', ['kernel_bytes_each'], 'kernel bytes for each cgroup', 'set yrange [0:*]'],
		['descriptors', ['fds', 'watches'], 'descriptors and watches', 'set logscale y'],
		['setup', ['setup_ns'], 'time to set up, µs', 'set logscale y'],
		['idle', ['idle_cpu_ns_per_s'], 'idle: CPU µs per second', 'set yrange [-100:*]'],
		['cpu', ['cpu_ns_each_gone'], 'CPU µs for each that goes', 'set logscale y'],
		['delay', ['delay_ns_median'], 'delay, µs', 'set logscale y'],
	);
	for my $plot (@plots) {
		my ($name, $stats, $label, $scale) = @$plot;
		my @series;
		for my $way (qw(procfs pidfd parent inotify mark)) {
			my @points;
			for my $size (sizes('monitor', $way)) {
				my @v = grep { defined } map { monitor($way, $size, $_) } @$stats;
				push @points, [$size, sum(@v) / ("@$stats" =~ /_ns_/ ? 1000 : 1)] if @v == @$stats;
			}
			push @series, [$ways{$way}, @points];
		}
		plot_lines("$folder/$kernel-monitor-$name.svg", "$kernel: a monitor of many cgroups", 'cgroups', $label,
			"$scale\nset key outside top center maxrows 2", @series);
	}
}

# Bars side by side: what the ways to follow the most cgroups take
sub plot_follow {
	my ($kernel) = @_;
	my $size = (sizes('monitor', 'mark'))[-1] or return;
	my %bars = (mark => 'one mark', inotify => 'watches', parent => '+ parents', pidfd => '+ pidfds', procfs => '+ /proc');
	my $data = '';
	for my $way (qw(mark inotify parent pidfd procfs)) {
		my ($bytes, $setup) = map { monitor($way, $size, $_) } qw(kernel_bytes_each setup_ns);
		$data .= sprintf "\"$bars{$way}\" %f %f\n", $bytes * $size / 2 ** 20, $setup / 1e6 if defined $setup;
	}
	gnuplot("$folder/$kernel-follow.svg", "\$data << EOD\n${data}EOD\nset style data histogram\nset style fill solid 0.8 border -1\n" .
		"set boxwidth 0.8\nset yrange [0:*]\nset xtics rotate by -30\nset bmargin 5\nset rmargin 4\nset key off\n" .
		"set multiplot layout 1,2 title '$kernel: ways to follow $size cgroups' noenhanced\n" .
		"set title 'kernel memory, MiB'\nplot \$data using 2:xtic(1)\n" .
		"set title 'set up, ms (million instructions)'\nplot \$data using 3:xtic(1)\n");
}

# Pairs of bars: disabled, enabled
sub plot_pairs {
	my ($file, $title, $y, @pairs) = @_;
	@pairs = grep { defined $_->[1] && defined $_->[2] } @pairs or return;
	gnuplot($file, "set title '$title' noenhanced\nset ylabel '$y'\nset yrange [0:*]\nset style data histogram\n" .
		"set style fill solid 0.8 border -1\nset xtics rotate by -25 noenhanced\nset bmargin 6\n\$data << EOD\n" .
		join('', map { "\"$_->[0]\" $_->[1] $_->[2]\n" } @pairs) .
		"EOD\nplot \$data using 2:xtic(1) title 'disabled', \$data using 3 title 'enabled'\n");
}

sub plot_all {
	my ($kernel) = @_;
	my @both = qw(disabled enabled);
	my @rmdir = map { my $case = $_; map { my $size = $_; [$case, map { my $v = get('icount', $_, 'rmdir', $case, $size, 'ns_median'); $v && $v / 1000 } @both] }
		sizes('rmdir', $case) } map { ("memory/$_", "all/$_") } qw(unwatched burst looked-up watched);
	plot_pairs("$folder/$kernel-rmdir.svg", "$kernel: rmdir of an empty cgroup", 'µs (instructions / 1000)', @rmdir);
	my @live = map { my $case = $_; [$case, map { my $v = get('icount', $_, 'live', $case, 1, 'ns_median'); $v && $v / 1000 } @both] }
		map { my $place = $_; map { "$place/$_" } qw(stat open-close walk readdir change-unseen change-seen) } qw(cgroup sysfs);
	plot_pairs("$folder/$kernel-live.svg", "$kernel: nodes that stay", 'µs (instructions / 1000)', @live);
	plot_netdev($kernel);
	plot_directory($kernel);
	plot_monitor($kernel);
	plot_follow($kernel);
}

# --- all -----------------------------------------------------------------

sub slurp {
	my ($file) = @_;
	open(my $text, '<', $file) or return;
	local $/;
	return <$text>;
}

sub spew {
	my ($file, $text) = @_;
	open(my $to, '>', $file) or die "$file: $!\n";
	print $to $text;
	close($to) or die "$file: $!\n";
}

# Puts the text between the lines $begin and $end of a page, or from $begin on.
sub replace_between {
	my ($file, $begin, $text, $end) = @_;
	my $page = slurp($file) // die "$file: $!\n";
	my $rest = $end ? qr/.*?^(?=\Q$end\E$)/ms : qr/.*/s;
	$page =~ s/^(\Q$begin\E\n)$rest/$1$text/m or die "$file: no line $begin\n";
	spew($file, $page);
}

# The plots that are shown lie in the tree: without trailing blanks, and with
# a licence, as each file there.
sub replace_shown {
	my ($kernel) = @_;
	for my $shown (glob "$tree/Documentation/plots/$kernel-*.svg") {
		my $made = "$folder/" . basename($shown);
		my $plot = slurp($made) // die "$made: $!\n";
		$plot =~ s/[ \t]+$//mg;
		$plot =~ s/\n/\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n/;
		spew($shown, $plot);
	}
}

# A kernel that the pages do not have a place for stays in FOLDER.
sub replace_all {
	my ($kernel, $tables, $verdict) = @_;
	my $page = "$tree/Documentation/results/bench-$kernel.rst";
	return unless -e $page;
	replace_between($page, '.. generated', $tables);
	replace_between("$tree/README.md", "<!-- cost:$kernel -->", $verdict, "<!-- /cost:$kernel -->");
	replace_shown($kernel);
}

for my $csv (glob "$folder/*.csv") {
	my ($kernel) = $csv =~ m{([^/]+)\.csv$};
	read_csv($csv);
	my $tables = make_tables($kernel, (map { $_ => '?' } qw(kernel settings revision date qemu plain host load)), full => 0,
		read_conditions("$folder/$kernel.conditions"));
	spew("$folder/$kernel.rst", $tables);
	plot_all($kernel);
	remember_kernel($kernel);
	replace_all($kernel, $tables, make_verdict($kernel)) if $tree;
}
plot_kernels("$folder/kernels-rmdir.svg");
replace_shown('kernels') if $tree;
