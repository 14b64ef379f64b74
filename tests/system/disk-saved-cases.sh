#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: Linux is saved in the middle of its work and goes on, twice, with as many CPUs as
# the host has: fio on a disk while another disk is taken from its driver, and a compiler. Prints "ok NAME" or "not ok
# NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

disks='-d disk -d /dev/nvme0n1,ro -d other'
# leg NUMBER COMMAND MIN ARGUMENT...: the guest is saved, and its run ends, when the command prints at least so much.
leg() {
	number=$1 command=$2 min=$3
	shift 3
	# shellcheck disable=SC2086 # words
	/bin/nestling --save "$number.snap" --save-at=end "$@" $disks >>out 2>>errors </dev/null &
	until [ "$($command | cut -f 1)" -ge "$min" ]; do usleep 10000; done
	kill -USR1 $!
	wait $!
	is "$task: saved when \"$command\" says $min" "$? $(grep -c '^nestling: saved' errors)" "0 $number"
}

# work TASK COMMAND MIN MIN WANTED: what it prints, each line once and with how often.
work() {
	task=${1%% *}
	truncate -s 200M disk
	dd if=/dev/urandom of=other bs=64k count=4 2>/dev/null
	: >out
	: >errors
	leg 1 "$2" "$3" -m 256M -c "$(nproc)" -i /payloads/*.cpio \
		-a "console=ttyAMA0 quiet loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1 task=$1" \
		/payloads/vmlinuz*
	leg 2 "$2" "$4" 1.snap
	# shellcheck disable=SC2086 # words
	/bin/nestling 2.snap $disks >>out 2>>errors </dev/null
	is "$task: no error, and all is as it should be" \
		"$? $(tr -d '\r' <out | grep -v reboot: | sort | uniq -c | sed 's/^ *//' | tr '\n' ,)" "$5"
	sed 's/^/# /' errors
	rm disk other ./*.snap
}

work 'verify rebinds=20 megabytes=12' 'du -m disk' 4 20 '0 1 fio 0,1 rebound 20 times,'
work 'compile objects=10' 'grep -c object out' 10 25 '0 40 object,'
