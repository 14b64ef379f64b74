#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: the guest's terminal. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# 16 KiB, four times what the monitor queues, of all bytes but Ctrl-D, which ends the payload.
dd if=/dev/urandom bs=1024 count=16 2>/dev/null | tr '\004' x >text
{ cat text && printf '\004'; } >typed
{ echo ready && cat text; } >wanted
# shellcheck disable=SC2002 # it shall be a pipe
cat typed | nestling /payloads/echo.bin >got
is '16 KiB by a pipe: status' $? 0
is '16 KiB by a pipe come back' "$(cmp wanted got 2>&1)" ''
# Input for a guest that empties the FIFO when it opens the port, and then polls; also more than is queued.
for options in '5000 --uart=fast -c 1' '500 --uart=plain -c 4'; do
	head -c "${options%% *}" text >text2
	{ cat text2 && printf '\004'; } >typed
	{ echo ready && cat text2; } >wanted
	# shellcheck disable=SC2002,SC2086 # it shall be a pipe; options are several
	cat typed | nestling ${options#* } /payloads/poll.bin >got
	is "bytes by a pipe, polled, $options: status" $? 0
	is "bytes by a pipe, polled, $options: come back" "$(cmp wanted got 2>&1)" ''
done
head -c 2000 text >text2
{ cat text2 && printf '\004'; } >typed
{ echo ready && cat text2; } >wanted
nestling -c 4 /payloads/echo.bin <typed >got
is 'a file comes back, with four CPUs' "$(cmp wanted got 2>&1)" ''

# The terminal's mode, here an unusual one, is restored whatever ends the monitor, and the parent says what has killed it.
stty -echo intr ^G
before=$(stty -g)
for signal in TERM SEGV KILL; do
	rm -f spinning
	(
		until [ -s spinning ]; do :; done
		# The younger of the two is the monitor, the other one its parent.
		kill -$signal "$(pidof nestling | tr ' ' '\n' | sort -n | tail -n 1)"
	) &
	nestling /payloads/spin.bin >spinning 2>err
	is "SIG$signal: the terminal is restored" "$? $(stty -g)" "$((128 + $(kill -l $signal))) $before"
	is "SIG$signal: the parent names what killed it" "$(grep -o 'killed by signal [0-9]*' err)" \
		"$([ $signal = TERM ] || echo "killed by signal $(kill -l $signal)")"
done
stty sane
