#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs test programs that lie beside this file and prints KTAP with one nested
# test for each. Ends non-zero if one fails, or if there is none.
#
# Usage: run_tests.sh PROGRAM...

here=$(cd "$(dirname "$0")" && pwd)
status=/tmp/rkernfs-run-tests.$$
failed=0
nr=0

echo "KTAP version 1"
echo "1..$#"
for test in "$@"; do
	nr=$((nr + 1))
	{
		"$here/$test" 2>&1
		echo $? >$status
	} | sed 's/^TAP version 13$/KTAP version 1/; s/^/  /'
	case $(cat $status) in
	0 | 2 | 3)	echo "ok $nr $test" ;;
	4)		echo "ok $nr $test # SKIP" ;;
	*)		echo "not ok $nr $test"
			failed=1 ;;
	esac
done
rm -f $status
[ $nr -gt 0 ] && exit $failed
echo "run_tests.sh: no test to run" >&2
exit 1
