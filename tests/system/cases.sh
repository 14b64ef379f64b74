# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Functions for the scripts that run in the host, in the test rootfs, where it is packed and sourced. Their output
# goes to `cases` of tap.sh.
#
# Each nestling has its own limit against hangs, in seconds of the host. On a host with one CPU these count
# instructions (`boot_counting`), of which the longest case takes a tenth. With several CPUs they are seconds
# of the developer's machine, which may be busy; less than `silence` of tap.sh, so that what hangs is a case that
# fails, by its name.
cd /tmp || exit 1
limit=20 options=''
[ "$(nproc)" -eq 1 ] || limit=240
# Others, and what else a script takes, where the test has packed them; the options are every nestling's.
# shellcheck source=/dev/null
[ ! -e /payloads/settings ] || . /payloads/settings
mkdir bin
printf '#!/bin/sh\nexec timeout -s KILL %s /bin/nestling %s "$@"\n' $limit "$options" >bin/nestling
chmod +x bin/nestling
PATH=/tmp/bin:$PATH
: >typed

# random MAX: the next number from 1 to MAX, in `random`. It follows from `seed` alone.
# shellcheck disable=SC2034 # for the scripts
random() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	random=$((1 + $1 * (seed / 256) / 8388608))
}

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

# check NAME STATUS PATTERN COMMAND...: the command's status, and a pattern that all of its output matches.
check() {
	name=$1 want=$2 pattern=$3
	shift 3
	output=$("$@" 2>&1)
	got=$?
	# shellcheck disable=SC2254 # it is a pattern
	case $got:$output in
	$want:$pattern) report 0 "$name" ;;
	*)
		report 1 "$name"
		printf '%s\n' "status $got, wanted $want; wanted $pattern, got:" "$output" | sed 's/^/# /'
		;;
	esac
}

# prove NAME STATUS PATTERN ARGUMENT...: the same of nestling, whose guest reads `typed`.
prove() {
	name=$1 want=$2 pattern=$3
	shift 3
	check "$name" "$want" "$pattern" nestling "$@" <typed
}
