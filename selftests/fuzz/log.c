// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log: a line that matches $REPORTS is a finding. A data race is
 * one only if the module is in its report, which ends with a line of =.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int kmsg = -1;
static regex_t reports;

static struct {
	bool open, ours;
	char head[256];
} race;

void open_log(void)
{
	const char *pattern = getenv("REPORTS");

	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kmsg, 0, SEEK_END);
	if (!pattern || regcomp(&reports, pattern, REG_EXTENDED | REG_NOSUB)) {
		close(kmsg);
		kmsg = -1;
	}
}

static bool ends_race(const char *line)
{
	race.ours |= strstr(line, "[rkernfs]") != NULL;
	if (strncmp(line, "=====", 5))
		return false;
	race.open = false;
	if (race.ours)
		printf("# the kernel reports: %s\n", race.head);
	return race.ours;
}

static bool is_report(const char *line)
{
	if (race.open)
		return ends_race(line);
	if (regexec(&reports, line, 0, NULL, 0))
		return false;
	race.open = strstr(line, "BUG: KCSAN");
	race.ours = false;
	snprintf(race.head, sizeof(race.head), "%s", line);
	if (!race.open)
		printf("# the kernel reports: %s\n", line);
	return !race.open;
}

bool log_reports(void)
{
	char record[8192], *line;
	bool found = false;
	ssize_t len;

	while (kmsg >= 0 && (len = read(kmsg, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		record[strcspn(record, "\n")] = '\0';
		line = strchr(record, ';');
		found |= line && is_report(line + 1);
	}
	return found;
}
