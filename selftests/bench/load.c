// SPDX-License-Identifier: GPL-2.0
/*
 * Loads the module and waits until every task is patched; and out again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/module.h"
#include "lib/system.h"

#define POLL_US		100
#define PATIENCE_NS	60000000000ULL

static long module_size(void)
{
	char line[256];
	long size = 0;
	FILE *modules = fopen("/proc/modules", "r");

	check(modules, "/proc/modules");
	while (fgets(line, sizeof(line), modules))
		sscanf(line, "rkernfs %ld", &size);
	fclose(modules);
	return size;
}

/* Returns when every task is patched; @loaded is when insmod would have ended. */
static void load(int fd, uint64_t *loaded)
{
	uint64_t start = now_ns();

	check(!syscall(SYS_finit_module, fd, "", 0), "loading");
	*loaded = now_ns();
	while (!is_patched()) {
		if (now_ns() - start > PATIENCE_NS)
			fail("the livepatch transition did not finish");
		usleep(POLL_US);
	}
}

/* load FILE [quiet]: prints what it costs */
void bench_load(char **args)
{
	int fd = open(args[0], O_RDONLY | O_CLOEXEC);
	uint64_t start, loaded;
	long long slab, free_memory;
	struct stat info;

	check(fd >= 0 && !fstat(fd, &info), args[0]);
	if (args[1])
		return load(fd, &loaded);
	slab = slab_bytes();
	free_memory = meminfo("MemFree");
	start = now_ns();
	load(fd, &loaded);
	report("load", "insmod", 1, "ns", loaded - start);
	report("load", "patched", 1, "ns", now_ns() - start);
	report("load", "file", 1, "bytes", info.st_size);
	report("load", "module", 1, "bytes", module_size());
	report("load", "slab", 1, "bytes", slab_bytes() - slab);
	report("load", "memfree", 1, "bytes", free_memory - meminfo("MemFree"));
	close(fd);
}

void bench_unload(char **args)
{
	int error;

	check(disable_patch(), "disabling the patch");
	error = await_unpatched() ? unload_module() : EBUSY;
	if (error)
		fail("rkernfs does not unload: %s", strerror(error));
}
