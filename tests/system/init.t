#!/bin/bash
# SPDX-License-Identifier: MIT
# nestling as PID 1: init-cases.sh in one boot.
. "$(dirname "$0")/tap.sh"

# Two disks whose numbers in /dev are not their identifiers.
disks='-device nvme,id=disks,serial=disks'
for n in 3 5; do
	echo "disk $n" >"$work/disk$n"
	truncate -s 1M "$work/disk$n"
	disks+=" -drive if=none,id=disk$n,format=raw,file=$work/disk$n -device nvme-ns,bus=disks,drive=disk$n,nsid=$n"
done
QEMU_EXTRA=$disks try_cases init-cases.sh ''

plan
