// SPDX-License-Identifier: GPL-2.0
/* A program as C, with the functions of standalone.c */
#include "fuzz.h"

static const struct dir *dir_of(const struct call *call)
{
	return &dirs[call->node / NR_FILES];
}

/* C "/a/memory.events" */
static void print_path(FILE *out, const struct call *call)
{
	const char *file = dir_of(call)->files[call->node % NR_FILES];

	fprintf(out, "%s \"%s%s%s\"", dir_of(call)->root, dir_of(call)->name, *file ? "/" : "",
		file);
}

static void print_on_path(FILE *out, const char *before, const struct call *call, const char *after)
{
	fputs(before, out);
	print_path(out, call);
	fputs(after, out);
}

static void print_online(FILE *out, const char *text)
{
	fprintf(out, "write_text(S \"/devices/system/cpu/cpu1/online\", \"%s\")", text);
}

static void print_make(FILE *out, const struct call *call)
{
	if (realm_of(call->node) == NETDEV)
		fprintf(out, "sh(\"ip link add %s type %s\")", device_name(call->node),
			call->choice % 4 ? "dummy" : "veth");
	else if (realm_of(call->node) == CPU)
		print_online(out, "1");
	else
		print_on_path(out, "make(", call, ")");
}

static void print_remove(FILE *out, const struct call *call)
{
	if (realm_of(call->node) == NETDEV)
		fprintf(out, "sh(\"ip link del %s\")", device_name(call->node));
	else if (realm_of(call->node) == CPU)
		print_online(out, "0");
	else
		print_on_path(out, "rmdir(", call, ")");
}

static void print_write(FILE *out, const struct call *call)
{
	const struct text *text = text_of(call->node, call->choice);

	if (text)
		fprintf(out, "write_text(%s \"%s/%s\", \"%s\")", dir_of(call)->root,
			dir_of(call)->name, text->file, text->text);
}

static void print_hold(FILE *out, const struct call *call)
{
	int how = call->choice / MAX_HELD % 3;

	if (how == 2) {
		print_on_path(out, "if (chdir(", call, "))\n\t\tperror(\"chdir\")");
		return;
	}
	fprintf(out, "hold(%d, ", call->choice % MAX_HELD);
	print_on_path(out, "", call, how ? ", O_PATH)" : ", O_RDONLY)");
}

static void print_handle(FILE *out, const struct call *call)
{
	if (call->kind == TAKE_HANDLE) {
		fprintf(out, "take_handle(%d, %s, ", call->choice % MAX_HELD, dir_of(call)->root);
		print_on_path(out, "", call, ")");
	} else {
		fprintf(out, "watch_by_handle(%d, %s)", call->choice % MAX_HELD,
			call->choice / MAX_HELD % 2 ? "O_PATH" : "O_RDONLY");
	}
}

static void print_look(FILE *out, const struct call *call)
{
	print_on_path(out, "look(", call, "");
	fprintf(out, ", %d)", call->choice % 4 == 3 ? call->choice * 4 : -(call->choice % 4));
}

static void print_patch(FILE *out, const struct call *call)
{
	fprintf(out, "write_text(\"/sys/kernel/livepatch/rkernfs/enabled\", \"%d\")",
		call->choice % 2);
	if (call->choice % 4 > 1)
		fprintf(out, ";\n\tusleep(%d * 1000)", call->us);
}

static void print_plain(FILE *out, const struct call *call)
{
	switch (call->kind) {
	case MAKE:
		return print_make(out, call);
	case REMOVE:
		return print_remove(out, call);
	case WRITE:
		return print_write(out, call);
	case WATCH:
		return print_on_path(out, "watch(", call, ")");
	case UNWATCH:
		fprintf(out, "unwatch(%d)", call->choice);
		break;
	case MARK:
		return print_on_path(out, "mark(", call, ")");
	case MARK_EVICTABLE:
		return print_on_path(out, "mark_evictable(", call, ")");
	case MARK_ALL:
		fprintf(out, "mark_all(%s, %d)", dir_of(call)->root, call->us);
		break;
	case HOLD:
		return print_hold(out, call);
	case KEEP:
		fprintf(out, "keep(%d, ", call->choice % MAX_HELD);
		return print_on_path(out, "", call, ")");
	case LET_GO:
		fprintf(out, "let_go(%d)", call->choice % MAX_HELD);
		break;
	case TAKE_HANDLE:
	case OPEN_HANDLE:
		return print_handle(out, call);
	case LOOK:
		return print_look(out, call);
	case MOUNT:
		return print_on_path(out, call->choice % 2 ? "bind(" : "mount_over(", call, ")");
	case UNMOUNT:
		fputs("unmount()", out);
		break;
	case UNSHARE:
		fputs("unshare_mounts()", out);
		break;
	case POPULATE:
		return print_on_path(out, "populate(", call, ")");
	case MOVE:
		fprintf(out, "move_away(\"%s\")", device_name(call->node));
		break;
	case RECLAIM:
		fputs("write_text(\"/proc/sys/vm/drop_caches\", \"2\")", out);
		break;
	case NAP:
		fprintf(out, "usleep(%d)", call->us);
		break;
	case PATCH:
		return print_patch(out, call);
	}
}

static void print_call(FILE *out, const struct call *call)
{
	fputc('\t', out);
	if (call->how != PLAIN)
		fprintf(out, "BY_CHILD(%d, ", call->how == KILLED ? call->us : 0);
	print_plain(out, call);
	fputs(call->how == PLAIN ? ";\n" : ");\n", out);
}

static void print_process(FILE *out, const struct program *program, int nr)
{
	fprintf(out, "\nstatic void calls_%d(void)\n{\n", nr);
	for (int i = 0; i < program->nr; i++)
		if (program->in_turns || program->calls[i].proc == nr)
			print_call(out, &program->calls[i]);
	fputs("}\n", out);
}

void print_program(FILE *out, const struct program *program)
{
	/* What is done in turns, one does. */
	int nr = program->in_turns ? 1 : program->nr_procs;

	for (int i = 0; i < nr; i++)
		print_process(out, program, i);
	fprintf(out, "\nint main(void)\n{\n\treturn run(%s, %d, (void (*[])(void)) { ",
		program->marked ? "true" : "false", nr);
	for (int i = 0; i < nr; i++)
		fprintf(out, "%scalls_%d", i ? ", " : "", i);
	fputs(" });\n}\n", out);
}
