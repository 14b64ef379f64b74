#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest that is an enemy, and a monitor that dies: what the monitor has given up, storms on all CPUs, on one
# CPU of the host's and on four, kills in the middle of output, long runs. Figures of these go to standard error.
# QUICK: what it has given up.
. "$(dirname "$0")/tap.sh"

try_cases sandbox-cases.sh 'sandbox: ' build/fault
if [ -z "${QUICK-}" ]; then
	for cpus in 1 4; do
		HOST_SMP=$cpus try_cases storm-cases.sh "$cpus CPUs: "
	done
	try_cases hostile-cases.sh ''
	grep '^# long' <<<"$stdout" >&2
fi

plan
