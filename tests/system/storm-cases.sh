#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: payload storm on all CPUs at once.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

truncate -s 2M disk disk2
seeds='1 3 5'
[ "$(nproc)" -eq 1 ] || seeds='2 4 6'
for seed in $seeds; do
	set -- # without disks, then with one of each version, one of them not volatile
	[ "$seed" -le 4 ] || set -- -d disk -d disk2,volatile,legacy
	nestling -c 4 "$@" -a "$seed" /payloads/storm.bin >out 2>err </dev/null
	is "storm $seed: comes to its end" "$? $(tail -n 1 out)" '0 over'
	is "storm $seed: and the monitor says little" "$([ "$(wc -l <err)" -le 70 ]; echo $?)" 0
done
