/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The running system as the tests see it: what is there, files to read and
 * write, cgroups, knobs that are put back at exit.
 */
#ifndef SELFTESTS_LIB_SYSTEM_H
#define SELFTESTS_LIB_SYSTEM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* Why nothing of this test can run here, or NULL */
const char *why_not_root(void);
/*
 * Why removals are not ours to judge: the patch does not cover all of kernfs, and
 * nobody says that the kernel by itself (RKERNFS_EXPECT=kernel) is to be judged
 */
const char *why_not_covered(void);
/* The user wants to know what this kernel does, not whether that is right. */
bool only_reporting(void);
bool kernel_at_least(int version, int patchlevel);

/* The error of a system call, 0 for none */
int error_of(long ret);

long long now_us(void);
void sleep_ms(int ms);

/* Looks each millisecond whether @condition holds, and returns whether it does in the end. */
#define await(condition, timeout_ms)					\
({									\
	int left_ms = (timeout_ms);					\
	bool holds;							\
									\
	while (!(holds = (condition)) && left_ms-- > 0)			\
		sleep_ms(1);						\
	holds;								\
})
/* Without giving up the CPU, to try each moment of a race */
void spin_us(int us);

char *format_path(char path[PATH_MAX], const char *fmt, ...);
bool write_text(const char *path, const char *text);
/* Length, or -1; @text always ends with a NUL. */
int read_text(const char *path, char *text, size_t size);
bool exists(const char *path);
/* A line that has @wanted in it */
bool file_has_line(const char *path, const char *wanted);

/* Reclaims all unused dentries and inodes. */
bool drop_dentries(void);
/* Raises the number in a file of /proc/sys; it is put back at exit. */
bool raise_sysctl(const char *path, long at_least);
bool set_sysctl(const char *path, long value);
bool raise_open_files(long at_least);

/*
 * A cgroup of this process's own, with controllers for its children turned on
 * where there are any; NULL and errno if there is no cgroup2. It is removed,
 * with children, by cgroup_base_remove().
 */
const char *cgroup_base(void);
void cgroup_base_remove(void);
/* Why tests of cgroups that rkernfs covers cannot run, or NULL. */
const char *why_no_cgroup(void);
bool has_memory_controller(void);
const char *why_no_memory_controller(void);
const char *why_no_pids_controller(void);
/* fork(), the child being in the cgroup whose directory is open */
pid_t fork_into(int cgroup);
/* Removes it, patiently: a dying process may keep it busy for a moment. */
int remove_cgroup(const char *path);
/* A file that each cgroup has, memory.events if it can be had */
const char *cgroup_file(void);

/* A fresh empty directory, removed with remove_mount_point() */
bool make_mount_point(char path[PATH_MAX]);
void remove_mount_point(const char *path);
/* A version 1 hierarchy of cgroups without controllers; @nr distinguishes them. */
bool mount_cgroup1(const char *mount_point, int nr);

#endif
