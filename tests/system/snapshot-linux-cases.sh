#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: Linux is saved at its prompt, with two CPUs, and goes on.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
# Linux drops what its UART has not sent yet, and since 6.5 sends later if the UART slept; stty waits for it.
off='stty -opost; poweroff -f'
mkfifo keys
/bin/nestling -m 256 -c 2 --save warm.snap -i /payloads/guest-rootfs.cpio \
	-a 'console=ttyAMA0 quiet cryptomgr.notests rcupdate.rcu_expedited=1' /payloads/vmlinuz* <keys >got 2>errors &
exec 3>keys
until grep -qs '/ #' got; do usleep 10000; done
kill -USR1 $!
until grep -qs '^nestling: saved' errors; do usleep 10000; done
echo "$off" >&3
wait $!
is 'saved at its prompt' "$? $(grep -c '^nestling: saved' errors)" '0 1'
exec 3>&-
sed 's/^/# /' errors

# command TEXT: what it prints when it is resumed.
command() {
	printf '%s\n' "$1" "$off" | nestling warm.snap 2>&1 | tr -d '\r' | sed -n 2p
}

is 'it answers' "$(command 'expr 6 \* 7')" 42
is 'with both CPUs' "$(command 'grep -c ^processor /proc/cpuinfo')" 2
date -s "@$(($(date +%s) + 7200))" >/dev/null
late=$(($(command 'cat /sys/class/rtc/rtc0/since_epoch') - $(date +%s)))
[ $late -gt -60 ] && [ $late -le 0 ]
report $? "two hours later its RTC has the right time: off by $late s"
case $(echo /payloads/vmlinuz*) in
*-6.1.*) ;; # it does not know of it
*)
	is 'it knows that it was resumed' "$(command 'dmesg | grep -c "reseeded due to virtual machine fork"')" 1
	is 'two have other random numbers' \
		"$(for _ in 1 2; do command 'head -c 16 /dev/urandom | md5sum'; done | grep -E '^[0-9a-f]{32} ' | sort -u | wc -l)" 2
	;;
esac
size=$(du -k warm.snap | cut -f 1)
[ "$size" -lt 51200 ]
report $? "it takes less than 50 MiB: $size KiB"

printf '%s\n' 'echo mem >/sys/power/state && echo a"wake"' "$off" | nestling --save mem.snap warm.snap >got 2>errors
is 'it suspends to memory, is saved, and wakes up' "$? $(grep -c awake got) $(grep -c '^nestling: saved' errors)" '0 1 1'
is 'it wakes up elsewhere' "$(echo "$off" | nestling mem.snap 2>&1 | grep -c awake)" 1
