#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# That a kernel starts the next one by kexec while a task sleeps within a
# removal: in the replacement, or in the kernel's own function, which holds the
# transition up. The next one boots, is patched, and tells of removals. Prints
# TAP. KDIR= is a kernel; the test programs lie in the folder that is given.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

programs=$1

why_not() {
	local option
	has_livepatch || { echo 'this kernel has no livepatch'; return; }
	for option in CONFIG_KEXEC_FILE CONFIG_RELOCATABLE; do
		[ "$(config_of "$KDIR" $option)" = y ] ||
			{ echo "no $option, which company.config has"; return; }
	done
}

# What both kernels run, the next one with the files of the first, and one more.
in_guest() { # PATCHED_BEFORE
	cat <<-END
		set -e
		patched_before=$1 kernel=/add/${image##*/}
	END
	cat <<-'END'
		patch() {
			insmod /rkernfs.ko
		}
		await_transition() { # STATE
			until grep -q "$1" /sys/kernel/livepatch/rkernfs/transition; do sleep 0.1; done
		}
		await_sleep() { # PID FUNCTION
			until grep -q "$2" /proc/"$1"/stack; do sleep 0.1; done
		}
		remove_and_sleep() { # FUNCTION
			insmod /lib/modules/sleeper.ko
			cat /sys/kernel/sleeper/file &
			await_sleep $! file_show
			echo 1 >/sys/kernel/sleeper/remove &
			await_sleep $! "$1"
		}
		if [ -e /next ]; then
			echo "the next kernel"
			patch
			await_transition 0
			exec /add/memcg_events
		fi
		if [ "$patched_before" = y ]; then
			patch
			await_transition 0
			remove_and_sleep 'remove_by_name_ns.*\[rkernfs\]'
		else
			remove_and_sleep kernfs_remove_by_name_ns
			patch
			await_transition 1
		fi
		touch /next
		cd /
		find . -xdev ! -path ".$kernel" | cpio -o -H newc >/tmp/initrd
		exec /add/kexec "$kernel" /tmp/initrd
	END
}

# Only the last program of the next kernel ends the guest with 0.
starts_the_next() { # PATCHED_BEFORE
	MODULE=0 ADD="$programs/kexec $programs/memcg_events $KDIR/$image" RUN="$(in_guest "$1")" \
		TIMEOUT=${TIMEOUT:-240} "$here/vm.sh" >"$work/out" 2>"$work/err" &&
		grep -qx 'the next kernel' "$work/out"
}

echo 'TAP version 13'
reason=$(why_not)
[ -z "$reason" ] || { echo "1..0 # SKIP $reason"; exit; }
ok "a patched kernel starts the next one" starts_the_next y
ok "a kernel in transition starts the next one" starts_the_next n
echo "1..$number"
