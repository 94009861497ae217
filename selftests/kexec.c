// SPDX-License-Identifier: GPL-2.0
/*
 * kexec KERNEL INITRD: starts that kernel, with this one's command line, in
 * place of the running one. For selftests/qemu/kexec_test.sh.
 */
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	char cmdline[4096] = "";
	int kernel, initrd;
	FILE *own;

	if (argc != 3) {
		fprintf(stderr, "usage: %s KERNEL INITRD\n", argv[0]);
		return 2;
	}
	own = fopen("/proc/cmdline", "r");
	if (!own || !fgets(cmdline, sizeof(cmdline), own))
		return fail("/proc/cmdline");
	cmdline[strcspn(cmdline, "\n")] = '\0';
	kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (kernel < 0)
		return fail(argv[1]);
	initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (initrd < 0)
		return fail(argv[2]);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline, 0))
		return fail("kexec_file_load");
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return fail("reboot");
}
