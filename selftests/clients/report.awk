# SPDX-License-Identifier: GPL-2.0
#
# Of guest.sh's lines, each with its kernel before them: TAP, and in the file
# TABLE= a table. A row fails if a case does not run, and if with the patch
# enabled fewer ends are told or more is left behind than without.
BEGIN { FS = " *[|] *" }
$2 ~ /^client / {
	name = substr($2, 8)
	row = $1 SUBSEP name
	if (!(row in known)) {
		known[row]
		rows[++n] = row
	}
	value[row, $3, $4] = $5
}
function worse(row, key) { return value[row, "enabled", key] + 0 > value[row, "disabled", key] + 0 }
function told(row, how) {
	return sprintf("%d of %d end; %d goroutines, %d inotify descriptors stay", value[row, how, "told"],
		value[row, how, "removed"], value[row, how, "left_threads"], value[row, how, "left_fds"])
}
END {
	printf "\n.. list-table::\n   :header-rows: 1\n\n" >TABLE
	printf "   * - Client\n     - Kernel\n     - By itself\n     - With rkernfs\n" >TABLE
	print "TAP version 13"
	print "1.." n
	for (i = 1; i <= n; i++) {
		row = rows[i]
		split(row, part, SUBSEP)
		why = ""
		for (how = 0; how < 2; how++)
			if (value[row, how ? "enabled" : "disabled", "status"] != "0")
				why = why " does not run"
		if (value[row, "enabled", "told"] + 0 < value[row, "disabled", "told"] + 0)
			why = why " tells fewer"
		if (value[row, "enabled", "told"] != value[row, "enabled", "removed"])
			why = why " does not tell all"
		if (worse(row, "left_fds") || worse(row, "left_threads"))
			why = why " leaves more"
		printf "%sok %d %s on %s%s\n", (why == "" ? "" : "not "), i, part[2], part[1],
			(why == "" ? "" : " #" why)
		failed += why != ""
		printf "   * - %s\n     - %s\n     - %s\n     - %s\n", part[2], part[1],
			told(row, "disabled"), told(row, "enabled") >TABLE
	}
	print "" >TABLE
	print n - failed " passed, " failed + 0 " failed"
	exit failed > 0
}
