// SPDX-License-Identifier: GPL-2.0
#include "faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"

static struct {
	const char *path;
	const char *wanted;
	char before[32];
} knobs[] = {
	{ .path = FAILSLAB "ignore-gfp-wait", .wanted = "N" },
	{ .path = FAILSLAB "verbose", .wanted = "0" },
	{ .path = FAILSLAB "probability", .wanted = "0" },
	{ .path = FAILSLAB "interval", .wanted = "1" },
	{ .path = FAILSLAB "space", .wanted = "0" },
	{ .path = FAILSLAB "task-filter", .wanted = "N" },
	{ .path = FAILSLAB "times", .wanted = "0" },
	{ .path = FAILSLAB "require-start", .wanted = "0" },
	{ .path = FAILSLAB "require-end", .wanted = "0xffffffffffffffff" },
	{ .path = FAILSLAB "reject-start", .wanted = "0" },
	{ .path = FAILSLAB "reject-end", .wanted = "0" },
};

static int nth_fd = -1;

const char *begin_faults(void)
{
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		return "no /proc/thread-self/fail-nth (CONFIG_FAULT_INJECTION)";
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (read_text(knobs[i].path, knobs[i].before, sizeof(knobs[i].before)) <= 0)
			return "no failslab with a stack filter in debugfs";
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!write_text(knobs[i].path, knobs[i].wanted))
			return "failslab cannot be set up";
	return NULL;
}

void end_faults(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		write_text(knobs[i].path, knobs[i].before);
	close(nth_fd);
}

static bool set_range(const char *what, unsigned long start, unsigned long end)
{
	char path[PATH_MAX], text[32];

	snprintf(text, sizeof(text), "%#lx", end);
	if (!write_text(format_path(path, FAILSLAB "%s-end", what), text))
		return false;
	snprintf(text, sizeof(text), "%#lx", start);
	return write_text(format_path(path, FAILSLAB "%s-start", what), text);
}

bool fail_only_under_module(const char *module)
{
	unsigned long start = 0, size = 0;
	char line[512], name[64];
	FILE *modules = fopen("/proc/modules", "r");

	while (modules && !start && fgets(line, sizeof(line), modules))
		if (sscanf(line, "%63s %lu %*s %*s %*s %lx", name, &size, &start) != 3 ||
		    strcmp(name, module))
			start = 0;
	if (modules)
		fclose(modules);
	return start && set_range("require", start, start + size);
}

static bool set_to_function(const char *what, const char *function)
{
	unsigned long start = 0, end = 0, at;
	char line[512], name[256];
	FILE *symbols = fopen("/proc/kallsyms", "r");

	/* They are in the order of their addresses. */
	while (symbols && end == start && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %255s", &at, name) != 2)
			continue;
		if (start)
			end = at;
		else if (!strcmp(name, function))
			start = end = at;
	}
	if (symbols)
		fclose(symbols);
	return end > start && set_range(what, start, end);
}

bool fail_only_under(const char *function)
{
	return set_to_function("require", function);
}

bool never_fail_under(const char *function)
{
	return set_to_function("reject", function);
}

void fail_next_of_all(int nr)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nr);
	write_text(FAILSLAB "times", text);
	write_text(FAILSLAB "probability", "100");
}

int faults_left(void)
{
	char text[16];

	write_text(FAILSLAB "probability", "0");
	return read_text(FAILSLAB "times", text, sizeof(text)) > 0 ? atoi(text) : -1;
}

void fail_nth(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	pwrite(nth_fd, text, strlen(text), 0);
}

bool fault_injected(void)
{
	char text[16] = "";

	pread(nth_fd, text, sizeof(text) - 1, 0);
	fail_nth(0);
	return !atoi(text);
}
