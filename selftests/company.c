// SPDX-License-Identifier: GPL-2.0
/*
 * The patch together with users that patch, probe or trace the same functions, and
 * with a task that sleeps in one of them for ever.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "company/company.h"
#include "company/sleeper.h"
#include "lib/module.h"
#include "lib/system.h"
#include "lib/user.h"

#define PATCH		"/sys/kernel/livepatch/rkernfs"
#define FTRACE		"/proc/sys/kernel/ftrace_enabled"
/* livepatch looks at a task once a second. */
#define LIMIT_MS	60000
#define STUCK_MS	2500

/* Modules */

static bool await_text(const char *path, const char *wanted)
{
	char text[32];

	for (int ms = 0; ms < LIMIT_MS; ms += 5) {
		if (read_text(path, text, sizeof(text)) < 0)
			return !wanted;
		if (wanted && text[0] == wanted[0])
			return true;
		sleep_ms(5);
	}
	return false;
}

static bool insert_rival(const char *parameters)
{
	return !insert_test_module("rival", parameters) &&
	       await_text("/sys/kernel/livepatch/rival/transition", "0");
}

/* True as well if it is not there. */
static bool take_rival_out(void)
{
	if (exists("/sys/kernel/livepatch/rival") &&
	    (!write_text("/sys/kernel/livepatch/rival/enabled", "0") ||
	     !await_text("/sys/kernel/livepatch/rival/transition", NULL)))
		return false;
	for (int ms = 0; ms < LIMIT_MS && exists("/sys/module/rival"); ms += 5)
		if (remove_test_module("rival"))
			sleep_ms(5);
	return !exists("/sys/module/rival");
}

FIXTURE(company) { };

FIXTURE_SETUP(company)
{
	const char *reason = "selftests/modules/*.ko are not installed";

	if (has_test_module("rival"))
		reason = begin_company();
	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(company)
{
	remove_sleeper();
	remove_test_module("probe");
	EXPECT_TRUE(take_rival_out());
	EXPECT_TRUE(end_company());
}

/* Another livepatch: the later one is in effect. */

TEST_F(company, later_livepatch_overrides_until_disabled)
{
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
	ASSERT_TRUE(insert_rival(""));
	EXPECT_NO_EVENTS();
	EXPECT_GT(module_parameter("rival", "calls"), 0);
	ASSERT_TRUE(take_rival_out());
	EXPECT_EVENTS();
}

TEST_F(company, earlier_livepatch_is_overridden_until_unload)
{
	long calls;

	ASSERT_TRUE(insert_rival(""));
	EXPECT_NO_EVENTS();
	calls = module_parameter("rival", "calls");
	EXPECT_GT(calls, 0);
	ASSERT_EQ(load_patched(), 0);
	calls = module_parameter("rival", "calls");
	EXPECT_EVENTS();
	EXPECT_EQ(module_parameter("rival", "calls"), calls);
	ASSERT_EQ(unload_patched(), 0);
	EXPECT_NO_EVENTS();
	EXPECT_GT(module_parameter("rival", "calls"), calls);
}

TEST_F(company, earlier_livepatch_below_unloads)
{
	ASSERT_TRUE(insert_rival(""));
	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(take_rival_out());
	EXPECT_EVENTS();
}

TEST_F(company, unloads_below_a_later_livepatch)
{
	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(insert_rival(""));
	ASSERT_EQ(unload_patched(), 0);
	EXPECT_NO_EVENTS();
	EXPECT_GT(module_parameter("rival", "calls"), 0);
}

TEST_F(company, later_cumulative_livepatch_disables_patch_and_module_unloads)
{
	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(insert_rival("cumulative=1"));
	EXPECT_TRUE(await_unpatched());
	EXPECT_FALSE(exists(PATCH));
	EXPECT_NO_EVENTS();
	EXPECT_EQ(unload_module(), 0);
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
}

TEST_F(company, earlier_cumulative_livepatch_is_overridden)
{
	ASSERT_TRUE(insert_rival("cumulative=1"));
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
	ASSERT_TRUE(take_rival_out());
	EXPECT_EVENTS();
}

/*
 * Probes: a post handler changes where the function continues, as a livepatch
 * does, if ftrace has both. On arm64 a probe is a breakpoint.
 */
#ifdef __aarch64__
#define PROBES_BY_FTRACE	false
#else
#define PROBES_BY_FTRACE	true
#endif

TEST_F(company, kprobe_fires_while_patch_is_enabled_and_disabled)
{
	long hits;

	ASSERT_EQ(insert_test_module("probe", ""), 0);
	ASSERT_EQ(load_patched(), 0);
	hits = module_parameter("probe", "hits");
	EXPECT_EVENTS();
	EXPECT_GT(module_parameter("probe", "hits"), hits);
	ASSERT_EQ(unload_patched(), 0);
	hits = module_parameter("probe", "hits");
	EXPECT_NO_EVENTS();
	EXPECT_GT(module_parameter("probe", "hits"), hits);
}

TEST_F(company, kprobe_can_be_added_and_removed_while_patched)
{
	ASSERT_EQ(load_patched(), 0);
	ASSERT_EQ(insert_test_module("probe", ""), 0);
	EXPECT_EVENTS();
	EXPECT_GT(module_parameter("probe", "hits"), 0);
	ASSERT_EQ(remove_test_module("probe"), 0);
	EXPECT_EVENTS();
}

TEST_F(company, loading_under_a_post_handler_fails_and_leaves_nothing)
{
	if (!PROBES_BY_FTRACE)
		SKIP(return, "kprobes do not use ftrace on this architecture");
	ASSERT_EQ(insert_test_module("probe", "post=1"), 0);
	EXPECT_EQ(load_module(""), EBUSY);
	EXPECT_FALSE(exists("/sys/module/rkernfs"));
	EXPECT_FALSE(exists(PATCH));
	EXPECT_NO_EVENTS();
	ASSERT_EQ(remove_test_module("probe"), 0);
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
}

TEST_F(company, breakpoint_with_a_post_handler_fires)
{
	if (PROBES_BY_FTRACE)
		SKIP(return, "kprobes use ftrace on this architecture");
	ASSERT_EQ(insert_test_module("probe", "post=1"), 0);
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
	EXPECT_GT(module_parameter("probe", "hits"), 0);
}

TEST_F(company, kprobe_with_post_handler_never_fires_on_patched_function)
{
	if (!PROBES_BY_FTRACE)
		SKIP(return, "kprobes do not use ftrace on this architecture");
	ASSERT_EQ(load_patched(), 0);
	if (!insert_test_module("probe", "post=1")) {
		/* Some kernels do not say that it could not be armed. */
		EXPECT_EVENTS();
		EXPECT_EQ(module_parameter("probe", "hits"), 0);
	}
	EXPECT_EVENTS();
}

/* Tracing */

static bool trace(const char *tracefs, const char *tracer)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3900s/set_ftrace_filter", tracefs),
			  "kernfs_remove_by_name_ns") &&
	       write_text(format_path(path, "%.3900s/current_tracer", tracefs), tracer);
}

TEST_F(company, function_is_traced_while_patch_is_enabled_and_disabled)
{
	char tracefs[PATH_MAX], path[PATH_MAX];

	ASSERT_TRUE(make_mount_point(tracefs));
	if (mount("none", tracefs, "tracefs", 0, NULL)) {
		remove_mount_point(tracefs);
		SKIP(return, "no tracefs");
	}
	format_path(path, "%.3900s/trace", tracefs);
	ASSERT_TRUE(trace(tracefs, "function"));
	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(write_text(path, "\n"));
	EXPECT_EVENTS();
	EXPECT_TRUE(file_has_line(path, "kernfs_remove_by_name_ns <-"));
	ASSERT_EQ(unload_patched(), 0);
	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(trace(tracefs, "nop"));
	EXPECT_EVENTS();
	remove_mount_point(tracefs);
}

TEST_F(company, loading_without_ftrace_fails_and_leaves_nothing)
{
	if (!write_text(FTRACE, "0"))
		SKIP(return, "this kernel does not have ftrace turned off");
	EXPECT_EQ(load_module(""), EBUSY);
	EXPECT_FALSE(exists("/sys/module/rkernfs"));
	EXPECT_FALSE(exists(PATCH));
	ASSERT_TRUE(write_text(FTRACE, "1"));
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EVENTS();
}

TEST_F(company, ftrace_cannot_be_turned_off_while_patched)
{
	ASSERT_EQ(load_patched(), 0);
	EXPECT_FALSE(write_text(FTRACE, "0"));
	EXPECT_EVENTS();
}

/* Which user may disable it */

static int open_as_user(const char *path, int flags)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setresuid(USER_ID, USER_ID, USER_ID))
			_exit(255);
		_exit(open(path, flags) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_mode & 07777;
}

TEST_F(company, only_root_may_turn_it_off)
{
	ASSERT_EQ(load_patched(), 0);
	EXPECT_EQ(mode_of(PATCH "/enabled"), 0644);
	EXPECT_EQ(mode_of(PATCH "/transition"), 0444);
	EXPECT_EQ(mode_of(PATCH "/force"), 0200);
	EXPECT_EQ(mode_of("/sys/module/rkernfs/parameters/cover"), 0444);
	EXPECT_EQ(open_as_user(PATCH "/enabled", O_WRONLY), EACCES);
	EXPECT_EQ(open_as_user(PATCH "/force", O_WRONLY), EACCES);
	EXPECT_EQ(open_as_user(PATCH "/enabled", O_RDONLY), 0);
}

/* A task that sleeps in the function that is to be replaced, or in its replacement */

TEST_F(company, task_asleep_in_old_function_stalls_only_the_transition)
{
	struct sleepers sleepers;

	ASSERT_TRUE(put_to_sleep(&sleepers));
	EXPECT_EQ(load_module(""), 0);
	sleep_ms(STUCK_MS);
	EXPECT_FALSE(is_patched());
	EXPECT_TRUE(await_text(PATCH "/transition", "1"));
	/* All others have moved over. */
	EXPECT_EVENTS();
	EXPECT_TRUE(wake(&sleepers));
	EXPECT_TRUE(await_patched());
	EXPECT_EVENTS();
}

TEST_F(company, stalled_transition_can_be_reversed)
{
	struct sleepers sleepers;

	ASSERT_TRUE(put_to_sleep(&sleepers));
	EXPECT_EQ(load_module(""), 0);
	sleep_ms(STUCK_MS);
	EXPECT_FALSE(is_patched());
	EXPECT_EQ(unload_patched(), 0);
	EXPECT_TRUE(wake(&sleepers));
	EXPECT_NO_EVENTS();
}

TEST_F(company, task_asleep_in_replacement_pins_the_module)
{
	struct sleepers sleepers;

	ASSERT_EQ(load_patched(), 0);
	ASSERT_TRUE(put_to_sleep(&sleepers));
	ASSERT_TRUE(disable_patch());
	sleep_ms(STUCK_MS);
	EXPECT_TRUE(await_text(PATCH "/transition", "1"));
	EXPECT_NE(unload_module(), 0);
	EXPECT_TRUE(enable_patch());
	EXPECT_TRUE(await_patched());
	EXPECT_EVENTS();
	EXPECT_TRUE(wake(&sleepers));
	EXPECT_EQ(unload_patched(), 0);
}

TEST_HARNESS_MAIN
