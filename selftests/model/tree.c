// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/system.h"

struct object *new_object(struct object *parent, const char *name)
{
	struct object *object = calloc(1, sizeof(*object));

	strcpy(object->name, name);
	object->parent = parent;
	if (parent)
		parent->child[parent->nr_children++] = object;
	return object;
}

struct object *find_child(struct object *parent, const char *name)
{
	for (int i = 0; i < parent->nr_children; i++)
		if (!strcmp(parent->child[i]->name, name))
			return parent->child[i];
	return NULL;
}

static void detach(struct object *object)
{
	struct object *parent = object->parent;

	for (int i = 0; i < parent->nr_children; i++)
		if (parent->child[i] == object)
			parent->child[i] = parent->child[--parent->nr_children];
}

void move_object(struct object *object, struct object *parent, const char *name)
{
	detach(object);
	strcpy(object->name, name);
	object->parent = parent;
	parent->child[parent->nr_children++] = object;
}

void forget(struct worker *w, struct object *object)
{
	while (object->nr_children)
		forget(w, object->child[0]);
	if (object->parent)
		detach(object);
	if (w->held == object)
		w->held = NULL;
	free(object);
}

static bool is_below(struct object *object, struct object *above)
{
	while (object && object != above)
		object = object->parent;
	return object;
}

int levels_above(struct object *object)
{
	return object ? 1 + levels_above(object->parent) : 0;
}

int levels_below(struct object *object)
{
	int most = 0;

	for (int i = 0; i < object->nr_children; i++) {
		int levels = levels_below(object->child[i]);

		most = levels > most ? levels : most;
	}
	return 1 + most;
}

bool shows_file(struct object *object, const char *name)
{
	if (!strcmp(name, "value"))
		return !object->hidden;
	if (!strcmp(name, "aux"))
		return object->aux;
	return !strcmp(name, "control") || !strcmp(name, "remove") || !strcmp(name, "hide");
}

/* What making an object of that name fails with, when VFS sees nothing there */
static int name_error(struct object *parent, const char *name)
{
	if (strlen(name) > NAME_MAX)
		return ENAMETOOLONG;
	if (strchr(name, '\n') || !strcmp(name, "aux"))
		return EINVAL;
	return shows_file(parent, name) || !strcmp(name, "value") ? EEXIST : 0;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

int mkdir_error(struct object *parent, const char *name)
{
	if (is_dots(name) || find_child(parent, name) || shows_file(parent, name))
		return EEXIST;
	return name_error(parent, name);
}

int rmdir_error(struct object *parent, const char *name)
{
	struct object *object = find_child(parent, name);

	if (!strcmp(name, "."))
		return EINVAL;
	if (!strcmp(name, ".."))
		return ENOTEMPTY;
	if (object)
		return object->nr_children ? ENOTEMPTY : 0;
	return shows_file(parent, name) ? ENOTDIR : ENOENT;
}

int rename_error(struct object *from, struct object *parent, const char *name)
{
	struct object *there = find_child(parent, name);

	if (is_dots(name))
		return EBUSY;
	if (is_below(parent, from))
		return EINVAL;
	if (there == from)
		return 0;
	if (there)
		return is_below(from->parent, there) ? ENOTEMPTY : EEXIST;
	return shows_file(parent, name) ? ENOTDIR : name_error(parent, name);
}

char *path_of(struct worker *w, struct object *object, char path[PATH_MAX])
{
	if (!object)
		return format_path(path, "%.200s", w->root);
	path_of(w, object->parent, path);
	strcat(path, "/");
	return strcat(path, object->name);
}

char *path_in(struct worker *w, struct object *object, const char *name, char path[PATH_MAX])
{
	path_of(w, object, path);
	strcat(path, "/");
	return strcat(path, name);
}
