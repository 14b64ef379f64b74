#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: what KVM does for a guest, on one CPU and on four. Prints "ok NAME" or
# "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# runs NAME WANTED ARGUMENT...: nestling's status, and the last line that the guest has printed.
runs() {
	name=$1 wanted=$2
	shift 2
	nestling "$@" </dev/null >out 2>err
	got="$? $(tail -n 1 out)"
	is "$name" "$got" "$wanted"
	[ "$got" = "$wanted" ] || { sed 5q err; dmesg | tail -n 30; } | sed 's/^/# /'
}

echo "# Linux $(uname -r), $(nproc) CPUs, pages of $(sed -n 's/^KernelPageSize: *//p;T;q' /proc/self/smaps)"
for cpus in 1 4; do
	nestling -c $cpus hello </dev/null >out
	is "hello -c $cpus" "$? $(head -n 1 out)" '0 Hello from the guest, at EL1.'
	runs "status -c $cpus" '42 ' -c $cpus -a 42 /payloads/status.bin
	runs "gic -c $cpus" '0 ok' -c $cpus /payloads/gic.bin
	runs "smp -c $cpus" "0 $cpus CPUs ok" -c $cpus /payloads/smp.bin
	runs "timer -c $cpus" '0 ok' -c $cpus /payloads/timer.bin
	runs "storm -c $cpus" '0 over' -c $cpus -a '1 200' /payloads/storm.bin
done
