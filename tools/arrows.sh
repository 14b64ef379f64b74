#!/bin/sh
# SPDX-License-Identifier: MIT
# Do the directories include only what they may? Prints every #include "..." that points elsewhere than
# the table below allows, and fails if there is one. Who runs it: make check.
set -eu
cd "$(dirname "$0")/.."

# What each directory may include beside its own files; "base" is what all of vmm/ shares: messages,
# options, the type of an address, and the memory map.
git grep -n '^#include "' -- 'crt/*.[chS]' 'devices/*.[chS]' 'vmm/*.[chS]' | awk -F '[:"]' '
BEGIN {
	may["crt"] = ""
	may["devices"] = ""
	may["base"] = "crt"
	may["vmm/host"] = "crt base"
	may["vmm/kvm"] = "crt base"
	may["vmm/machine"] = may["vmm/host"] " devices vmm/host vmm/kvm"
	may["vmm/load"] = may["vmm/machine"] " vmm/machine"
	may["vmm/debug"] = may["vmm/load"] " vmm/load"
	may["vmm"] = may["vmm/debug"] " vmm/debug"

	# These do not follow the table yet: console and event loop still know the machine that they serve.
	split("console.c:vmm/debug/dump.h console.c:vmm/debug/stats.h console.c:vmm/kvm/kvm.h " \
		"console.h:devices/pl011.h console.h:vmm/machine/run.h event_loop.c:vmm/debug/gdb.h " \
		"event_loop.h:devices/device.h event_loop.h:vmm/machine/run.h outlet.h:vmm/machine/run.h", list, " ")
	for (i in list)
		known["vmm/host/" list[i]]
	known["vmm/report.c:vmm/host/outlet.h"]
}
function directory(path) {
	if (path ~ /^vmm\/((report|status|options|gpa)\.[ch]|machine\/map\.h)$/)
		return "base"
	sub(/\/[^\/]*$/, "", path)
	return path
}
{
	from = directory($1)
	to = $4 ~ /\// ? directory($4) : directory(substr($1, 1, match($1, /[^\/]*$/) - 1) $4)
	if (from == to || index(" " may[from] " ", " " to " ") || ($1 ":" $4) in known)
		next
	printf "%s:%s: %s may not include \"%s\"\n", $1, $2, from, $4
	bad = 1
}
END { exit bad }'
