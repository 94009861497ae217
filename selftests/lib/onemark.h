/* SPDX-License-Identifier: GPL-2.0 */
/* fanotify events that name nodes by file handle, as numbers of kernfs nodes */
#ifndef SELFTESTS_LIB_ONEMARK_H
#define SELFTESTS_LIB_ONEMARK_H

#include <stdint.h>
#include <sys/fanotify.h>

struct node_event {
	uint64_t mask;
	uint64_t node;			/* its inode number, 0 if it is not reported */
	uint64_t dir;			/* that the name is in */
	const char *name;		/* NULL: none */
};

/* A non-blocking group with an unlimited queue, or -1; @report: FAN_REPORT_... */
int open_fanotify(unsigned int report);
/* Calls @take for each event that can be read now; returns how many there were. */
int read_fanotify(int fd, void (*take)(const struct node_event *event, void *arg), void *arg);

/* What a number of a node means to the program, from 0 on; -1: nothing */
void learn_node(uint64_t node, int means);
int find_node(uint64_t node);

#endif
