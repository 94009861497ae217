// SPDX-License-Identifier: GPL-2.0
/*
 * The machine suspends while the patch is enabled, and while something is being
 * removed: each watch gets its events once all the same. The kernel's own tests of
 * suspend go as far as pm_test says, and a clock wakes a machine that slept.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "company/company.h"
#include "company/sleeper.h"
#include "lib/expect.h"
#include "lib/module.h"
#include "lib/process.h"
#include "lib/system.h"
#include "lib/user.h"

#define POWER		"/sys/power/"
#define PM_TEST		POWER "pm_test"
/* No test: the machine sleeps, until the clock wakes it. */
#define AWAKE_BY_CLOCK	"none"
#define TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define ALARM		"/sys/class/rtc/rtc0/wakealarm"
#define ROUNDS		3

/* To @level of pm_test; @mem_sleep, if not NULL, is what the machine must be able to do. */
static const char *begin_suspend(const char *level, const char *mem_sleep)
{
	if (!exists(PM_TEST))
		return "no " PM_TEST ": CONFIG_PM_DEBUG";
	if (!strcmp(level, AWAKE_BY_CLOCK) && !exists(ALARM))
		return "no " ALARM;
	if (mem_sleep && !file_has_line(POWER "mem_sleep", mem_sleep))
		return POWER "mem_sleep lacks this state";
	if (!has_test_module("delay"))
		return "selftests/modules/delay.ko is not installed";
	/* What waits without need between falling asleep and waking */
	write_text(TEST_DELAY, "1");
	return begin_company();
}

static bool end_suspend(void)
{
	write_text(PM_TEST, "none");
	return end_company();
}

static bool suspend(const char *state, const char *level)
{
	return write_text(PM_TEST, level) && write_text(POWER "state", state);
}

/* In seconds; an earlier one may be pending still. */
static bool set_alarm(void)
{
	return write_text(ALARM, "0") && write_text(ALARM, "+3");
}

/* Removals go on meanwhile, and a task of theirs is frozen at any moment. */

struct shared {
	bool ended;
	int rounds;
	int missed;
};

FIXTURE(meanwhile) {
	struct shared *shared;
	pid_t pid;
};

FIXTURE_VARIANT(meanwhile) {
	const char *state;
	const char *level;
	const char *needs;	/* of mem_sleep */
};

FIXTURE_VARIANT_ADD(meanwhile, freezer) {
	.state = "mem",
	.level = "freezer",
};

FIXTURE_VARIANT_ADD(meanwhile, devices) {
	.state = "mem",
	.level = "devices",
};

FIXTURE_VARIANT_ADD(meanwhile, platform) {
	.state = "mem",
	.level = "platform",
};

FIXTURE_VARIANT_ADD(meanwhile, processors) {
	.state = "mem",
	.level = "processors",
	.needs = "[deep]",
};

FIXTURE_VARIANT_ADD(meanwhile, core) {
	.state = "mem",
	.level = "core",
	.needs = "[deep]",
};

FIXTURE_VARIANT_ADD(meanwhile, idle) {
	.state = "freeze",
	.level = "platform",
};

FIXTURE_VARIANT_ADD(meanwhile, sleep) {
	.state = "mem",
	.level = AWAKE_BY_CLOCK,
	.needs = "[deep]",
};

FIXTURE_SETUP(meanwhile)
{
	const char *reason = begin_suspend(variant->level, variant->needs);

	if (reason)
		SKIP(return, "%s", reason);
	self->shared = share_memory(sizeof(*self->shared));
	ASSERT_NE(self->shared, NULL);
	ASSERT_EQ(load_patched(), 0);
}

FIXTURE_TEARDOWN(meanwhile)
{
	end_process(self->pid);
	EXPECT_TRUE(end_suspend());
}

static bool begin_removals(void *arg)
{
	return true;
}

static void go_on_removing(void *arg)
{
	struct shared *shared = arg;

	while (!__atomic_load_n(&shared->ended, __ATOMIC_ACQUIRE)) {
		shared->missed += !is_reported(event_timeout_ms());
		__atomic_fetch_add(&shared->rounds, 1, __ATOMIC_RELEASE);
	}
}

static bool await_rounds(const struct shared *shared, int more)
{
	int wanted = __atomic_load_n(&shared->rounds, __ATOMIC_ACQUIRE) + more;

	return await(__atomic_load_n(&shared->rounds, __ATOMIC_ACQUIRE) >= wanted,
		     2 * event_timeout_ms());
}

TEST_F(meanwhile, each_removal_is_reported_once)
{
	int status;

	self->pid = start_process(begin_removals, go_on_removing, self->shared);
	ASSERT_GT(self->pid, 0);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(await_rounds(self->shared, 2));
		if (!strcmp(variant->level, AWAKE_BY_CLOCK))
			ASSERT_TRUE(set_alarm());
		ASSERT_TRUE(suspend(variant->state, variant->level))
			TH_LOG("%s", strerror(errno));
	}
	EXPECT_TRUE(await_rounds(self->shared, 2));
	self->shared->ended = true;
	waitpid(self->pid, &status, 0);
	self->pid = 0;
	EXPECT_EQ(self->shared->missed, 0);
	EXPECT_EVENTS();
}

/* One removal is under way: a module of the tests keeps it in one place. */

#define TRIES		50

FIXTURE(within) { };

FIXTURE_VARIANT(within) {
	const char *function;
};

/* Under the locks of kernfs */
FIXTURE_VARIANT_ADD(within, the_removal) {
	.function = "clear_nlink",
};

FIXTURE_VARIANT_ADD(within, the_release_stage) {
	.function = "d_prune_aliases",
};

FIXTURE_SETUP(within)
{
	const char *reason = begin_suspend("freezer", NULL);

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(load_patched(), 0);
}

FIXTURE_TEARDOWN(within)
{
	remove_test_module("delay");
	EXPECT_TRUE(end_suspend());
}

static pid_t start_delayed(void)
{
	pid_t pid = fork();
	bool ok = true;

	if (!pid) {
		prctl(PR_SET_NAME, "delayed");
		/* Where the task gets no processor in time, a work item takes its place. */
		for (int i = 0; ok && i < TRIES && module_parameter("delay", "hits") <= 0; i++)
			ok = is_reported(event_timeout_ms());
		_exit(!ok);
	}
	return pid;
}

static bool await_hit(void)
{
	return await(module_parameter("delay", "hits") > 0, event_timeout_ms());
}

TEST_F(within, removal_is_reported_once)
{
	char parameters[64];
	int status = 1;
	pid_t pid;

	snprintf(parameters, sizeof(parameters), "function=%s ms=300", variant->function);
	ASSERT_EQ(insert_test_module("delay", parameters), 0);
	pid = start_delayed();
	ASSERT_TRUE(await_hit());
	EXPECT_TRUE(suspend("mem", "freezer"))
		TH_LOG("%s", strerror(errno));
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EVENTS();
}

/* A removal that waits for a task that cannot be frozen either */

#define FREEZE_TIMEOUT	POWER "pm_freeze_timeout"

FIXTURE(refused) {
	int inotify;
	struct events events;
	char timeout[32];
};

FIXTURE_VARIANT(refused) {
	bool patched;
};

FIXTURE_VARIANT_ADD(refused, without_the_patch) {
	.patched = false,
};

FIXTURE_VARIANT_ADD(refused, with_the_patch) {
	.patched = true,
};

FIXTURE_SETUP(refused)
{
	const char *reason = begin_suspend("freezer", NULL);

	if (reason)
		SKIP(return, "%s", reason);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
	ASSERT_GT(read_text(FREEZE_TIMEOUT, self->timeout, sizeof(self->timeout)), 0);
	ASSERT_TRUE(write_text(FREEZE_TIMEOUT, "1000"));
	if (variant->patched)
		ASSERT_EQ(load_patched(), 0);
}

FIXTURE_TEARDOWN(refused)
{
	remove_sleeper();
	if (self->timeout[0])
		write_text(FREEZE_TIMEOUT, self->timeout);
	EXPECT_TRUE(end_suspend());
}

TEST_F(refused, machine_stays_awake_and_removal_is_reported_once)
{
	struct sleepers sleepers;
	int wd;

	ASSERT_TRUE(load_sleeper());
	wd = inotify_add_watch(self->inotify, SLEEPER_FILE, IN_DELETE_SELF);
	ASSERT_TRUE(put_to_sleep(&sleepers));
	EXPECT_FALSE(suspend("mem", "freezer"));
	EXPECT_EQ(errno, EBUSY);
	if (variant->patched)
		EXPECT_EVENTS();
	EXPECT_TRUE(wake(&sleepers));
	EXPECT_TRUE(suspend("mem", "freezer"));
	if (variant->patched)
		ASSERT_EVENTS(wd);
}

TEST_HARNESS_MAIN
