/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of removed_directory share */
#ifndef SELFTESTS_REMOVED_DIRECTORY_H
#define SELFTESTS_REMOVED_DIRECTORY_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/handle.h"

enum { RMDIR, CONTROLLER_OFF, DEVICE, NR_SITUATIONS };

/* A directory and a file in it, held in each way there is */
struct place {
	char dir[PATH_MAX];
	const char *file;		/* its name; it is removed in each situation */
	const char *subdir;
	int dir_fd, file_fd;
	int read_fd;			/* the directory, read in part */
	struct handle handle;
	pid_t zombie;			/* died in the cgroup */
};

extern struct place place;

struct call {
	const char *name;
	const char *(*run)(void);
	const char *alone[NR_SITUATIONS];	/* NULL: there is no such thing here */
	const char *contract[NR_SITUATIONS];
};

/* In the order in which they are to be run: what looks no name up first */
extern const struct call calls[];
extern const size_t nr_calls;

#endif
