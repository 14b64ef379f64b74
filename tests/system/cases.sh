# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For the scripts that run in the host, in the test rootfs. Packed along, and sourced there. What they print
# goes to `cases` of tap.sh.
#
# Each nestling has a limit of its own against hangs, in seconds of the host. One with one CPU counts
# instructions (`boot_counting`), and the costliest case takes a tenth of that; time on those with several is that
# of the developer's machine, however busy it is.
cd /tmp || exit 1
limit=20
[ "$(nproc)" -eq 1 ] || limit=600
mkdir bin
printf '#!/bin/sh\nexec timeout -s KILL %s /bin/nestling "$@"\n' $limit >bin/nestling
chmod +x bin/nestling
PATH=/tmp/bin:$PATH

# report STATUS NAME
report() {
	[ "$1" -eq 0 ] && echo "ok $2" || echo "not ok $2"
}

# is NAME GOT WANTED
is() {
	[ "$2" = "$3" ]
	report $? "$1"
	[ "$2" = "$3" ] || printf 'got: %s\nwanted: %s\n' "$2" "$3" | head -c 1000 | sed 's/^/# /'
}
