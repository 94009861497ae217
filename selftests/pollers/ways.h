/* SPDX-License-Identifier: GPL-2.0 */
/* Ways to wait until a file has something to report */
#ifndef SELFTESTS_POLLERS_WAYS_H
#define SELFTESTS_POLLERS_WAYS_H

/*
 * Waits for POLLPRI of a file, in the one system call that sleeps, and returns
 * what came, as poll(2) has it, or -1 if it cannot be waited for so. There is no
 * timeout: when it expires, some check the file again, and find it removed.
 * select() reports an exception alone, POLLPRI; an exclusive waiter cannot ask
 * for that, and gets POLLERR alone.
 */
int wait_by_poll(int fd);
int wait_by_select(int fd);
int wait_by_epoll(int fd);
int wait_by_epoll_edge(int fd);
int wait_by_epoll_oneshot(int fd);
int wait_by_epoll_exclusive(int fd);
int wait_by_io_uring(int fd);
int wait_by_aio(int fd);

/* An epoll instance with the file in it, for EPOLLPRI, and with @flags; -1 */
int epoll_with(int fd, unsigned int flags);
/* What epoll_wait() has of the only file within that time; -1: for ever */
int take_epoll(int epoll, int timeout_ms);

#endif
