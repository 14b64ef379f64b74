#!/bin/bash
# SPDX-License-Identifier: MIT
# Snapshots at any moment: every payload that ends by itself and prints the same each time, saved here and there and
# resumed. THOROUGH: all of them, at more moments, with 1 and 8 CPUs, too, and on more kinds of hosts.
. "$(dirname "$0")/tap.sh"

# on CPU GIC CPUS MOMENTS GUEST-CPUS [MORE]: on such a host, so many moments for each number of CPUs
on() {
	echo "moments=$4 cpus='$5' ${6-}" >"$work/settings"
	HOST_CPU=$1 HOST_GIC=$2 HOST_SMP=$3 try_cases moments-cases.sh "$1, GICv$2, $3 CPUs: " build/moment "$work/settings"
}

if [ -z "${THOROUGH-}" ]; then
	on cortex-a76 3 1 1 4 'part=0 parts=2'
else
	for gic in 2 3; do
		on cortex-a76 $gic 1 7 '1 4 8'
		on cortex-a76 $gic 4 2 '4 8'
	done
	on cortex-a57 2 1 2 '1 4'
	on cortex-a72 3 1 2 '1 4'
	on neoverse-n1 2 1 2 '1 4'
	on max,pauth-impdef=on 3 1 2 '1 4'
	on max,pauth-impdef=on,sve=off 2 1 2 '1 4'
	on max,pauth=off 3 1 2 '1 4'
fi
plan
