// SPDX-License-Identifier: GPL-2.0
/*
 * What src/removal/final_text.rs needs of C: the file operations of a removed
 * file whose last text can be read yet, kernfs's lock of open files, and memory
 * that is charged to another task.
 *
 * A file gets other operations while it is open. Where its former ones are under
 * way meanwhile, they see a removed file, and fail. The new ones have an owner,
 * which __fput() puts with the file (fops_put()): until then they, and so the
 * module, are there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/static_call.h>
#include <linux/uio.h>

#include "compat.h"
#include "shim.h"

static bool final_events;
module_param(final_events, bool, 0644);
MODULE_PARM_DESC(final_events, "tasks that have a removed cgroup's *.events file open read its last text, not ENODEV (default N)");

bool rkernfs_keeps_final_events(void)
{
	return READ_ONCE(final_events);
}

/* of kernfs, and those with a last text */
static const struct file_operations *former_ops;
static struct file_operations final_ops __ro_after_init;

/* kernfs_locks: one of these protects the open files of a node */
static struct mutex *open_file_mutex;

/* Which memory cgroup an object is charged to; there is none without CONFIG_MEMCG. */
struct mem_cgroup *mem_cgroup_of(void *object);
DEFINE_STATIC_CALL_NULL(memcg_of, mem_cgroup_of);
static bool has_memcg;

/* The text, where kernfs has the buffer of files that are no seq_file, and frees it */
struct final_text {
	size_t len;
	char text[];
};

static const struct final_text *text_of(struct file *file)
{
	struct kernfs_open_file *of = ((struct seq_file *)file->private_data)->private;

	/* Pairs with the release in rkernfs_set_final_text(): the operations came last. */
	smp_rmb();
	return (const struct final_text *)READ_ONCE(of->prealloc_buf);
}

static ssize_t final_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	const struct final_text *text = text_of(iocb->ki_filp);
	size_t left, copied;

	if (iocb->ki_pos >= text->len || !iov_iter_count(to))
		return 0;
	left = min(text->len - (size_t)iocb->ki_pos, iov_iter_count(to));
	copied = copy_to_iter(text->text + iocb->ki_pos, left, to);
	iocb->ki_pos += copied;
	return copied ?: -EFAULT;
}

static loff_t final_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence, text_of(file)->len);
}

int rkernfs_final_init(void)
{
	struct kernfs_global_locks **locks = (void *)rkernfs_address_of("kernfs_locks");
	void *memcg = (void *)rkernfs_address_of("mem_cgroup_from_virt");

	former_ops = (void *)rkernfs_address_of("kernfs_file_fops");
	if (!locks || !former_ops) {
		pr_err("this kernel has no kernfs_locks or kernfs_file_fops (is CONFIG_KALLSYMS_ALL on?)\n");
		return -ENOENT;
	}
	open_file_mutex = (struct mutex *)*locks;
	/* as it was called before */
	if (!memcg)
		memcg = (void *)rkernfs_address_of("mem_cgroup_from_slab_obj");
	if (memcg) {
		static_call_update(memcg_of, memcg);
		has_memcg = true;
	}
	final_ops = *former_ops;
	final_ops.owner = THIS_MODULE;
	final_ops.read_iter = final_read_iter;
	final_ops.llseek = final_llseek;
	return 0;
}

/* kernfs_open_file_mutex_ptr() */
static struct mutex *mutex_of(struct kernfs_node *kn)
{
	return &open_file_mutex[hash_ptr(kn, NR_KERNFS_LOCK_BITS)];
}

void rkernfs_open_files_lock(struct kernfs_node *kn)
{
	mutex_lock(mutex_of(kn));
}

void rkernfs_open_files_unlock(struct kernfs_node *kn)
{
	mutex_unlock(mutex_of(kn));
}

/* The next open file of a node, under its lock: NULL starts and ends it */
struct kernfs_open_file *rkernfs_next_open_file(struct kernfs_node *kn,
						struct kernfs_open_file *of)
{
	struct kernfs_open_node *on = rcu_dereference_protected(kn->attr.open, true);
	struct list_head *next;

	if (!on)
		return NULL;
	next = of ? of->list.next : on->files.next;
	return next == &on->files ? NULL :
	       list_entry(next, struct kernfs_open_file, list);
}

/*
 * Whether its text can be kept: a reader's, as a writer would use the buffer; in
 * cgroup2. Not after another remover released it: that may have returned, and
 * what the file shows may be freed.
 */
bool rkernfs_may_have_final_text(struct kernfs_open_file *of)
{
	const struct kernfs_ops *ops = of->kn->attr.ops;
	struct file *file = of->file;

	return !of->released && file->f_op == former_ops &&
	       !(file->f_mode & FMODE_WRITE) && !of->prealloc_buf &&
	       ops->seq_show && !ops->seq_start &&
	       file_inode(file)->i_sb->s_magic == CGROUP2_SUPER_MAGIC;
}

/*
 * What reading the file would show, without its own struct seq_file, which a
 * reader may hold. Length, or less than 0.
 */
long rkernfs_show_file(struct kernfs_open_file *of, char *text, size_t size)
{
	struct seq_file m = {
		.buf = text,
		.size = size,
		.file = of->file,
		.private = of,
	};
	int ret = of->kn->attr.ops->seq_show(&m, SEQ_START_TOKEN);

	return ret || seq_has_overflowed(&m) ? -1 : (long)m.count;
}

/* Charged to the opener of the file; does not wait for memory. */
static struct final_text *alloc_text(struct file *holder, size_t len)
{
	gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct mem_cgroup *memcg, *former;
	struct final_text *text;

	rcu_read_lock();
	memcg = has_memcg ? static_call(memcg_of)(holder) : NULL;
	if (memcg) {
		former = set_active_memcg(memcg);
		text = kmalloc(struct_size(text, text, len), gfp | __GFP_ACCOUNT);
		set_active_memcg(former);
	} else {
		text = kmalloc(struct_size(text, text, len), gfp);
	}
	rcu_read_unlock();
	return text;
}

/* Gives the file its last text, which is freed with it; under the lock of open files. */
void rkernfs_set_final_text(struct kernfs_open_file *of, const char *last,
			    size_t len)
{
	struct final_text *text = alloc_text(of->file, len);

	if (!text)
		return;
	text->len = len;
	memcpy(text->text, last, len);
	/* Before the last close, which has to wait for the lock */
	__module_get(THIS_MODULE);
	of->prealloc_buf = (char *)text;
	/* A task that sees the operations sees the text: text_of(). */
	smp_store_release(&of->file->f_op, &final_ops);
}
