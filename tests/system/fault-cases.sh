#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/fault: every system call of nestling's is failed once,
# as an ordinary program, at a terminal and as PID 1. Prints "ok NAME" or "not ok NAME", and tables.
# shellcheck source=cases.sh
. /payloads/cases.sh
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts

printf 'seventeen letters' >disk
set -- /bin/nestling -c 2 -i disk -a 'seventeen letters' /payloads/initrd.bin
/payloads/fault 'host fails: from a script' "$@"
/payloads/fault 'host fails: at a terminal' -t "$@"
/payloads/fault 'host fails: as PID 1' -p "$@"
