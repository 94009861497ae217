// SPDX-License-Identifier: GPL-2.0
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"
#include "system.h"

#define MODULE		"/sys/module/rkernfs"
#define PATCH		"/sys/kernel/livepatch/rkernfs"
/* livepatch looks at a task once a second, and one may not be done at once. */
#define LIMIT_MS	60000

/* A test is a process of its own: what one has taken out, the next need not. */
static struct borrowed {
	pid_t pid;			/* the program's */
	bool out;
	char parameters[64];		/* as it was found */
} *borrowed;

static void return_at_exit(void)
{
	if (getpid() == borrowed->pid && !return_module()) {
		ksft_print_msg("rkernfs cannot be loaded again\n");
		fflush(stdout);
		_exit(KSFT_FAIL);
	}
}

static void __attribute__((constructor)) share_borrowed(void)
{
	borrowed = mmap(NULL, sizeof(*borrowed), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	borrowed->pid = getpid();
	atexit(return_at_exit);
}

static const char *module_file(void)
{
	const char *path = getenv("RKERNFS_KO");

	return path ? path : "/rkernfs.ko";
}

const char *borrow_module(void)
{
	const char *reason = why_not_root();
	char cover[16];

	if (reason || borrowed->out)
		return reason;
	if (!exists(module_file()))
		return "no rkernfs.ko to load: RKERNFS_KO= names it";
	reason = why_not_covered();
	if (reason)
		return reason;
	if (!exists(MODULE))
		return "rkernfs is not loaded";
	if (read_text(MODULE "/parameters/cover", cover, sizeof(cover)) <= 0)
		return "cannot read " MODULE "/parameters/cover";
	cover[strcspn(cover, "\n")] = '\0';
	snprintf(borrowed->parameters, sizeof(borrowed->parameters), "cover=%s", cover);
	if (exists(PATCH) && (!disable_patch() || !await_unpatched()))
		return "the patch cannot be disabled";
	if (unload_module())
		return "rkernfs is in use";
	borrowed->out = true;
	return NULL;
}

bool return_module(void)
{
	if (!borrowed->out)
		return true;
	borrowed->out = false;
	return !load_module(borrowed->parameters) && (!exists(PATCH) || await_patched());
}

static int insert(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0))
		error = errno;
	close(fd);
	return error;
}

int load_module(const char *parameters)
{
	return insert(module_file(), parameters);
}

int unload_module(void)
{
	return syscall(SYS_delete_module, "rkernfs", O_NONBLOCK) ? errno : 0;
}

bool disable_patch(void)
{
	return write_text(PATCH "/enabled", "0");
}

bool enable_patch(void)
{
	return write_text(PATCH "/enabled", "1");
}

static bool reads(const char *path, char wanted)
{
	char text[16];

	return read_text(path, text, sizeof(text)) > 0 && text[0] == wanted;
}

bool is_patched(void)
{
	return reads(PATCH "/enabled", '1') && reads(PATCH "/transition", '0');
}

bool await_patched(void)
{
	return await(is_patched(), LIMIT_MS);
}

/* livepatch has the module held for a moment longer than its folder is there. */
static bool is_unpatched(void)
{
	return !exists(PATCH) && (!exists(MODULE) || reads(MODULE "/refcnt", '0'));
}

bool await_unpatched(void)
{
	return await(is_unpatched(), LIMIT_MS);
}

static char *test_module(char path[PATH_MAX], const char *name)
{
	return format_path(path, "/lib/modules/%s.ko", name);
}

bool has_test_module(const char *name)
{
	char path[PATH_MAX];

	return exists(test_module(path, name));
}

int insert_test_module(const char *name, const char *parameters)
{
	char path[PATH_MAX];

	return insert(test_module(path, name), parameters);
}

int remove_test_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

long module_parameter(const char *module, const char *name)
{
	char path[PATH_MAX], text[32];

	read_text(format_path(path, "/sys/module/%s/parameters/%s", module, name), text,
		  sizeof(text));
	return atol(text);
}
