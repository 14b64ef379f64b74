#!/bin/bash
# SPDX-License-Identifier: MIT
# qemu-run.sh --demo resume: demo-resume.sh [ARGUMENT]... boots Linux in the guest, with these arguments, saves it at
# its prompt, resumes it and types a command. Says how long both took from the guest's start on. The snapshot
# stays in build/demo.snap until the next demo.
set -euo pipefail
export LC_ALL=C
top=$(dirname "$(realpath "$0")")/..
snapshot=$top/build/demo.snap
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkfifo "$work/keys" "$work/output"
export READY_FILE=$work/ready # host-console.pl makes it when the guest is about to start

# wait_for TEXT: prints what the guest prints until the text has come.
wait_for() {
	local seen='' byte
	while [[ $seen != *"$1" ]]; do
		IFS= read -r -u 5 -n 1 -d '' byte || return 1
		printf %s "$byte"
		seen+=$byte
	done
}

# run TEXT KEYS LAST-KEYS ARGUMENT...: runs qemu-run.sh, types KEYS, and when the text has come LAST-KEYS. Sets `time`
# to the seconds from the guest's start to the text.
run() {
	local text=$1 keys=$2 last_keys=$3 child status=0 ms
	shift 3
	rm -f "$READY_FILE"
	"$top/qemu-run.sh" "$@" <"$work/keys" >"$work/output" &
	child=$!
	exec 4>"$work/keys" 5<"$work/output"
	printf %s "$keys" >&4
	if wait_for "$text"; then
		ms=$((($(date +%s%N) - $(date -r "$READY_FILE" +%s%N)) / 1000000))
		time=$((ms / 1000)).$(printf %03d $((ms % 1000)))
		printf %s "$last_keys" >&4
	fi
	cat <&5
	exec 4>&- 5<&-
	wait "$child" || status=$?
	[ $status -eq 0 ] || exit $status
}

run '/ # ' '' $'\001w' --demo linux --save "$snapshot" --save-at=end "$@"
booted=$time
# shellcheck disable=SC2016 # the guest's shell expands it
run 'since it booted' $'echo "$(uname -sr), $(cut -d. -f1 /proc/uptime) s" since it boo""ted\n' \
	$'\npoweroff\n' --quiet "$snapshot"
echo "demo: from the guest's start to the prompt of Linux $booted s; from the snapshot to the answer $time s" >&2
