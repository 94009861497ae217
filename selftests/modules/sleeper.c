// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/sleeper, for selftests/company.c: a reader of "file" sleeps until
 * "wake" is written, and so does whoever removes "file", by writing to "remove".
 * For self_removal.c, a write to "own" removes that file from within; with "later",
 * it sleeps first. For superblocks.c, a write to "wake" notifies that file.
 */
#include <linux/completion.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>

MODULE_DESCRIPTION("A sysfs file whose reader sleeps, for tests");
MODULE_LICENSE("GPL");

static struct kobject *dir;
static DECLARE_COMPLETION(woken);

static ssize_t file_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	wait_for_completion(&woken);
	return sysfs_emit(buf, "awake\n");
}

static struct kobj_attribute file_attr = __ATTR_RO(file);

static ssize_t remove_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			    size_t count)
{
	sysfs_remove_file(kobj, &file_attr.attr);
	return count;
}

static struct kobj_attribute remove_attr = __ATTR_WO(remove);

static ssize_t wake_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			  size_t count)
{
	complete_all(&woken);
	sysfs_notify(kobj, NULL, attr->attr.name);
	return count;
}

static struct kobj_attribute wake_attr = __ATTR_WO(wake);

static ssize_t own_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			 size_t count)
{
	if (sysfs_streq(buf, "later"))
		wait_for_completion(&woken);
	return sysfs_remove_file_self(kobj, &attr->attr) ? count : -ENODEV;
}

static struct kobj_attribute own_attr = __ATTR(own, 0600, file_show, own_store);

static struct attribute *attrs[] = {
	&file_attr.attr,
	&remove_attr.attr,
	&wake_attr.attr,
	&own_attr.attr,
	NULL
};

static const struct attribute_group group = { .attrs = attrs };

static int __init sleeper_init(void)
{
	int ret;

	dir = kobject_create_and_add("sleeper", kernel_kobj);
	if (!dir)
		return -ENOMEM;
	ret = sysfs_create_group(dir, &group);
	if (ret)
		kobject_put(dir);
	return ret;
}

static void __exit sleeper_exit(void)
{
	kobject_put(dir);
}

module_init(sleeper_init);
module_exit(sleeper_exit);
