#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, which has one CPU: time as the guest sees it, and guests that show
# nothing. Prints "ok NAME" or "not ok NAME".
cd /tmp || exit 1

# shellcheck source=is.sh
. /payloads/is.sh

# ---- the time of day ----

timeout 60 nestling -a 3600 /payloads/rtc.bin >out 2>&1 &
until grep -q waiting out; do :; done
date -s "@$(($(date +%s) + 3600))" >/dev/null
wait $!
is 'an alarm follows the clock of the host when that is set' "$? $(tail -n 1 out)" '0 ok'

# ---- stolen time ----

# stolen CPUS: the least that a CPU lost of the second in which all were busy, in milliseconds.
stolen() {
	nestling -c "$1" /payloads/steal.bin | tr ' ' '\n' | sort -n | grep -m 1 '[0-9]'
}
is 'stolen time: 2 CPUs that share one each lose a good part' "$([ "$(stolen 2)" -ge 100 ]; echo $?)" 0
is 'stolen time: 4 CPUs that share one each lose a good part' "$([ "$(stolen 4)" -ge 200 ]; echo $?)" 0
