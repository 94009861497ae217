#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests of src/compared: which change of a kernel's source is one, and what is said
# of it. No kernel is needed: the sources are made up. Prints TAP.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

# --- sources -------------------------------------------------------------

mkdir "$work/compared"
cp "$root/src/compared/compare.pl" "$work/compared/"
list=$work/compared/kernels
compare=$work/compared/compare.pl
tree=$work/tree

write_list() {
	printf '%s\n' "$@" >"$list"
}

# A kernel with three files
write_tree() {
	rm -rf "$tree"
	mkdir -p "$tree/fs/toy" "$tree/include"
	printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = %s\nEXTRAVERSION =\n' "${1:-4}" >"$tree/Makefile"
	cat >"$tree/include/toy.h" <<'END'
#ifndef _TOY_H
#define _TOY_H
#define TOY_BIAS	(1 << 30)

/* a box */
struct toy {
	int count;	/* of what is in it */
	struct { int a, b; } pair;
} __aligned(8);

enum toy_flag { TOY_OPEN = 1, TOY_SHUT };
static inline int toy_count(const struct toy *t)
{
	return t->count;
}
#ifdef CONFIG_TOYS
int toy_drain(struct toy *t, int n);
#else
static inline int toy_drain(struct toy *t, int n) { return -1; }
#endif
#endif
END
	cat >"$tree/fs/toy/a.c" <<'END'
#include "toy.h"

static const char brace = '{', *braces = "{{{ \" /* not one */";
static DEFINE_TOY(lock)

/**
 * toy_drain - takes all out; see toy_fill()
 */
__printf(1, 2) __must_check
int toy_drain(struct toy *t, int n)
	__releases(&toy_lock(t)->lock)
{
	// don't
	if (t->count - -n != '}' && n << 1)
		pr_debug("toy: %d {\n",
			 t->count);
#ifdef CONFIG_TOYS_DEBUG
	check(t); /* it's
	           * whole */
#endif
	return t->count;
}
EXPORT_SYMBOL_GPL(toy_drain);

#ifdef CONFIG_TOY_LOCK
static void toy_hold(struct toy *t)
{
	hold(t);
}
#else
static void toy_hold(struct toy *t) { }
#endif

#if TOYS > 1
static int toy_split(int a, int b) {
	if (a == b) {
#else
static int toy_split(int a)
{
	if (a) {
#endif
		return 1;
	}
	return 0;
}

static struct toy *
toy_new(struct toy *(*make)(int), int n) __toy(n)
{
	return make(n) ?: toy_new(make, n);
}

static const struct toy_ops toy_ops[] = {
	{ .drain = toy_drain },
};
END
	cat >"$tree/fs/toy/b.c" <<'END'
#include "toy.h"

int toy_last(struct toy *t)
{
	return toy_drain(t, 0) + brace;
}
END
}

toys=('kernels:' '[fs/toy include/toy.h]' 'toy_drain()' 'toy_hold()' 'toy_split()' 'toy_new()' 'toy_count()'
	'toy_last()' 'toy_gone()' 'struct toy' 'enum toy_flag' 'toy_ops' '#define TOY_BIAS' 'users of toy_drain'
	'feature DRAIN: toy_drain() has check' 'feature GONE: toy_gone() has check')

# The kernel and its record
fresh() {
	write_list "${toys[@]}"
	write_tree
	"$compare" record "$tree"
}

edit() { # FILE SED
	cp "$tree/$1" "$work/before"
	sed -i "$2" "$tree/$1"
	! cmp -s "$work/before" "$tree/$1" || { echo "$2 changes nothing" >"$work/err"; return 1; }
}

# --- what is said of it --------------------------------------------------

accepted() {
	"$compare" check "$tree" >"$work/out" 2>"$work/err" && [ ! -s "$work/out" ] && [ ! -s "$work/err" ]
}

says() { # LINE: that alone, and fails
	! "$compare" check "$tree" >"$work/out" 2>"$work/err" && [ ! -s "$work/out" ] &&
		[ "$(cat "$work/err")" = "rkernfs: $1: Documentation/kernels.rst, Porting" ]
}

# same FILE SED: no change, for who compares
same() {
	fresh && edit "$@" && accepted
}

# differs ITEM FILE SED
differs() {
	fresh && edit "${@:2}" && says "$1 of 7.3.4 is not one of those that rkernfs was compared with"
}

recorded() {
	fresh && ! grep -q '?' "$list" && grep -q $'^toy_gone()\t*-=7.3.4$' "$list" && accepted
}

every_item() {
	fresh && [ "$(grep -c '=7\.3\.4$' "$list")" = 12 ] && [ "$(grep -c $'\t-=' "$list")" = 1 ]
}

crlf() {
	fresh && edit fs/toy/a.c 's/$/\r/' && accepted
}

# A function that stands elsewhere in its file, or in another one
moved() { # FILE
	fresh
	{
		sed '/^static struct toy \*$/,/^}/d' "$tree/fs/toy/a.c"
		echo 'static int between;'
	} >"$work/a.c"
	sed -n '/^static struct toy \*$/,/^}/p' "$tree/fs/toy/a.c" >"$work/function"
	cp "$work/a.c" "$tree/fs/toy/a.c"
	[ "$(wc -l <"$work/function")" = 5 ] && says_vanished && cat "$work/function" >>"$tree/$1" && accepted
}
says_vanished() {
	says 'toy_new() of 7.3.4 is gone: rkernfs was compared with kernels that have it'
}

renamed() {
	fresh && edit fs/toy/a.c 's/toy_hold/toy_keep/' &&
		says 'toy_hold() of 7.3.4 is gone: rkernfs was compared with kernels that have it'
}

appears() {
	fresh && echo 'int toy_gone(void) { return 0; }' >>"$tree/fs/toy/b.c" &&
		says 'toy_gone() of 7.3.4 is not one of those that rkernfs was compared with'
}

new_user() {
	fresh && printf 'void toy_more(struct toy *t)\n{\n\ttoy_drain(t, 1);\n}\n' >"$tree/fs/toy/c.c" &&
		says 'users of toy_drain of 7.3.4 are not those that rkernfs was compared with'
}

several() {
	fresh && edit fs/toy/a.c 's/hold(t);/keep(t);/; s/return t->count;/return 0;/' &&
		says 'toy_drain() of 7.3.4 is not one of those that rkernfs was compared with, nor is 1 other'
}

# A kernel of another version with the same text, and one that has some of each
other_version() {
	fresh && write_tree 9 && accepted
}
mixture() {
	fresh && write_tree 8 && sed -i 's/hold(t);/keep(t);/; s/return t->count;/return 0;/' "$tree/fs/toy/a.c" &&
		"$compare" record "$tree" && accepted && grep -q '^kernels: 7.3.4 7.3.8$' "$list" &&
		write_tree 9 && sed -i 's/hold(t);/keep(t);/' "$tree/fs/toy/a.c" &&
		says 'toy_drain() of 7.3.9 is that of 7.3.4, others are those of 7.3.8: rkernfs was compared with no such mixture'
}

# Recorded in any order, and twice
in_order() {
	fresh && write_tree 10 && "$compare" record "$tree" && write_tree 9 && "$compare" record "$tree" &&
		"$compare" record "$tree" && grep -q '^kernels: 7.3.4 7.3.9 7.3.10$' "$list" &&
		grep -q '=7.3.4-7.3.10$' "$list" && ! grep -q '7.3.9$' "$list"
}

no_source() {
	fresh && rm -r "$tree/fs/toy" && mkdir "$tree/fs/toy" &&
		! "$compare" check "$tree" 2>"$work/err" &&
		grep -qx "rkernfs: $tree has no fs/toy: the kernel's whole source is needed, headers won't do" "$work/err"
}

no_file() {
	fresh && rm "$tree/include/toy.h" &&
		says 'toy_count() of 7.3.4 is gone, and 4 more differ: rkernfs was compared with kernels that have it'
}

unreviewed() {
	fresh && edit fs/toy/a.c 's/hold(t);/keep(t);/' &&
		! RKERNFS_UNREVIEWED=0 "$compare" header "$tree" >"$work/out" 2>"$work/err" && [ ! -s "$work/out" ] &&
		RKERNFS_UNREVIEWED=1 "$compare" check "$tree" 2>"$work/err" &&
		grep -q '^note: toy_hold() of 7.3.4 is not' "$work/err" &&
		RKERNFS_UNREVIEWED=1 "$compare" header "$tree" >"$work/out" &&
		grep -qx '#define RKERNFS_UNREVIEWED "toy_hold() of 7.3.4 is not one of those that rkernfs was compared with"' "$work/out"
}

features() {
	fresh && "$compare" header "$tree" >"$work/out" &&
		[ "$(cat "$work/out")" = '#define RKERNFS_HAS_DRAIN 1
#define RKERNFS_HAS_GONE 0' ]
}

difference() {
	fresh && cp -r "$tree" "$work/old" && edit fs/toy/a.c 's/hold(t);/keep(t);/; s/^static const char/extern &/' &&
		"$compare" diff "$work/old" "$tree" >"$work/out" 2>"$work/err" &&
		[ "$(grep -c '^[-+]' "$work/out")" = 4 ] && grep -q $'^-\thold(t);$' "$work/out" &&
		grep -q '^+++ 7.3.4: toy_hold()$' "$work/out"
	local status=$?
	rm -rf "$work/old"
	return $status
}

# The same of a built tree, before anything is built
built_tree() {
	fresh && edit fs/toy/a.c 's/hold(t);/keep(t);/' || return
	mkdir -p "$tree/include/config" "$tree/fs/kernfs"
	touch "$tree/fs/kernfs/kernfs-internal.h" "$tree/Module.symvers"
	echo CONFIG_LIVEPATCH=y >"$tree/include/config/auto.conf"
	! INSTALL=0 KDIR=$tree COMPARED=$work/compared "$here/module.sh" >"$work/out" 2>"$work/err" &&
		[ "$(cat "$work/err")" = "error: KDIR=$tree: toy_hold() of 7.3.4 is not one of those that rkernfs was compared with: Documentation/kernels.rst, Porting (RKERNFS_UNREVIEWED=1 builds it all the same)" ]
}

# The kernel's own, which the module is built from: what Kbuild reads is named.
real_list() {
	"$root/src/compared/compare.pl" files >"$work/out" && grep -qx fs/kernfs "$work/out" &&
		grep -qx fs/dcache.c "$work/out" && ! grep -q '?' "$root/src/compared/kernels"
}

echo "TAP version 13"
echo 1..47
ok "what was recorded is accepted" recorded
ok "each item is found" every_item
ok "a changed statement" differs 'toy_hold()' fs/toy/a.c 's/hold(t);/keep(t);/'
ok "a changed constant" differs 'toy_new()' fs/toy/a.c 's/make(n) ?:/make(1) ?:/'
ok "a changed string" differs 'toy_drain()' fs/toy/a.c 's/toy: %d/toys: %d/'
ok "white space in a string" differs 'toy_drain()' fs/toy/a.c 's/toy: %d/toy:  %d/'
ok "two operators that become one" differs 'toy_drain()' fs/toy/a.c 's/- -n/--n/'
ok "a condition in the body" differs 'toy_drain()' fs/toy/a.c 's/^#ifdef CONFIG_TOYS_DEBUG/#ifndef CONFIG_TOYS_DEBUG/'
ok "a condition around it" differs 'toy_hold()' fs/toy/a.c 's/CONFIG_TOY_LOCK/CONFIG_TOY_LOCKS/'
ok "the other one of two definitions" differs 'toy_hold()' fs/toy/a.c 's/toy_hold(struct toy \*t) { }/toy_hold(struct toy *t) { one(t); }/'
ok "the first of two beginnings" differs 'toy_split()' fs/toy/a.c 's/(a == b)/(a != b)/'
ok "the second of two beginnings" differs 'toy_split()' fs/toy/a.c 's/if (a) {/if (!a) {/'
ok "what follows two beginnings" differs 'toy_split()' fs/toy/a.c 's/return 1;/return 2;/'
ok "an annotation after the arguments" differs 'toy_drain()' fs/toy/a.c 's/__releases/__acquires/'
ok "an attribute before it" differs 'toy_drain()' fs/toy/a.c 's/__must_check//'
ok "an inline function of a header" differs 'toy_count()' include/toy.h 's/t->count;$/t->pair.a;/'
ok "a member of a structure" differs 'struct toy' include/toy.h 's/int a, b;/int a, c;/'
ok "an enumerator" differs 'enum toy_flag' include/toy.h 's/TOY_SHUT/TOY_SHUT = 4/'
ok "a table" differs 'toy_ops' fs/toy/a.c 's/\.drain =/.fill =/'
ok "a macro" differs '#define TOY_BIAS' include/toy.h 's/<< 30/<< 29/'
ok "a comment before it does not count" same fs/toy/a.c 's/ takes all out/ leaves it empty {/'
ok "a comment in it does not" same fs/toy/a.c 's/don.t/do not '"'"'{/; s/whole/all "there/'
ok "a new comment does not" same fs/toy/a.c 's/^static struct toy \*$/& \/* new,\n\n{ *\//'
ok "a comment between name and body does not" same fs/toy/a.c 's/__toy(n)$/& \/* a\n\nb *\//'
ok "indentation does not" same fs/toy/a.c 's/^\t/        /'
ok "line breaks do not" same fs/toy/a.c 's/return make(n) ?:/return\n\n make ( n )\n?:/; s/^toy_new(/toy_new (/'
ok "a continued line does not" same fs/toy/a.c 's/return make(n)/return \\\n make(n)/'
ok "line ends of another system do not" crlf
ok "space in a directive does not" same fs/toy/a.c 's/^#ifdef CONFIG_TOY_LOCK/#  ifdef   CONFIG_TOY_LOCK \/\/ so/'
ok "other functions do not" same fs/toy/a.c 's/^static DEFINE_TOY(lock)/int toy_other(void) { return toy_lost; }/'
ok "a prototype does not" same fs/toy/a.c 's/^#include "toy.h"/&\nstatic void toy_hold(struct toy *t);\nstruct toy;/'
ok "its place in the file does not" moved fs/toy/a.c
ok "nor does another file" moved fs/toy/b.c
ok "a function that is gone is named" renamed
ok "a function that was not there is a difference" appears
ok "another caller is a difference" new_user
ok "the first of several is named" several
ok "another version with the same text is accepted" other_version
ok "a mixture of two kernels is refused" mixture
ok "kernels are listed in their order" in_order
ok "headers alone won't do" no_source
ok "what was in a file that is gone, is gone" no_file
ok "RKERNFS_UNREVIEWED=1 lets it pass, and the header says so" unreviewed
ok "features are told by the text" features
ok "the difference is shown" difference
ok "KDIR= is refused in one line" built_tree
ok "the real list is complete" real_list
[ "$failed" = 0 ]
