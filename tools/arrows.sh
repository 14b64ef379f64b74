#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks which directories include headers of which. Prints every #include "..." that the table below
# does not allow, and fails if there is one. Run by make check.
set -eu
cd "$(dirname "$0")/.."

# The directories whose headers each directory may include beside its own. "base" is what all of vmm/
# shares: messages and outlets, options, memory, the type of an address, and the memory map.
git grep -n '^#include "' -- 'crt/*.[chS]' 'devices/*.[chS]' 'vmm/*.[chS]' | awk -F '[:"]' '
BEGIN {
	may["crt"] = ""
	may["devices"] = ""
	may["base"] = "crt"
	may["vmm/host"] = "crt base"
	may["vmm/kvm"] = "crt base"
	may["vmm/machine"] = may["vmm/host"] " devices vmm/host vmm/kvm"
	may["vmm/load"] = may["vmm/machine"] " vmm/machine"
	may["vmm/snapshot"] = may["vmm/load"] " vmm/load"
	may["vmm/debug"] = may["vmm/snapshot"] " vmm/snapshot"
	may["vmm"] = may["vmm/debug"] " vmm/debug"
}
function directory(path) {
	if (path ~ /^vmm\/((report|status|options|gpa|outlet|pages|wake)\.[ch]|machine\/map\.h)$/)
		return "base"
	sub(/\/[^\/]*$/, "", path)
	sub(/^devices\/virtio$/, "devices", path)
	return path
}
{
	from = directory($1)
	to = $4 ~ /\// ? directory($4) : directory(substr($1, 1, match($1, /[^\/]*$/) - 1) $4)
	if (from == to || index(" " may[from] " ", " " to " "))
		next
	printf "%s:%s: %s may not include \"%s\"\n", $1, $2, from, $4
	bad = 1
}
END { exit bad }'
