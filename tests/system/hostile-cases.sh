#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: monitors that are killed while the guest prints, and long runs.
# Prints "ok NAME" or "not ok NAME", and figures.
# shellcheck source=cases.sh
. /payloads/cases.sh

# ---- killed while the guest prints ----

# whole FILE: its lines are 1, 2, 3...; the last may be cut.
whole() {
	awk 'last != "" && last + 0 != NR - 1 { bad++ } { last = $0 } END { print bad + 0, (NR > 100) }' "$1"
}

for signal in TERM SEGV KILL; do
	for bytes in 500 1500 4000; do
		: >out # what the last one printed is not this one's
		unshare -p -f -m /bin/nestling /payloads/lines.bin >out 2>&1 </dev/null &
		# The monitor is the youngest; wherever it is when so much has come.
		until [ "$(wc -c <out)" -ge $bytes ] || ! kill -0 $!; do :; done
		kill -$signal "$(pidof nestling | tr ' ' '\n' | sort -n | tail -n 1)"
		wait $!
		is "SIG$signal after $bytes bytes: what was printed is there, PID 1 reports" \
			"$(sed 's/nestling:.*//; /^$/d' out >lines && whole lines) $(grep -o 'nestling: exit.*' out)" \
			"0 1 nestling: exit status $((128 + $(kill -l $signal)))"
		is "SIG$signal after $bytes bytes: PID 1 names what killed it" "$(grep -c "killed by signal .*(SIG$signal): [a-z]" out)" \
			"$([ $signal = TERM ]; echo $?)"
	done
done

# ---- long runs ----

# The most descriptors, mappings and KiB while a moment passes.
measure() {
	for _ in 1 2 3 4 5 6 7 8; do
		find /proc/$pid/fd -type l 2>/dev/null | wc -l
		wc -l </proc/$pid/maps
		awk '/^Rss/ { sum += $2 } END { print sum }' /proc/$pid/smaps
	done | awk '{ n = NR % 3; if ($1 > most[n]) most[n] = $1 } END { print most[1], most[2], most[0] }'
}

# grows NAME BEFORE AFTER: what each round left behind would be hundreds of times as much; a moment may fall into a
# reset or not, and a page here and there have been touched since.
grows() {
	echo "# long: $1: descriptors, mappings, KiB: $2, at the end $3"
	# shellcheck disable=SC2086 # three words each
	is "long: $1: no growth" "$(set -- $2 $3 && [ $(($4 - $1)) -le 4 ] && [ $(($5 - $2)) -le 4 ] &&
		[ $(($6 - $3)) -le 64 ]; echo $?)" 0
}

# long NAME LINES MARK ARGUMENT...: until so many lines with the mark have come out, and three before them.
long() {
	name=$1 lines=$2 mark=$3
	shift 3
	rm -f out && mkfifo out
	nestling -m 2M "$@" >out 2>err </dev/null &
	pid=$!
	exec 3<out
	grep -m 3 -a "$mark" <&3 >/dev/null
	before=$(measure)
	grep -m "$lines" -a "$mark" <&3 >/dev/null
	after=$(measure)
	kill -9 $pid
	exec 3<&-
	grows "$name" "$before" "$after"
	is "long: $name: the monitor says little" "$([ "$(wc -l <err)" -le 70 ]; echo $?)" 0
}
nestling --dump-dtb tree hello
long "${rounds:?} resets with initrd and device tree" "$rounds" start -i /payloads/status.bin --dtb tree /payloads/reset.bin
long "${rounds}0 lines printed" "${rounds}0" '' /payloads/lines.bin
long '8 CPUs in 4 storms' 4 seed -c 8 /payloads/storm.bin
