/* SPDX-License-Identifier: GPL-2.0 */
/* fanotify events that name nodes by file handle, as numbers of kernfs nodes */
#ifndef SELFTESTS_LIB_ONEMARK_H
#define SELFTESTS_LIB_ONEMARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/fanotify.h>

#ifndef FAN_REPORT_DFID_NAME
#define FAN_REPORT_DFID_NAME	(FAN_REPORT_DIR_FID | FAN_REPORT_NAME)
#endif

struct told {
	uint64_t mask;
	uint64_t ino;			/* of the node or, with a name, of its directory */
	const char *name;		/* NULL: none */
};

/* A non-blocking group with an unlimited queue, or -1; @report: FAN_REPORT_... */
int open_fanotify(unsigned int report);
/* Tells what can be read now; returns how many events that were. */
int read_fanotify(int fd, void (*tell)(const struct told *told, void *arg), void *arg);

#endif
