# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# TAP for the system tests, and a bound on every QEMU they start. Sourced; the test ends with `plan`.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
unset MAKEFLAGS MAKELEVEL # of the make that runs the tests
tests=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report STATUS NAME: one line of TAP, good if STATUS is 0.
report() {
	tests=$((tests + 1))
	[ "$1" -eq 0 ] && echo "ok $tests - $2" || echo "not ok $tests - $2"
}

# skip NAME WHY
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

comment() {
	[ -z "$1" ] || printf '# %s\n' "${1//$'\n'/$'\n'# }"
}

# is NAME GOT WANTED
is() {
	[ "$2" = "$3" ]
	report $? "$1"
	[ "$2" = "$3" ] || comment "got: $2"$'\n'"wanted: $3"
}

# like NAME GOT REGULAR-EXPRESSION
like() {
	grep -qE -- "$3" <<<"$2"
	local status=$?
	report $status "$1"
	[ $status -eq 0 ] || comment "got: $2"$'\n'"wanted a match of: $3"
}

plan() {
	echo "1..$tests"
}

# cases OUTPUT PREFIX: reports every "ok NAME" and "not ok NAME" in what a script printed in the host.
cases() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) report 0 "$2${line#ok }" ;;
		'not ok '*) report 1 "$2${line#not ok }" ;;
		*) comment "$line" ;;
		esac
	done <<<"$1"
}

# What prints nothing for so many seconds hangs: ten times what the longest case takes on a slow machine.
silence=900

# bounded COMMAND...: the command, ended when it hangs.
bounded() {
	tests/system/limit.pl $silence "$@"
}

# boot ARGUMENT...: qemu-run.sh, bounded; sets `status`, `stdout` and `stderr`.
# shellcheck disable=SC2034 # for the tests
boot() {
	status=0
	bounded ./qemu-run.sh "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || status=$?
	stdout=$(cat "$work/stdout")
	# Whether it has to wait for that of another test depends on when that came.
	sed -i '/^qemu-run.sh: waits for another one/d' "$work/stderr"
	stderr=$(cat "$work/stderr")
}

# boot_counting ARGUMENT...: the same on a host whose clock counts instructions, one a nanosecond, and skips
# what all of it sleeps through: its times, and limits by them, do not depend on how busy this machine is.
boot_counting() {
	QEMU_EXTRA='-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01T00:00:00' boot "$@"
}

# try_cases SCRIPT PREFIX FILE...: boots a host that runs the script, and reports its cases.
try_cases() {
	local script=$1 prefix=$2
	shift 2
	if [ "${HOST_SMP:-1}" = 1 ]; then
		boot_counting --script "tests/system/$script" tests/system/cases.sh "$@"
	else # their clock is that of this machine, for only so do they run at the same time
		boot --script "tests/system/$script" tests/system/cases.sh "$@"
	fi
	is "${prefix}the host ends well" "$status$stderr" 0
	cases "$stdout" "$prefix"
}
