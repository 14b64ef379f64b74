#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: guests that storm on all their CPUs at once.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

for seed in 1 2 3 4 5 6; do
	nestling -c 4 -a $seed /payloads/storm.bin >out 2>err </dev/null
	is "storm $seed: comes to its end" "$? $(tail -n 1 out)" '0 over'
	is "storm $seed: and the monitor says little" "$([ "$(wc -l <err)" -le 70 ]; echo $?)" 0
done
