/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a window begins and ends, in which plugin/windows.c counts: a no-op
 * that no compiler makes, and a load whose address tells, in its lowest 12
 * bits, the label of the window. Without the plugin it is nothing.
 */
#ifndef SELFTESTS_BENCH_MARK_H
#define SELFTESTS_BENCH_MARK_H

#define MARK_LABELS	4096

/* The no-op of each machine: nopl 0x726b7766(%rax); hint #99 */
#define MARK_X86_64	"\x0f\x1f\x80\x66\x77\x6b\x72"
#define MARK_AARCH64	"\x7f\x2c\x03\xd5"

/* It and the load, of %1 to %0 */
#ifdef __aarch64__
#define MARK_ASM	"hint #99\nldrb %w0, [%1]"
#else
#define MARK_ASM	".byte 0x0f, 0x1f, 0x80, 0x66, 0x77, 0x6b, 0x72\nmovb (%1), %b0"
#endif

#endif
