// SPDX-License-Identifier: GPL-2.0
#include "company/bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/system.h"

#define VMLINUX		"/sys/kernel/btf/vmlinux"

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

const char *why_no_bpf(void)
{
	union bpf_attr attr = { .enable_stats.type = BPF_STATS_RUN_TIME };

	if (!exists(VMLINUX))
		return "no " VMLINUX ": CONFIG_DEBUG_INFO_BTF";
	/* Never closed: they are counted as long as this process is there. */
	return bpf(BPF_ENABLE_STATS, &attr) < 0 ? "no runs of bpf programs are counted" : NULL;
}

/* The kernel's types: Documentation/bpf/btf.rst */

static size_t size_of_details(const struct btf_type *type)
{
	unsigned int nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_DECL_TAG:
	case BTF_KIND_VAR:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return nr * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return nr * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return nr * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return nr * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return nr * sizeof(struct btf_var_secinfo);
	default:
		return 0;
	}
}

static uint32_t find_in(const struct btf_header *header, const char *function)
{
	const void *begin = (const void *)header + header->hdr_len;
	const char *strings = begin + header->str_off;
	const void *at = begin + header->type_off, *end = at + header->type_len;

	for (uint32_t id = 1; at < end; id++) {
		const struct btf_type *type = at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + type->name_off, function))
			return id;
		at += sizeof(*type) + size_of_details(type);
	}
	return 0;
}

/* The number of the function's type, or 0 */
static uint32_t find_function(const char *function)
{
	int fd = open(VMLINUX, O_RDONLY | O_CLOEXEC);
	uint32_t id = 0;
	struct stat st;
	size_t len = 0;
	char *types;

	if (fd < 0 || fstat(fd, &st))
		return 0;
	types = malloc(st.st_size);
	while (types && len < st.st_size) {
		ssize_t got = read(fd, types + len, st.st_size - len);

		if (got <= 0)
			break;
		len += got;
	}
	if (types && len == st.st_size)
		id = find_in((void *)types, function);
	free(types);
	close(fd);
	return id;
}

/* Programs */

int load_program(const char *function, enum bpf_attach_type where)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.insns = (uintptr_t)insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.license = (uintptr_t)"GPL",
		.expected_attach_type = where,
		.attach_btf_id = find_function(function),
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

int attach_program(int program)
{
	union bpf_attr attr = { .raw_tracepoint.prog_fd = program };

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

long long program_runs(int program)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = {
		.info = {
			.bpf_fd = program,
			.info_len = sizeof(info),
			.info = (uintptr_t)&info,
		},
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) ? -1 : info.run_cnt;
}
