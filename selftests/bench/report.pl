#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# report.pl FOLDER [README]: of each <kernel>.csv in FOLDER makes a table,
# <kernel>.md, and plots, <kernel>-*.svg. What the README has between
# <!-- bench:<kernel> --> and <!-- /bench:<kernel> --> becomes the table, and
# the plots of these names that it shows are replaced.
use strict;
use warnings;
use File::Basename qw(dirname);
use List::Util qw(sum);

my ($folder, $readme) = @ARGV;
my %values;	# clock, patch, measure, case, size, stat: the turns' values
my %of;		# measure, case: sizes
my %ways = (	# to learn of the end of a cgroup
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

# --- the table -----------------------------------------------------------

# A limit as "<= 1.03" and a value: the value, and by how much it is missed
sub judge {
	my ($value, $limit) = @_;
	my $text = sprintf '%.3f', $value;
	return $text unless $limit;
	my ($relation, $bound) = split ' ', $limit;
	my $missed = $relation eq '<=' ? $value - $bound : $bound - $value;
	return $missed <= 0 ? "**$text**" : sprintf '%s (missed by %.3f)', $text, $missed;
}

# Disabled, enabled and their ratio. With the host's clock the best tenth is
# judged: what is more than that is mostly the host's other work.
sub compare {
	my ($clock, $limit, $format, @key) = @_;
	my ($stat, $note) = (pop @key, '');
	my ($off, $on) = map { get($clock, $_, @key, $stat) } qw(disabled enabled);
	return '' unless $off && $on;
	if ($clock eq 'plain') {
		$note = sprintf '; medians %.3f', ($limit || '') =~ /^>/ ? $off / $on : $on / $off;
		$stat =~ s/median/p10/;
		($off, $on) = map { get($clock, $_, @key, $stat) } qw(disabled enabled);
	}
	return '' unless $off && $on;
	# throughput is the inverse of time
	my $ratio = ($limit || '') =~ /^>/ ? $off / $on : $on / $off;
	return $format->($off) . ' → ' . $format->($on) . ', ' . judge($ratio, $limit) . $note;
}

sub limit_text {
	my ($limit) = @_;
	$limit =~ s/<=/≤/;
	$limit =~ s/>=/≥/;
	return $limit;
}

my $table;
sub row { $table .= '| ' . join(' | ', @_) . " |\n" }

# @key: measure, case, size, stat
sub comparison {
	my ($name, $what, $limit, $format, @key) = @_;
	my @columns = map { compare($_, $limit, $format, @key) } qw(icount plain);
	row($name, $what, limit_text($limit), @columns) if grep { $_ } @columns;
}

sub rmdir_rows {
	my ($old) = @_;
	my ($name, $limit, $watched) = $old ? ('P1', '<= 1.03', '<= 1.10') : ('P2', '<= 0.75', '<= 0.85');
	for my $set (['memory', 'memory controller only'], ['all', 'all controllers']) {
		my ($controllers, $text) = @$set;
		for my $size (sizes('rmdir', "$controllers/unwatched")) {
			my $what = "rmdir of an empty cgroup, $size nodes ($text), µs";
			my @rest = ($size, 'ns_median');
			comparison($name, "$what: nobody watches", $limit, \&us, 'rmdir', "$controllers/unwatched", @rest);
			my ($burst) = sizes('rmdir', "$controllers/burst");
			comparison($name, "$what: the same, $burst in a row", $limit, \&us, 'rmdir', "$controllers/burst", $burst, 'ns_median') if $burst;
			comparison('', "$what: each file was looked at", '', \&us, 'rmdir', "$controllers/looked-up", @rest);
			comparison('P3', "$what: memory.events is watched" . ($old ? ', which tells nothing when disabled' : ''), $watched, \&us, 'rmdir', "$controllers/watched", @rest);
		}
	}
}

sub live_rows {
	for my $place (qw(cgroup sysfs)) {
		for my $operation (qw(stat open-close walk readdir)) {
			comparison('P5', "$operation of a live $place node, µs", '<= 1.02',
				sub { sprintf '%.2f', $_[0] / 1000 }, 'live', "$place/$operation", 1, 'ns_median');
		}
	}
}

# The growth from the least to the most superblocks. By the clock that counts
# instructions, the time is that of a grace period's ticks: nothing to judge.
sub netdev_rows {
	my @sizes = sizes('netdev', 'removal') or return;
	for my $kind (['ns', 'time'], ['cpu_ns', 'CPU time']) {
		my ($stat, $text) = @$kind;
		for my $patch (qw(disabled enabled)) {
			my @columns;
			for my $clock (qw(icount plain)) {
				my %at = map { $_ => get($clock, $patch, 'netdev', 'removal', $_, $stat . ($clock eq 'plain' ? '_p10' : '_median')) } @sizes;
				my @there = grep { defined $at{$_} } @sizes;
				push @columns, @there < 2 ? '' : join(' / ', map { us($at{$_}) } @there) . ', ' .
					judge($at{$there[-1]} / $at{$there[0]},
						$patch eq 'disabled' || $clock . $stat eq 'icountns' ? '' : '<= 1.03');
			}
			row('P4', "removal of a netdev with " . join(' / ', @sizes) . " sysfs superblocks, $text in µs, $patch",
				$patch eq 'enabled' ? '≤ 1.03' : '', @columns);
		}
	}
}

sub delay_rows {
	for my $cause (qw(subtree_control reclaimed netdev cpu-offline)) {
		my @columns;
		for my $clock (qw(icount plain)) {
			my ($median, $p99, $after, $rounds) = map { get($clock, 'enabled', 'delay', $cause, 1, $_) }
				qw(from_start_ns_median from_start_ns_p99 from_return_ns_p99 from_start_ns_rounds);
			push @columns, !defined $median ? '' : sprintf('%s, p99 %s; p99 after the return %s%s (%d rounds)',
				ms($median), ms($p99), ms($after),
				$after > 5e6 ? sprintf(' (missed by %s)', ms($after - 5e6)) : '', $rounds);
		}
		row('P6', "from the start of the call to the event, ms: $cause", 'p99 ≤ 5 ms', @columns) if grep { $_ } @columns;
	}
}

sub directory_rows {
	my @sizes = sizes('directory', 'unwatched') or return;
	for my $case (qw(unwatched watched)) {
		my @columns = map {
			my $clock = $_;
			join ' / ', map { my $v = get($clock, 'enabled', 'directory', $case, $_, $clock eq 'plain' ? 'ns_per_node_p10' : 'ns_per_node_median');
				defined $v ? sprintf('%.0f', $v) : '–' } @sizes
		} qw(icount plain);
		row('P7', 'removal of a directory of ' . join(' / ', @sizes) . ' nodes, ns per node: ' .
			($case eq 'watched' ? 'all watched' : 'nobody watches'), 'linear', @columns);
	}
}

sub load_rows {
	my @columns = map {
		my $clock = $_;
		my ($insmod, $patched) = map { get($clock, 'enabled', 'load', $_, 1, 'ns') } qw(insmod patched);
		my ($file, $module, $slab) = map { get($clock, 'enabled', 'load', $_, 1, 'bytes') } qw(file module slab);
		defined $insmod ? sprintf('file %.0f KiB; in memory %.0f KiB + %.0f KiB slab; insmod %s ms, patched after %s ms',
			$file / 1024, $module / 1024, $slab / 1024, ms($insmod), ms($patched)) : ''
	} qw(icount plain);
	row('P10', 'size and start', 'reported', @columns);
}

sub monitor_table {
	my @sizes = sizes('monitor', 'inotify') or return '';
	my $text = "\nP9: a monitor of memory.events in so many cgroups, one process in each, ten to a parent; 1 % (at least 5) go:\n\n" .
		"| cgroups | learns of the end by | descriptors + watches | kernel bytes each | idle CPU, µs/s | CPU for each that goes, µs | delay, ms |\n" .
		"|---|---|---|---|---|---|---|\n";
	for my $size (@sizes) {
		for my $way (qw(inotify parent pidfd procfs)) {
			my %v = map { $_ => get('icount', 'enabled', 'monitor', $way, $size, $_) // get('plain', 'enabled', 'monitor', $way, $size, $_) // 0 }
				qw(fds watches kernel_bytes_each idle_cpu_ns_per_s cpu_ns_each_gone delay_ns_median missed);
			my $name = $way eq 'inotify' ? "**$ways{$way}**" : $ways{$way};
			$text .= sprintf "| %d | %s | %d + %d | %.0f | %s | %s | %s |\n", $size, $name, $v{fds}, $v{watches},
				$v{kernel_bytes_each}, us($v{idle_cpu_ns_per_s}), us($v{cpu_ns_each_gone}),
				$v{missed} ? "never ($v{missed})" : ms($v{delay_ns_median});
		}
	}
	return $text;
}

sub make_table {
	my ($kernel, %is) = @_;
	$table = '';
	row('', 'measure', 'to reach', 'instructions counted', 'plain time');
	row('---', '---', '---', '---', '---');
	rmdir_rows($kernel =~ /^6\./ || $kernel eq '7.0');
	netdev_rows();
	live_rows();
	delay_rows();
	directory_rows();
	comparison('P8', 'rmdir in two trees at once, removals/s', '>= 0.97',
		sub { sprintf '%.0f', 1e9 / $_[0] }, 'parallel', 'rmdir', 2, 'ns_median');
	load_rows();
	return "Linux $is{kernel}, rkernfs $is{revision}, $is{date}; disabled → enabled, their ratio; bold where the target is met.\n" .
		"Medians of all rounds, with the patch disabled and enabled in turns within one boot. QEMU $is{qemu} on $is{host},\n" .
		"load $is{load}. First: one emulated processor under `-icount shift=0,sleep=off`, whose clock\n" .
		"ticks once for each instruction, so that a µs is 1000 instructions; nothing of caches or of other CPUs is in it.\n" .
		"Second: two processors in plain time ($is{plain}) on a host that does other things, too: the best tenth of the\n" .
		"rounds is shown and judged, and the ratio of the medians told. Made by `make bench KERNEL=$kernel" .
		($is{full} ? ' FULL=1' : '') . "`.\n\n$table" . monitor_table();
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
		['idle', ['idle_cpu_ns_per_s'], 'idle: CPU µs per second', 'set yrange [-100:*]'],
		['cpu', ['cpu_ns_each_gone'], 'CPU µs for each that goes', 'set logscale y'],
		['delay', ['delay_ns_median'], 'delay, µs', 'set logscale y'],
	);
	for my $plot (@plots) {
		my ($name, $stats, $label, $scale) = @$plot;
		my @series;
		for my $way (qw(procfs pidfd parent inotify)) {
			my @points;
			for my $size (sizes('monitor', $way)) {
				my @v = grep { defined } map { get('icount', 'enabled', 'monitor', $way, $size, $_) } @$stats;
				push @points, [$size, sum(@v) / ("@$stats" =~ /_ns_/ ? 1000 : 1)] if @v == @$stats;
			}
			push @series, [$ways{$way}, @points];
		}
		plot_lines("$folder/$kernel-monitor-$name.svg", "$kernel: a monitor of many cgroups", 'cgroups', $label,
			"$scale\nset key outside top center maxrows 2", @series);
	}
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
		map { my $place = $_; map { "$place/$_" } qw(stat open-close walk readdir) } qw(cgroup sysfs);
	plot_pairs("$folder/$kernel-live.svg", "$kernel: nodes that stay", 'µs (instructions / 1000)', @live);
	plot_netdev($kernel);
	plot_directory($kernel);
	plot_monitor($kernel);
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

# The plots that are shown lie in the tree: without trailing blanks, and with
# a licence, as each file there.
sub replace_shown {
	my ($kernel, $page) = @_;
	while ($page =~ m{\]\(([^)\s]+/(\Q$kernel\E-[^)\s/]+\.svg))\)}g) {
		my ($shown, $plot) = (dirname($readme) . "/$1", slurp("$folder/$2"));
		$plot =~ s/[ \t]+$//mg;
		$plot =~ s/\n/\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n/;
		spew($shown, $plot);
	}
}

for my $csv (glob "$folder/*.csv") {
	my ($kernel) = $csv =~ m{([^/]+)\.csv$};
	read_csv($csv);
	my $text = make_table($kernel, (map { $_ => '?' } qw(kernel revision date qemu plain host load)), full => 0,
		read_conditions("$folder/$kernel.conditions"));
	spew("$folder/$kernel.md", $text);
	plot_all($kernel);
	my $page = $readme ? slurp($readme) : undef;
	next unless defined $page;
	my ($begin, $end) = ("<!-- bench:$kernel -->", "<!-- /bench:$kernel -->");
	spew($readme, $page) if $page =~ s/(\Q$begin\E\n).*?(\Q$end\E)/$1$text$2/s;
	replace_shown($kernel, $page);
}
