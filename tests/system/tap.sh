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

# boot ARGUMENT...: qemu-run.sh, bounded; sets `status`, `stdout` and `stderr`.
# shellcheck disable=SC2034 # for the tests
boot() {
	status=0
	timeout -k 5 300 ./qemu-run.sh "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || status=$?
	stdout=$(cat "$work/stdout")
	stderr=$(cat "$work/stderr")
}
