#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: Linux with fio on a disk, while another disk is taken from its driver, is saved in
# the middle of it and goes on, twice, with as many CPUs as the host has. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# leg NUMBER MEGABYTES ARGUMENT...: the guest is saved, and its run ends, when its disk has so much.
leg() {
	number=$1 megabytes=$2
	shift 2
	/bin/nestling --save "$number.snap" --save-at=end "$@" -d disk -d /dev/nvme0n1,ro -d other >>out 2>>errors </dev/null &
	until [ "$(du -m disk | cut -f 1)" -ge "$megabytes" ]; do usleep 10000; done
	kill -USR1 $!
	wait $!
	is "saved with $megabytes MiB on its disk" "$? $(grep -c '^nestling: saved' errors)" "0 $number"
}

truncate -s 200M disk
dd if=/dev/urandom of=other bs=64k count=4 2>/dev/null
leg 1 4 -m 256M -c "$(nproc)" -i /payloads/*.cpio \
	-a 'console=ttyAMA0 quiet loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1 task=verify rebinds=20 megabytes=12' \
	/payloads/vmlinuz*
leg 2 20 1.snap
/bin/nestling 2.snap -d disk -d /dev/nvme0n1,ro -d other >>out 2>>errors </dev/null
is 'no error, and the other disk is as it was' "$? $(tr -d '\r' <out | grep -v reboot: | sort | tr '\n' ' ')" \
	'0 fio 0 rebound 20 times '
sed 's/^/# /' errors
