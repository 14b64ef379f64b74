#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: nestling as PID 1 of a namespace, and its descriptors.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

mkfifo line full
exec 5<>line
unshare -pfm /bin/nestling --stderr=/no/such --gdb=fd:5 hello </dev/null >out 2>err
is '--stderr cannot be opened: the descriptor of --gdb is kept' "$(cat out)" "$(/bin/nestling hello)
nestling: exit status 0"

# The device of --stderr stalls, but not the earlier standard error: SIGTERM ends the run all the same.
exec 6<>full
dd if=/dev/zero bs=4096 count=16 >&6 2>/dev/null
{ unshare -pfm /bin/nestling --stderr=/tmp/full /payloads/fault.bin </dev/null >out 2>/dev/null; : >ended; } &
until grep -qs reading out; do :; done
usleep 500000
kill -TERM "$(pidof nestling | tr ' ' '\n' | sort -n | head -n 1)"
for _ in $(seq 100); do
	[ ! -e ended ] || break
	usleep 100000
done
is 'nobody reads what --stderr names: SIGTERM ends' "$(grep -a exit out)" 'nestling: exit status 143'

# ---- a guest is asked to switch itself off before it is ended ----

# asked SIGNAL COMMAND...: in the background, sends its first process the signal once the guest is ready; then
# again, until it has ended, if SIGNAL ends with +. Its status is that of the command, and `out` and `err` what it
# printed.
asked() {
	signal=${1%+} again=${1#"$signal"}
	shift
	rm -f ended out
	{ "$@" </dev/null >out 2>err; echo $? >ended; } &
	until grep -qE "ready|spinning" out 2>/dev/null || [ -e ended ]; do :; done
	until [ -e ended ]; do
		pids=$(pidof nestling | tr ' ' '\n' | sort -n | head -n 1)
		[ -z "$pids" ] || kill -"$signal" "$pids" 2>/dev/null
		[ -n "$again" ] || break
		usleep 100000
	done
	wait $!
	return "$(cat ended)"
}

said() {
	tr '\n' ' ' <out | sed 's/ $//'
}

pid1() {
	unshare -pfm /bin/nestling "$@"
}
# A shell's background jobs ignore SIGINT.
for signal in TERM PWR; do
	asked $signal nestling /payloads/power.bin
	is "SIG$signal presses the power button, and the guest ends itself" "$? $(said)" '0 ready pressed'
done
for signal in TERM INT PWR; do
	asked $signal pid1 /payloads/power.bin
	is "SIG$signal to PID 1 does" "$(said)" 'ready pressed nestling: exit status 0'
done
is 'and says what it does' "$(cat err)" \
	'nestling: the guest is asked to switch itself off, and ended in 10 s if it does not'
asked TERM nestling --grace=2 -a 1 /payloads/power.bin
is 'a guest that ignores it is ended after the grace' "$? $(tail -n 1 err)" \
	'143 nestling: the guest has not switched itself off: ended'
asked PWR pid1 --grace=1 -a 1 /payloads/power.bin
is 'as it is as PID 1' "$(tail -n 1 out)" "nestling: exit status $((128 + 30))"
asked TERM nestling --grace=0 -a 1 /payloads/power.bin
is 'without a grace at once' "$? $(cat err)" '143 '
asked TERM+ nestling --grace=86400 -a 1 /payloads/power.bin
is 'a second signal ends it at once' "$?" 143
asked TERM nestling -a 2 /payloads/power.bin
is 'one that resets itself instead is ended' "$? $(cat out)" '143 ready'
asked TERM nestling -a 1 --grace=86400 /payloads/spin.bin
is 'one that has no driver for the button is ended at once' "$? $(cat err)" '143 '
nestling -a 1 --grace=1 /payloads/power.bin </dev/null >out 2>err &
until grep -qs ready out; do :; done
kill -INT "$(pidof nestling)"
kill -TERM "$(pidof nestling)"
wait $!
is 'an ignored SIGINT stays ignored' "$?" 143

# ---- what PID 1 does when the monitor fails ----

# failing COMMAND...: COMMAND in a namespace of its own, in the background, as $!; of its `out` and `err` `count`
# counts lines, and monitor is the process id of its monitor.
failing() {
	rm -f out
	pid1 "$@" </dev/null >out 2>err &
	until [ -e out ]; do usleep 100000; done
}
count() {
	grep -c "$1" out
}
monitor() {
	pidof nestling | tr ' ' '\n' | sort -n | tail -n 1
}

failing --on-failure=restart /payloads/spin.bin
for n in 1 2; do
	until [ "$(count spinning)" -eq $n ]; do usleep 100000; done
	kill -KILL "$(monitor)"
done
until [ "$(count spinning)" -eq 3 ]; do usleep 100000; done
kill -TERM "$(monitor)"
wait $!
is 'restart: the monitor SIGKILLed is forked anew, until somebody ends it' "$(said) $(grep -c 'SIGKILL' err)" \
	'spinning spinning spinning nestling: exit status 143 2'
is 'and waits longer each time' "$(sed -n 's/.*again in //p' err | tr '\n' ' ')" '1 s 2 s '

failing --on-failure=restart --no-reboot /payloads/reset.bin
until [ "$(count start)" -eq 3 ]; do usleep 100000; done
kill -TERM "$(pidof nestling | tr ' ' '\n' | sort -n | head -n 1)"
wait $!
like=$(said)
is "restart: a guest's panic is a reset, under --no-reboot; a signal ends the wait" "${like%[0-9][0-9]*}" \
	'start start start nestling: exit status '

failing --on-failure=reboot --no-reboot /payloads/reset.bin
wait $!
is 'reboot: PID 1 reboots the host' "$? $(said) $(head -n 1 err)" "$((128 + 1)) start nestling: exit status 76 \
nestling: the monitor has ended with status 76: the host reboots in 10 s"
failing --on-failure=reboot hello
wait $!
is 'but not when the guest has ended itself' "$? $(tail -n 1 out)" '130 nestling: exit status 0'
failing --no-reboot /payloads/reset.bin
wait $!
is 'off: PID 1 switches the host off' "$? $(said)$(cat err)" '130 start nestling: exit status 76'

# ---- --watchdog ----

failing --watchdog=2 -c 2 --on-failure=restart --grace=0 /payloads/power.bin
until [ "$(count ready)" -eq 1 ]; do usleep 100000; done
kill -STOP "$(monitor)"
until [ "$(count ready)" -eq 2 ]; do usleep 100000; done
sleep 10
kill -TERM "$(monitor)"
wait $!
is 'watchdog: an event loop that is stopped is killed, and one that turns is not' "$(said)" \
	'ready ready nestling: exit status 143'
is 'and says where it was' "$(sed 's/at 0x[0-9a-f]*/at/; s/;.*//' err)" \
	'nestling: the monitor has not answered for 2 s: killed (--watchdog)
nestling: the event loop does not turn, or a CPU does not answer: at of nestling
nestling: CPU 0: has answered
nestling: CPU 1: has answered
nestling: the monitor has ended with status 134: it is started again in 1 s'

date -s @1000000 >/dev/null
pid1 hello </dev/null >out 2>err
is "the host's clock is set from its RTC if the kernel has not done so" "$(cat err)$(date +%Y)" 2026

# PID 1 that mounts /dev itself, which is the same file system each time. mounting ARGUMENT...: sets `out` and `err`.
mounting() {
	unshare -pfm sh -c 'umount -l /dev; exec /bin/nestling "$@"' sh "$@" </dev/null >out 2>err
}
for n in 3 5; do
	rm -f /dev/nvme0-ns*
	mounting -a r0 -d /dev/nvme0-ns$n,ro /payloads/disk.bin
	is "the disk with the identifier $n" "$(grep '^read' out)$(cat err)" "read 0: disk $n"
done
is 'their numbers are others' "$(readlink /dev/nvme0-ns3) $(readlink /dev/nvme0-ns5)" '/dev/nvme0n1 /dev/nvme0n2'
mounting hello
is 'a link that is there already is reported' "$(cat err)" \
	'nestling: /dev/nvme0n1 and up: no links by identifier: EEXIST (exists already)'
rm /dev/nvme0-ns*
mknod /dev/nvme0n3 c 1 3 # /dev/null
mounting hello
is 'a device that does not tell its identifier is reported' "$(cat err)" \
	'nestling: /dev/nvme0n3 and up: no links by identifier: ENOTTY (inappropriate ioctl)'
