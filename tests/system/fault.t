#!/bin/bash
# SPDX-License-Identifier: MIT
# System calls that fail: fault-cases.sh in one boot. The outcomes are printed as a table on standard error.
. "$(dirname "$0")/tap.sh"

try_cases fault-cases.sh '' build/fault
echo "host fails: system call, times it was failed; then survived, survived with a message, refused" >&2
awk '$1 == "#" && $2 ~ /^[0-9]+$/ && $4 ~ /^(E|short)/ {
	for (i = 5; i <= NF; i += 2) { tried[$3]++; outcome[$3, $i]++ }
}
END {
	for (call in tried) printf "%-16s %4d %4d %4d %4d\n", call, tried[call], outcome[call, "same"],
		outcome[call, "said"], outcome[call, "refused"]
}' <<<"$stdout" | sort >&2

plan
