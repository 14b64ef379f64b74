#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: any bit of a snapshot is flipped, and its checksum made to fit, as a hostile author
# would. It is refused with one line, or its guest goes on and does what it likes. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
flips=${flips:-40}
printf q >key

for cpus in 1 4; do
	nestling --save w.snap -m 16 -c $cpus /payloads/warm.bin <key >/dev/null 2>&1
	seed=$cpus refused=0 resumed=0
	size=$(stat -c %s w.snap)
	state=$(od -An -tu8 -j 16 -N 8 w.snap) # bytes of header and entries (struct snapshot_header)
	ends=$((state < 12288 ? state : 12288)) # in the middle are pages of stolen time
	for flip in $(seq "$flips"); do
		[ $((flip % 50)) -ne 0 ] || echo "# $flip" # silence would be taken for a hang
		random $((flip % 2 ? ends : size))
		at=$((random - 1)) bit=$((flip / 2 % 8))
		[ $((flip % 2)) -eq 0 ] || [ $at -lt 4096 ] || at=$((state - ends + at))
		cp w.snap c.snap
		/payloads/resign c.snap $at 1 ^$((1 << bit))
		timeout -s KILL 4 /bin/nestling c.snap <key >got 2>errors # a guest may never end
		status=$?
		case $status in
		0 | 1 | 99 | 137) resumed=$((resumed + 1)) && continue ;;
		64 | 65 | 69 | 75) [ "$(grep -c '^nestling: ' errors)" -eq 1 ] && [ ! -s got ] && refused=$((refused + 1)) && continue ;;
		esac
		report 1 "$cpus CPUs, byte $at, bit $bit: status $status"
		sed 's/^/# /' got errors
	done
	[ $refused -gt 0 ] && [ $resumed -gt 0 ] && [ $((refused + resumed)) -eq "$flips" ]
	report $? "$cpus CPUs: of $flips flipped bits $refused are refused"
done
