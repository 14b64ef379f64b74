#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: each kernel among the payloads uses the NVMe disk, which has an ext4.
# shellcheck source=cases.sh
. /payloads/cases.sh

# One run a kernel; what has 1 CPU with the one interrupt controller has 4 with the other.
cpus=1 legacy=''
! dmesg | grep -q GICv3 || cpus=4
mkdir mnt
for kernel in /payloads/vmlinuz-*; do
	version=${kernel#*vmlinuz-}
	output=$(nestling "$kernel" -i "/payloads/$version.cpio" -m 256M -c $cpus \
		-a 'console=ttyAMA0 quiet loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1 task=files' \
		-d "/dev/nvme0n1,serial=a-serial${legacy:+,legacy}" </dev/null 2>&1)
	status=$?
	name="$cpus CPUs${legacy:+, legacy}, $version"
	is "$name: status" $status 0
	mount -t ext4 -o ro /dev/nvme0n1 mnt
	is "$name: what it wrote is there" "$(echo "$output" | tr -d '\r' | grep -v 'reboot: Power down')" \
		"kept $(md5sum <mnt/kept | cut -d ' ' -f 1)"
	umount mnt
	cpus=$((5 - cpus))
	legacy=$([ "$legacy" ] || echo legacy)
done
