// SPDX-License-Identifier: GPL-2.0
/*
 * Parameters of the pseudo file system. cover is in livepatch.c.
 */
#include <linux/module.h>

#include "shim.h"

static unsigned int max_objects = 1 << 17;
module_param(max_objects, uint, 0644);
MODULE_PARM_DESC(max_objects, "how many objects the rkernfs file system may have (default 131072)");

unsigned int rkernfs_max_objects(void)
{
	return READ_ONCE(max_objects);
}
