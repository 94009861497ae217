#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# windows.pl RAW WINDOWS PROFILE KDIR: what plugin/windows.c counted, as lines
# "turn,patch,measure,case,size,stat,value" of the cases of which RAW, the
# guest's output, has the labels. A stat is that of a removal, the median; or
# "stat/layer", the mean, of what the functions of a layer did themselves. The
# layer is told by the folder of KDIR whose object has the function.
use strict;
use warnings;
no warnings 'portable';	# addresses have 64 bits

my ($raw, $windows, $profile, $kdir) = @ARGV;
my @stats = qw(insns l1i l1d l2 code_lines data_lines code_pages data_pages bounced_lines);
my @layers = (
	[qr{^kernel/(livepatch|trace)}, 'livepatch'], [qr{^fs/kernfs}, 'kernfs'],
	[qr{^fs/notify}, 'fsnotify'], [qr{^fs}, 'VFS'], [qr{^kernel/cgroup}, 'cgroup'],
	[qr{^kernel/locking}, 'locks'], [qr{^kernel/rcu}, 'RCU'], [qr{^mm}, 'memory'],
	[qr{^(arch/\w+/)?lib}, 'lib']);
my %case;		# of a label
my (@address, @layer);	# functions, sorted

# Of a function in the kernel: the first object that has one of that name
sub read_objects {
	my %layer_of;
	open(my $nm, '-|', "cd '$kdir' && find * -name '*.o' -path '*/*' ! -name 'built-in*' " .
		"! -path 'tools/*' ! -path 'scripts/*' ! -path '*/vdso/*' -exec nm -A --defined-only {} +") or die "nm: $!\n";
	while (<$nm>) {
		m{^(.*)/[^/]+:\S+ [tTwW] (\S+)$} or next;
		my ($folder, $name) = ($1, $2);
		my ($match) = grep { $folder =~ $_->[0] } @layers;
		$layer_of{$name} //= $match ? $match->[1] : 'other';
	}
	return \%layer_of;
}

sub layer_of {
	my ($name, $module, $objects) = @_;
	return $module eq 'rkernfs' ? 'rkernfs' : $module =~ /ftrace/ ? 'livepatch' : 'other' if $module;
	# arm64's trampoline of ftrace is the kernel's own
	return 'livepatch' if $name =~ /^(ftrace_caller$|klp_)/;
	return $objects->{$name} // 'other';
}

sub read_raw {
	my ($objects) = @_;
	my %at;
	open(my $lines, '<', $raw) or die "$raw: $!\n";
	while (<$lines>) {
		$case{$2} = $1 if /^((?:[^,]+,){5})label,(\d+)/;
		$at{hex $1} = layer_of($2, $3 // '', $objects) if /^([0-9a-f]{16}) [tT] (\S+)(?:\s+\[(\S+)\])?/;
	}
	@address = sort { $a <=> $b } keys %at;
	@layer = @at{@address};
}

sub layer_at {
	my ($address) = @_;
	my ($low, $high) = (0, scalar @address);
	return 'other' if $address < 1 << 47;	# user space
	while ($low < $high) {
		my $middle = int(($low + $high) / 2);
		if ($address[$middle] <= $address) { $low = $middle + 1 } else { $high = $middle }
	}
	return $low ? $layer[$low - 1] : 'other';
}

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# label, values: calls $each with a hash of them
sub read_counts {
	my ($file, $columns, $each) = @_;
	open(my $lines, '<', $file) or die "$file: $!\n";
	while (<$lines>) {
		chomp;
		my %row;
		@row{'label', @$columns, @stats} = split /,/;
		$each->(\%row) if $case{$row{label}};
	}
}

read_raw(read_objects());
my (%windows, %sum);	# label, stat: the values; label, layer, stat
read_counts($windows, [], sub {
	my ($row) = @_;
	push @{$windows{$row->{label}}{$_}}, $row->{$_} for @stats;
});
read_counts($profile, ['address'], sub {
	my ($row) = @_;
	$sum{$row->{label}}{layer_at(hex $row->{address})}{$_} += $row->{$_} for @stats;
});
for my $label (sort { $a <=> $b } keys %windows) {
	my $of = $windows{$label};
	print "$case{$label}$_,", median(@{$of->{$_}}), "\n" for @stats;
	for my $layer (sort keys %{$sum{$label}}) {
		printf "%s%s/%s,%.0f\n", $case{$label}, $_, $layer, $sum{$label}{$layer}{$_} / @{$of->{insns}} for @stats;
	}
}
