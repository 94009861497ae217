/* SPDX-License-Identifier: GPL-2.0 */
/* A model of objects in the pseudo file system, and the worker that compares it with them */
#ifndef SELFTESTS_MODEL_MODEL_H
#define SELFTESTS_MODEL_MODEL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MAX_CHILDREN	8
#define MAX_LEVELS	6
#define MAX_VALUE	4095
#define MAX_NAME	300

/* What a worker believes of an object of its own */
struct object {
	char name[MAX_NAME + 1];
	struct object *parent;
	struct object *child[MAX_CHILDREN];
	int nr_children;
	unsigned char value[MAX_VALUE];
	int len;
	bool aux, hidden;
};

struct worker {
	pthread_t thread;
	unsigned int seed;
	char root[PATH_MAX];
	struct object *top;
	/* an open file of an object, which may be removed since */
	int held_fd;
	struct object *held;
	/* the first thing that was not as predicted */
	char wrong[PATH_MAX];
};

/* tree.c: what is there, and what must come of an operation (an errno) */
struct object *new_object(struct object *parent, const char *name);
struct object *find_child(struct object *parent, const char *name);
void move_object(struct object *object, struct object *parent, const char *name);
void forget(struct worker *w, struct object *object);
int levels_above(struct object *object);
int levels_below(struct object *object);
bool shows_file(struct object *object, const char *name);
int mkdir_error(struct object *parent, const char *name);
int rmdir_error(struct object *parent, const char *name);
int rename_error(struct object *from, struct object *parent, const char *name);
char *path_of(struct worker *w, struct object *object, char path[PATH_MAX]);
char *path_in(struct worker *w, struct object *object, const char *name, char path[PATH_MAX]);

/* operations.c: random ones */
bool expect(struct worker *w, const char *what, const char *path, int got, int wanted);
void do_something(struct worker *w);
/* Is the tree what the model says? */
void compare(struct worker *w, struct object *object);

/* What came of the objects that all workers fight for */
extern atomic_int nr_made, nr_removed;

#endif
