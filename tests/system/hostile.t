#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest that is an enemy, and a monitor that dies: what the monitor has given up, storms on all CPUs, on one
# CPU of the host's and on four, kills in the middle of output, long runs. Figures of these go to standard error.
# QUICK: what it has given up, and storms on one CPU of the host's. THOROUGH: with longer runs.
. "$(dirname "$0")/tap.sh"

try_cases sandbox-cases.sh 'sandbox: ' build/fault
try_cases storm-cases.sh '1 CPUs: '
if [ -z "${QUICK-}" ]; then
	HOST_SMP=4 try_cases storm-cases.sh '4 CPUs: '
	[ "${THOROUGH-}" ] && rounds=1000 || rounds=100
	echo "rounds=$rounds" >"$work/settings"
	try_cases hostile-cases.sh '' "$work/settings"
	grep '^# long' <<<"$stdout" >&2
fi

plan
