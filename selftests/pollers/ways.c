// SPDX-License-Identifier: GPL-2.0
#include "ways.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

int wait_by_poll(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };

	return poll(&pollfd, 1, -1) < 0 ? -1 : pollfd.revents;
}

int wait_by_select(int fd)
{
	fd_set exceptions;

	FD_ZERO(&exceptions);
	FD_SET(fd, &exceptions);
	return select(fd + 1, NULL, NULL, &exceptions, NULL) == 1 ? POLLPRI : -1;
}

int epoll_with(int fd, unsigned int flags)
{
	/* epoll_ctl(2) takes no EPOLLPRI with EPOLLEXCLUSIVE. */
	struct epoll_event event = {
		.events = flags | (flags & EPOLLEXCLUSIVE ? EPOLLERR : EPOLLPRI),
	};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
		close(epoll);
		return -1;
	}
	return epoll;
}

int take_epoll(int epoll, int timeout_ms)
{
	struct epoll_event event;
	int nr = epoll_wait(epoll, &event, 1, timeout_ms);

	return nr <= 0 ? nr : (int)event.events;
}

static int wait_epoll(int fd, unsigned int flags)
{
	int epoll = epoll_with(fd, flags), events;

	if (epoll < 0)
		return -1;
	events = take_epoll(epoll, -1);
	close(epoll);
	return events;
}

int wait_by_epoll(int fd)
{
	return wait_epoll(fd, 0);
}

int wait_by_epoll_edge(int fd)
{
	return wait_epoll(fd, EPOLLET);
}

int wait_by_epoll_oneshot(int fd)
{
	return wait_epoll(fd, EPOLLONESHOT);
}

int wait_by_epoll_exclusive(int fd)
{
	return wait_epoll(fd, EPOLLEXCLUSIVE);
}

/* io_uring, without its library: one entry, which is one poll */

struct ring {
	int fd;
	void *queues;
	size_t size;
	struct io_uring_sqe *entry;
	struct io_uring_params params;
};

static uint32_t *word(struct ring *ring, uint32_t offset)
{
	return (uint32_t *)((char *)ring->queues + offset);
}

static int open_ring(struct ring *ring)
{
	const int prot = PROT_READ | PROT_WRITE;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0)
		return -1;
	ring->size = ring->params.cq_off.cqes +
		     ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = mmap(NULL, ring->size, prot, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->entry = mmap(NULL, sizeof(*ring->entry), prot, MAP_SHARED, ring->fd,
			   IORING_OFF_SQES);
	return ring->queues == MAP_FAILED || ring->entry == MAP_FAILED ? -1 : 0;
}

static void close_ring(struct ring *ring)
{
	munmap(ring->queues, ring->size);
	munmap(ring->entry, sizeof(*ring->entry));
	close(ring->fd);
}

static int submit_and_wait(struct ring *ring)
{
	*word(ring, ring->params.sq_off.array) = 0;
	__atomic_store_n(word(ring, ring->params.sq_off.tail), 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

int wait_by_io_uring(int fd)
{
	const struct io_uring_cqe *done;
	struct ring ring;
	int events = -1;

	if (open_ring(&ring))
		return -1;
	*ring.entry = (struct io_uring_sqe) {
		.opcode = IORING_OP_POLL_ADD,
		.fd = fd,
		.poll32_events = POLLPRI,
	};
	if (submit_and_wait(&ring) == 1 &&
	    __atomic_load_n(word(&ring, ring.params.cq_off.tail), __ATOMIC_ACQUIRE)) {
		done = (const struct io_uring_cqe *)word(&ring, ring.params.cq_off.cqes);
		events = done->res;
	}
	close_ring(&ring);
	return events;
}

/* Asynchronous I/O of old, whose poll is a command like another */

int wait_by_aio(int fd)
{
	struct iocb poll = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = fd,
		.aio_buf = POLLPRI,
	}, *polls = &poll;
	aio_context_t context = 0;
	struct io_event event;
	int nr = 0;

	if (syscall(SYS_io_setup, 1, &context))
		return -1;
	if (syscall(SYS_io_submit, context, 1, &polls) == 1)
		nr = syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
	syscall(SYS_io_destroy, context);
	return nr == 1 ? event.res : -1;
}
