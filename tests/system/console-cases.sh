#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: the guest's terminal. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# 16 KiB, four times what waits in the monitor, of any byte but Ctrl-D, which ends the payload.
dd if=/dev/urandom bs=1024 count=16 2>/dev/null | tr '\004' x >text
{ cat text && printf '\004'; } >typed
{ echo ready && cat text; } >wanted
# shellcheck disable=SC2002 # it shall be a pipe
cat typed | nestling /payloads/echo.bin >got
report $? '16 KiB by a pipe: status'
cmp wanted got
report $? '16 KiB by a pipe come back'
# To a guest that empties the FIFO when it opens the port, and polls; also more than is read ahead.
for options in '5000 --uart=fast -c 1' '500 --uart=plain -c 4'; do
	head -c "${options%% *}" text >text2
	{ cat text2 && printf '\004'; } >typed
	{ echo ready && cat text2; } >wanted
	# shellcheck disable=SC2002,SC2086 # it shall be a pipe; options are several
	cat typed | nestling ${options#* } /payloads/poll.bin >got
	report $? "bytes by a pipe, polled, $options: status"
	cmp wanted got
	report $? "bytes by a pipe, polled, $options: come back"
done
head -c 2000 text >text2
{ cat text2 && printf '\004'; } >typed
{ echo ready && cat text2; } >wanted
nestling -c 4 /payloads/echo.bin <typed >got
cmp wanted got
report $? 'a file comes back, with four CPUs'

# The terminal is what it was, whatever ends the monitor. It starts out unusual.
stty -echo intr ^G
before=$(stty -g)
for signal in TERM SEGV KILL; do
	rm -f spinning
	(
		until [ -s spinning ]; do :; done
		# The younger of the two is the monitor, the other one its parent.
		kill -$signal "$(pidof nestling | tr ' ' '\n' | sort -n | tail -n 1)"
	) &
	nestling /payloads/spin.bin >spinning
	status=$?
	[ "$(stty -g)" = "$before" ]
	report $? "SIG$signal: the terminal is restored (status $status)"
done
stty sane

# 100 starts in one process: descriptors, mappings and anonymous memory after the 1st and the last.
mkfifo starts
nestling -m 2M /payloads/reset.bin </dev/null >starts &
pid=$!
exec 3<starts
# The most of each that is seen while it starts again and again.
measure() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		find "/proc/$pid/fd" -type l | wc -l
		wc -l <"/proc/$pid/maps"
		awk '/^Rss/ { sum += $2 } END { print sum }' "/proc/$pid/smaps"
	done | awk '{ n = NR % 3; if ($1 > most[n]) most[n] = $1 }
		END { print most[1], most[2], most[0] }'
}
read -r line <&3
first=$(measure)
i=1
while [ $i -lt 100 ] && read -r line <&3; do i=$((i + 1)); done
last=$(measure)
kill -9 $pid
[ "$i $line" = "100 start" ]
report $? '100 resets'
# A moment may fall into a reset or not, and a page here and there have been touched since.
# shellcheck disable=SC2086 # three words each
set -- $first $last
[ $(($4 - $1)) -le 4 ] && [ $(($5 - $2)) -le 4 ] && [ $(($6 - $3)) -le 64 ]
report $? '100 resets: no growth'
echo "# descriptors, mappings, KiB after 1: $first; after 100: $last"
