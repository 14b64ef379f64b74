#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: prints the output of --trace and --stats, which trace.t checks.
# shellcheck source=cases.sh
. /payloads/cases.sh

# run NAME ARGUMENT...: prints nestling's standard error and its status.
run() {
	echo "=== $1"
	shift
	nestling "$@" </dev/null 2>&1 >/dev/null
	echo "status $?"
}

# run_to_file NAME ARGUMENT...: the same, with the trace's file.
run_to_file() {
	run "$@" --trace-file /tmp/file
	cat /tmp/file
}

run kvm --trace=kvm /payloads/hello.bin
run nothing /payloads/hello.bin
run mmio --trace=mmio,psci /payloads/hello.bin
run irq --trace=exit,mmio,irq,psci /payloads/rtc.bin
run decode --trace=exit,mmio --uart=plain /payloads/decode.bin
run all --trace /payloads/rtc.bin
run cpus --trace=kvm -c 2 /payloads/smp.bin
run reset --trace=psci --no-reboot /payloads/reset.bin
run_to_file file --trace=psci /payloads/hello.bin
run no_file --trace-file /none/of/them /payloads/hello.bin
run full --trace --trace-file /dev/full /payloads/hello.bin
run_to_file json --trace-json /payloads/rtc.bin
run json_empty --trace-json --trace=irq /payloads/hello.bin
run stats --stats /payloads/rtc.bin
run stats_json --stats=json /payloads/rtc.bin
run stats_both --stats=json --trace-json --no-sandbox --trace-file /tmp/file /payloads/hello.bin
run storm --trace --trace-file /tmp/file --stats -c 4 -a 7 /payloads/storm.bin
[ "$(wc -l </tmp/file)" -gt 10000 ] && echo "a long trace"
echo "=== end"
