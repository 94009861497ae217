// SPDX-License-Identifier: GPL-2.0
/*
 * 10,000 random operations on the pseudo file system by several threads, each
 * of which predicts what comes of its own; objects that all of them fight for;
 * a task that looks at everything meanwhile. SEED= repeats a run's choices.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/pseudofs.h"
#include "lib/random.h"
#include "lib/system.h"
#include "model/model.h"

#define NR_WORKERS	4
#define NR_OPERATIONS	(10000 / NR_WORKERS)

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < NR_OPERATIONS && !w->wrong[0]; i++)
		do_something(w);
	return NULL;
}

/* Looks at everything, watches some of it, reclaims dentries now and then. */

static atomic_bool stop_looking;

static void look_at(const char *path, int inotify)
{
	char below[PATH_MAX], text[MAX_VALUE + 1];
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && !stop_looking) {
		if (entry->d_name[0] == '.' || strlen(path) + 256 > PATH_MAX)
			continue;
		format_path(below, "%.3800s/%.256s", path, entry->d_name);
		inotify_add_watch(inotify, below, IN_ALL_EVENTS);
		if (entry->d_type == DT_DIR)
			look_at(below, inotify);
		else
			read_text(below, text, sizeof(text));
	}
	if (dir)
		closedir(dir);
}

static void *look(void *root)
{
	int inotify = open_inotify();
	char buf[4096];

	while (!stop_looking) {
		look_at(root, inotify);
		while (read(inotify, buf, sizeof(buf)) > 0)
			;
		write_text("/proc/sys/vm/drop_caches", "2");
	}
	close(inotify);
	return NULL;
}

FIXTURE(model) {
	char root[PATH_MAX];
	char arena[PATH_MAX];
	struct worker worker[NR_WORKERS];
	pthread_t looker;
};

FIXTURE_SETUP(model)
{
	const char *reason = mount_pseudofs(self->root);
	char path[PATH_MAX];

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(mkdir(format_path(self->arena, "%.3000s/arena", self->root), 0755), 0);
	ASSERT_EQ(mkdir(format_path(path, "%.3000s/other", self->arena), 0755), 0);
}

FIXTURE_TEARDOWN(model)
{
	char path[PATH_MAX];

	for (int i = 0; i < NR_WORKERS; i++)
		write_object(path_of(&self->worker[i], self->worker[i].top, path), "remove", "1");
	write_object(self->arena, "remove", "1");
	unmount_pseudofs(self->root);
}

static void start_worker(struct worker *w, const char *root, unsigned int seed, int nr)
{
	char name[16], path[PATH_MAX];

	w->seed = seed + nr;
	w->held_fd = -1;
	sprintf(name, "t%d", nr);
	format_path(w->root, "%.200s", root);
	w->top = new_object(NULL, name);
	expect(w, "mkdir", name, error_of(mkdir(path_of(w, w->top, path), 0755)), 0);
	pthread_create(&w->thread, NULL, work, w);
}

TEST_F(model, predicts_ten_thousand_random_operations)
{
	unsigned int seed = choose_seed();
	char path[PATH_MAX];

	TH_LOG("SEED=%u", seed);
	for (int i = 0; i < NR_WORKERS; i++)
		start_worker(&self->worker[i], self->root, seed, i);
	pthread_create(&self->looker, NULL, look, self->root);
	for (int i = 0; i < NR_WORKERS; i++)
		pthread_join(self->worker[i].thread, NULL);
	stop_looking = true;
	pthread_join(self->looker, NULL);

	for (int i = 0; i < NR_WORKERS; i++) {
		compare(&self->worker[i], self->worker[i].top);
		EXPECT_STREQ(self->worker[i].wrong, "");
		close(self->worker[i].held_fd);
	}
	EXPECT_GT(nr_removed, 0);
	EXPECT_EQ(nr_made - nr_removed,
		  exists(format_path(path, "%.3000s/object", self->arena)) +
		  exists(format_path(path, "%.3000s/other/object", self->arena)));
}

TEST_HARNESS_MAIN
