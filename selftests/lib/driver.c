// SPDX-License-Identifier: GPL-2.0
#include "driver.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.h"

static bool insert(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = !syscall(SYS_finit_module, fd, parameters, 0);
	close(fd);
	return ok;
}

static bool insert_beside_program(const char *name, const char *parameters)
{
	char program[PATH_MAX], path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len <= 0)
		return false;
	program[len] = '\0';
	return insert(format_path(path, "%.3900s/%s.ko", dirname(program), name), parameters);
}

static bool insert_of_guest(const char *name, const char *parameters)
{
	char path[PATH_MAX];

	return insert(format_path(path, "/lib/modules/%s.ko", name), parameters);
}

static bool modprobe(const char *name, const char *parameters)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		/* An empty parameter is none. */
		execlp("modprobe", "modprobe", name, parameters[0] ? parameters : NULL, NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

bool load_driver(const char *name, const char *parameters, const char *file)
{
	return (file && insert(file, parameters)) || insert_beside_program(name, parameters) ||
	       insert_of_guest(name, parameters) || modprobe(name, parameters);
}
