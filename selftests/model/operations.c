// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/system.h"

atomic_int nr_made, nr_removed;

static int choose(struct worker *w, int n)
{
	return rand_r(&w->seed) / 7 % n;
}

/* Choices */

static struct object *any_object(struct worker *w)
{
	struct object *object = w->top;

	while (object->nr_children && choose(w, 4))
		object = object->child[choose(w, object->nr_children)];
	return object;
}

static void random_bytes(struct worker *w, char *bytes, int len)
{
	for (int i = 0; i < len; i++)
		bytes[i] = choose(w, 256);
}

static void random_name(struct worker *w, char name[MAX_NAME + 1])
{
	static const char * const special[] = {
		".", "..", "value", "aux", "control", "remove", "hide", "\n",
	};
	int len = 1 + choose(w, choose(w, 3) ? 8 : MAX_NAME);

	switch (choose(w, 8)) {
	case 0:
		strcpy(name, special[choose(w, ARRAY_SIZE(special))]);
		return;
	case 1 ... 4:
		sprintf(name, "%c", 'a' + choose(w, 6));
		return;
	}
	random_bytes(w, name, len);
	for (int i = 0; i < len; i++)
		if (name[i] == '/' || !name[i])
			name[i] = 'x';
	name[len] = '\0';
}

/* Checks an operation's outcome; the first that is wrong ends the thread. */
bool expect(struct worker *w, const char *what, const char *path, int got, int wanted)
{
	if (got == wanted || w->wrong[0])
		return got == wanted;
	format_path(w->wrong, "%s of %.2000s: %d (%s), expected %d (%s)", what, path,
		    got, strerror(got), wanted, strerror(wanted));
	return false;
}

/* Operations */

static void do_mkdir(struct worker *w)
{
	struct object *parent = any_object(w);
	char name[MAX_NAME + 1], path[PATH_MAX];
	int wanted;

	if (parent->nr_children == MAX_CHILDREN || levels_above(parent) == MAX_LEVELS)
		return;
	random_name(w, name);
	wanted = mkdir_error(parent, name);
	path_in(w, parent, name, path);
	if (expect(w, "mkdir", path, error_of(mkdir(path, 0755)), wanted) && !wanted)
		new_object(parent, name);
}

static void do_rmdir(struct worker *w)
{
	struct object *parent = any_object(w);
	char name[MAX_NAME + 1], path[PATH_MAX];
	int wanted;

	random_name(w, name);
	wanted = rmdir_error(parent, name);
	path_in(w, parent, name, path);
	if (expect(w, "rmdir", path, error_of(rmdir(path)), wanted) && !wanted)
		forget(w, find_child(parent, name));
}

static void do_rename(struct worker *w)
{
	struct object *from = any_object(w), *parent = any_object(w);
	char name[MAX_NAME + 1], path[PATH_MAX], new_path[PATH_MAX];
	int wanted;

	if (from == w->top || parent->nr_children == MAX_CHILDREN ||
	    levels_above(parent) + levels_below(from) > MAX_LEVELS)
		return;
	random_name(w, name);
	wanted = rename_error(from, parent, name);
	path_of(w, from, path);
	path_in(w, parent, name, new_path);
	if (expect(w, "rename", new_path, error_of(rename(path, new_path)), wanted) && !wanted)
		move_object(from, parent, name);
}

static int put(const char *path, const void *bytes, int len)
{
	int fd = open(path, O_WRONLY), error;

	if (fd < 0)
		return errno;
	error = error_of(write(fd, bytes, len));
	close(fd);
	return error;
}

static void do_write_value(struct worker *w)
{
	struct object *object = any_object(w);
	int len = choose(w, choose(w, 2) ? 20 : MAX_VALUE + 3);
	char bytes[MAX_VALUE + 3], path[PATH_MAX];
	int wanted = object->hidden ? ENOENT : len > MAX_VALUE ? EMSGSIZE : 0;

	random_bytes(w, bytes, len);
	path_in(w, object, "value", path);
	if (expect(w, "write", path, put(path, bytes, len), wanted) && !wanted) {
		memcpy(object->value, bytes, len);
		object->len = len;
	}
}

static bool check_content(struct worker *w, const char *path, int fd, struct object *object)
{
	char bytes[MAX_VALUE + 1];
	ssize_t len = pread(fd, bytes, sizeof(bytes), 0);

	return expect(w, "length", path, len, object->len) &&
	       expect(w, "content", path, !!memcmp(bytes, object->value, len), 0);
}

static void check_value(struct worker *w, struct object *object)
{
	char path[PATH_MAX];
	int fd = open(path_in(w, object, "value", path), O_RDONLY);

	if (expect(w, "open", path, error_of(fd), object->hidden ? ENOENT : 0) && fd >= 0)
		check_content(w, path, fd, object);
	if (fd >= 0)
		close(fd);
}

static void do_read_value(struct worker *w)
{
	check_value(w, any_object(w));
}

/* One word that is right, or bytes that are not */
static int random_word(struct worker *w, const char *right, char bytes[32])
{
	int len = 1 + choose(w, 20);

	if (choose(w, 4))
		return sprintf(bytes, "%s%s", right, choose(w, 2) ? "\n" : "");
	random_bytes(w, bytes, len);
	bytes[0] |= 0x80;
	return -len;
}

static void do_control(struct worker *w)
{
	struct object *object = any_object(w);
	bool add = choose(w, 2);
	char bytes[32], path[PATH_MAX];
	int len = random_word(w, add ? "+aux" : "-aux", bytes);
	int wanted = len < 0 ? EINVAL : add != object->aux ? 0 : add ? EEXIST : ENOENT;

	path_in(w, object, "control", path);
	if (expect(w, "write", path, put(path, bytes, abs(len)), wanted) && !wanted)
		object->aux = add;
}

static void do_hide(struct worker *w)
{
	struct object *object = any_object(w);
	bool hide = choose(w, 2);
	char bytes[32], path[PATH_MAX];
	int len = random_word(w, hide ? "1" : "0", bytes);
	int wanted = len < 0 ? EINVAL : 0;

	path_in(w, object, "hide", path);
	if (expect(w, "write", path, put(path, bytes, abs(len)), wanted) && !wanted)
		object->hidden = hide;
}

static void do_remove(struct worker *w)
{
	struct object *object = any_object(w);
	char bytes[32], path[PATH_MAX];
	int len = random_word(w, "1", bytes);
	int wanted = len < 0 ? EINVAL : 0;

	if (object == w->top || (!wanted && levels_below(object) > 3))
		return;
	path_in(w, object, "remove", path);
	if (expect(w, "write", path, put(path, bytes, abs(len)), wanted) && !wanted)
		forget(w, object);
}

static void do_stat(struct worker *w)
{
	struct object *object = any_object(w);
	char path[PATH_MAX];
	struct stat st;

	path_of(w, object, path);
	if (expect(w, "stat", path, error_of(stat(path, &st)), 0))
		expect(w, "st_nlink", path, st.st_nlink, 2 + object->nr_children);
}

static void do_held(struct worker *w)
{
	struct object *object = any_object(w);
	char path[PATH_MAX], byte;

	if (w->held_fd >= 0 && w->held && !w->held->hidden)
		check_content(w, "a held value", w->held_fd, w->held);
	else if (w->held_fd >= 0)
		expect(w, "read", "a removed value", error_of(pread(w->held_fd, &byte, 1, 0)), ENODEV);
	if (object->hidden || choose(w, 2))
		return;
	if (w->held_fd >= 0)
		close(w->held_fd);
	w->held = object;
	w->held_fd = open(path_in(w, object, "value", path), O_RDWR);
	expect(w, "open", path, error_of(w->held_fd), 0);
}

/* What all fight for: each success counts, and each failure is one of a few. */
static void do_fight(struct worker *w)
{
	char here[PATH_MAX], there[PATH_MAX], path[PATH_MAX];
	const char *object = choose(w, 2) ? here : there;
	int error;

	format_path(here, "%.200s/arena/object", w->root);
	format_path(there, "%.200s/arena/other/object", w->root);
	switch (choose(w, 5)) {
	case 0 ... 1:
		error = error_of(mkdir(here, 0755));
		nr_made += !error;
		expect(w, "mkdir", here, error == EEXIST ? 0 : error, 0);
		return;
	case 2:
		error = error_of(rmdir(object));
		nr_removed += !error;
		break;
	case 3:
		error = put(format_path(path, "%.3000s/remove", object), "1", 1);
		nr_removed += !error;
		break;
	default:
		error = error_of(rename(object, object == here ? there : here));
		if (error == EEXIST)
			error = 0;
	}
	expect(w, "fight", object, error == ENOENT || error == ENODEV ? 0 : error, 0);
}

static void (* const operations[])(struct worker *w) = {
	do_mkdir, do_mkdir, do_mkdir, do_rmdir, do_rename, do_write_value, do_read_value,
	do_control, do_hide, do_remove, do_stat, do_held, do_fight, do_fight,
};

void do_something(struct worker *w)
{
	operations[choose(w, ARRAY_SIZE(operations))](w);
}

void compare(struct worker *w, struct object *object)
{
	int wanted = object->nr_children + 3 + !object->hidden + object->aux, nr = 0;
	char path[PATH_MAX];
	DIR *dir = opendir(path_of(w, object, path));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		nr++;
		expect(w, "there", path, entry->d_type == DT_DIR ?
		       !!find_child(object, entry->d_name) :
		       shows_file(object, entry->d_name), 1);
	}
	if (dir)
		closedir(dir);
	expect(w, "entries", path, nr, wanted);
	check_value(w, object);
	for (int i = 0; i < object->nr_children; i++)
		compare(w, object->child[i]);
}
