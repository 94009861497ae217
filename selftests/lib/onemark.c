// SPDX-License-Identifier: GPL-2.0
#include "onemark.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open_fanotify(unsigned int report)
{
	return fanotify_init(FAN_CLASS_NOTIF | report | FAN_UNLIMITED_QUEUE | FAN_NONBLOCK |
			     FAN_CLOEXEC, 0);
}

/* kernfs and the generic encoding both begin a handle with the inode number. */
static uint64_t ino_of(const struct file_handle *handle)
{
	uint64_t ino;

	memcpy(&ino, handle->f_handle, sizeof(ino));
	return ino;
}

static struct node_event node_event_of(const struct fanotify_event_metadata *event)
{
	struct node_event named = { .mask = event->mask };
	const char *pos = (const char *)event + event->metadata_len;
	const char *end = (const char *)event + event->event_len;

	while (pos < end) {
		const struct fanotify_event_info_fid *info = (const void *)pos;
		const struct file_handle *handle = (const void *)info->handle;

		if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
			named.dir = ino_of(handle);
			named.name = (const char *)handle->f_handle + handle->handle_bytes;
		} else {
			named.node = ino_of(handle);
		}
		pos += info->hdr.len;
	}
	return named;
}

int read_fanotify(int fd, void (*take)(const struct node_event *named, void *arg), void *arg)
{
	_Alignas(struct fanotify_event_metadata) char buf[8192];
	struct fanotify_event_metadata *event;
	ssize_t len;
	int nr = 0;

	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		event = (void *)buf;
		for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len), nr++) {
			struct node_event named = node_event_of(event);

			take(&named, arg);
		}
	}
	return nr;
}

/*
 * The kernel deals out the lower halves of numbers in turn: they are an index.
 * A new node has a new number. 0: not one of the program's.
 */
static int *meanings;
static uint32_t nr_meanings;

void learn_node(uint64_t node, int means)
{
	uint32_t at = node;

	if (at >= nr_meanings) {
		uint32_t size = at + at / 2 + 1024;

		meanings = realloc(meanings, size * sizeof(*meanings));
		memset(meanings + nr_meanings, 0, (size - nr_meanings) * sizeof(*meanings));
		nr_meanings = size;
	}
	meanings[at] = means + 1;
}

int find_node(uint64_t node)
{
	return (uint32_t)node < nr_meanings ? meanings[(uint32_t)node] - 1 : -1;
}
