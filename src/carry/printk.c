// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel crate prints. It has printk() format its arguments by %pA,
 * which calls back into the kernel's own crate: a kernel without one warns and
 * prints nothing, and one whose crate another rustc built takes them for
 * something else. Where the module carries the crates, their calls of _printk()
 * end here (--wrap in Kbuild), and the crate that made the arguments formats
 * them.
 */
#include <linux/kern_levels.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/stdarg.h>

#include "printk.h"

/*
 * @fmt is a level, then "%s: %pA" with the module's name or, to continue a line,
 * "%pA" (rust/kernel/print.rs, format_strings).
 */
int __wrap__printk(const char *fmt, ...)
{
	const char level[] = { fmt[0], fmt[1], '\0' };
	bool is_cont = fmt[1] == KERN_CONT[1];
	const char *name = "", *colon = "";
	char text[PRINTK_MESSAGE_MAX], *end;
	va_list args;

	va_start(args, fmt);
	if (!is_cont) {
		name = va_arg(args, const char *);
		colon = ": ";
	}
	end = rust_fmt_argument(text, text + sizeof(text) - 1,
				va_arg(args, const void *));
	va_end(args);
	/* It returns where all of it would end, as vsnprintf() counts. */
	*min(end, text + sizeof(text) - 1) = '\0';
	return _printk("%s%s%s%s", level, name, colon, text);
}
