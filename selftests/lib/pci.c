// SPDX-License-Identifier: GPL-2.0
#include "pci.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

static const char * const expendable[][2] = {
	{ "0x1b36\n", "0x0005\n" },	/* QEMU's test device */
	{ "0x1234\n", "0x1111\n" },	/* its VGA */
};

static bool is_expendable(const char *device)
{
	char path[PATH_MAX], vendor[16] = "", id[16] = "";

	read_text(format_path(path, "%.4000s/vendor", device), vendor, sizeof(vendor));
	read_text(format_path(path, "%.4000s/device", device), id, sizeof(id));
	if (exists(format_path(path, "%.4000s/driver", device)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(expendable); i++)
		if (!strcmp(vendor, expendable[i][0]) && !strcmp(id, expendable[i][1]))
			return true;
	return false;
}

const char *expendable_pci(void)
{
	static char device[PATH_MAX];
	glob_t found;

	if (device[0] || glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		return device[0] ? device : NULL;
	for (size_t i = 0; i < found.gl_pathc && !device[0]; i++)
		if (is_expendable(found.gl_pathv[i]) && !realpath(found.gl_pathv[i], device))
			device[0] = '\0';
	globfree(&found);
	return device[0] ? device : NULL;
}

bool rescan_pci(void)
{
	return write_text("/sys/bus/pci/rescan", "1");
}
