// SPDX-License-Identifier: GPL-2.0
/*
 * bpf programs at the begin and the end of a function that the patch replaces,
 * attached before it and after it, while it is enabled and disabled: each call is seen
 * once, whichever function does it.
 */
#include "lib/harness.h"
#include "company/bpf.h"
#include "company/company.h"
#include "lib/system.h"

#define FUNCTION	"kernfs_remove_by_name_ns"

FIXTURE(bpf) {
	int program;
	int link;
};

FIXTURE_VARIANT(bpf) {
	enum bpf_attach_type where;
};

FIXTURE_VARIANT_ADD(bpf, fentry) {
	.where = BPF_TRACE_FENTRY,
};

FIXTURE_VARIANT_ADD(bpf, fexit) {
	.where = BPF_TRACE_FEXIT,
};

FIXTURE_SETUP(bpf)
{
	const char *reason = why_no_bpf();

	if (!reason)
		reason = begin_company();
	if (reason)
		SKIP(return, "%s", reason);
	self->link = -1;
	self->program = load_program(FUNCTION, variant->where);
	ASSERT_GE(self->program, 0)
		TH_LOG("%s", strerror(errno));
}

FIXTURE_TEARDOWN(bpf)
{
	close(self->link);
	close(self->program);
	EXPECT_TRUE(end_company());
}

static void attach(struct __test_metadata *_metadata, struct _test_data_bpf *self)
{
	self->link = attach_program(self->program);
	ASSERT_GE(self->link, 0)
		TH_LOG("%s", strerror(errno));
}

/* How often it runs in a removal, by the patch or by the kernel alone */
static long long runs(struct __test_metadata *_metadata, struct _test_data_bpf *self, bool patched)
{
	long long before = program_runs(self->program);

	EXPECT_EQ(is_reported(patched ? event_timeout_ms() : NONE_MS), patched);
	return program_runs(self->program) - before;
}

TEST_F(bpf, earlier_program_sees_each_call)
{
	long long calls;

	attach(_metadata, self);
	calls = runs(_metadata, self, false);
	EXPECT_GT(calls, 0);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(load_patched(), 0);
		EXPECT_EQ(runs(_metadata, self, true), calls);
		ASSERT_EQ(unload_patched(), 0);
		EXPECT_EQ(runs(_metadata, self, false), calls);
	}
}

TEST_F(bpf, later_program_sees_each_call)
{
	long long calls;

	ASSERT_EQ(load_patched(), 0);
	attach(_metadata, self);
	calls = runs(_metadata, self, true);
	EXPECT_GT(calls, 0);
	ASSERT_EQ(unload_patched(), 0);
	EXPECT_EQ(runs(_metadata, self, false), calls);
}

TEST_F(bpf, program_can_be_attached_and_detached_while_patched)
{
	ASSERT_EQ(load_patched(), 0);
	for (int i = 0; i < 3; i++) {
		attach(_metadata, self);
		EXPECT_GT(runs(_metadata, self, true), 0);
		close(self->link);
		EXPECT_EQ(runs(_metadata, self, true), 0);
	}
	self->link = -1;
}

TEST_HARNESS_MAIN
