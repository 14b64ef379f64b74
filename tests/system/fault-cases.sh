#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/fault: makes every system call of nestling fail,
# as an ordinary program, at a terminal and as PID 1. Prints "ok NAME" or "not ok NAME", and tables.
# shellcheck source=cases.sh
. /payloads/cases.sh
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts

printf 'seventeen letters' >disk
/payloads/fault 'host fails' /bin/nestling -c 2 -i disk -a 'seventeen letters' /payloads/initrd.bin
