#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: every payload that proves something about the guest's machine, on one CPU and on
# four, at EL1, or at EL2 with --el2 in $options. Prints "ok NAME" or "not ok NAME" and what it said.
# shellcheck source=cases.sh
. /payloads/cases.sh

# shellcheck disable=SC2154 # of cases.sh
case $options in
--el2) level=2 at='EL2 VHE ' ;;
*) level=1 at='' ;;
esac
times=${times:-20}
# The features that the host's KVM has, as the payload names them.
features=$(nestling --probe | sed -n '/^KVM_CAP_ARM_PMU_V3 = 1/s/.*/pmu /p
	/^KVM_CAP_ARM_SVE = 1/s/.*/sve /p; /^KVM_CAP_ARM_PTRAUTH_ADDRESS = 1/s/.*/pauth /p' | tr -d '\n')

truncate -s 1M disk
for cpus in 1 4; do
	prove "el: $features-c $cpus" 0 "$at${features}ok" -c $cpus /payloads/el.bin
	prove "el, features hidden -c $cpus" 0 "${at}ok" --no-pmu --no-sve --no-pauth -c $cpus \
		/payloads/el.bin
	for payload in timer rtc; do
		prove "$payload -c $cpus" 0 'ok' -c $cpus /payloads/$payload.bin
	done
	prove "gic -c $cpus" 0 '??ok' -c $cpus /payloads/gic.bin
	prove "its -c $cpus" 0 '*ok' -c $cpus /payloads/its.bin
	prove "uart -c $cpus" 0 '*ok' -c $cpus /payloads/uart.bin
	for how in '' ,volatile; do
		prove "ring -c $cpus -d disk$how" 0 '60 cases ok' -c $cpus -d disk$how /payloads/ring.bin
	done
	prove "smp -c $cpus" 0 "$cpus CPUs ok" -c $cpus /payloads/smp.bin
	prove "memory -c $cpus" 0 '*0x48000000*gives 0*0x3fffffff*gives 0*ok' -c $cpus \
		/payloads/memory.bin
	prove "abort, --strict -c $cpus" 65 '*pc 0x4008*access at 0x30000000*' --strict -c $cpus \
		/payloads/abort.bin
	prove "abort -c $cpus" 0 '*pc 0x4008*access at 0x30000000 by instruction 0x885f7*syndrome*ok' -c $cpus \
		/payloads/abort.bin
	for uart in fast plain; do
		prove "decode -c $cpus --uart=$uart" 0 '?ok' -c $cpus --uart=$uart /payloads/decode.bin
	done
	prove "decode, --strict -c $cpus" 0 '?ok' -c $cpus --strict /payloads/decode.bin
	prove "hello -c $cpus" 0 "Hello*, at EL$level.*" -c $cpus hello
	prove "fault -c $cpus" 0 'reading*read 0' -c $cpus /payloads/fault.bin
	for payload in place pair 'flash -a 3' 'lines -a 9'; do
		# shellcheck disable=SC2086 # words
		set -- $payload
		name=$1
		shift
		prove "$payload -c $cpus" 0 '*' "$@" -c $cpus "/payloads/$name.bin"
	done
	prove "storm -c $cpus" 0 '*' -c $cpus -a '3 40' /payloads/storm.bin
	prove "status -c $cpus -a 42" 42 '' -c $cpus -a 42 /payloads/status.bin
	printf q >typed
	prove "warm -c $cpus, saved" 0 'asks*saved*' --save w.snap -m 16 -c $cpus /payloads/warm.bin
	prove "warm -c $cpus, resumed" 0 resumed --verify w.snap
	printf 'all of it\004' >typed
	prove "echo -c $cpus" 0 'ready?all of it' -c $cpus /payloads/echo.bin
	: >typed
	for how in psci 2 finisher; do
		prove "reset -c $cpus --no-reboot -a $how" 76 start -c $cpus --no-reboot -a $how \
			/payloads/reset.bin
	done
done

# A session at the shell, by packed files: what is typed, what that shows, and the disk before and after it.
for cpus in 1 4; do
	for version in 1 2; do
		how=
		[ $version = 2 ] || how=,legacy
		cp /payloads/fat16 fat16
		nestling --strict -c $cpus -d fat16$how /payloads/shell.bin </payloads/typed >out 2>&1
		is "shell -c $cpus -d fat16$how" "$? $(cat out)" "0 $(cat /payloads/shown-$version)"
		is 'its disk is as on QEMU' "$(md5sum <fat16)" "$(cat /payloads/sum)"
	done
done

[ "$times" -gt 0 ] || exit 0
# KVM's interrupt controller is there before any CPU is, in every start.
for cpus in 4 8; do
	starts=0
	while [ $starts -lt "$times" ] && nestling --strict -c $cpus /payloads/gic.bin <typed >out 2>&1; do
		starts=$((starts + 1))
		[ $((starts % 100)) -ne 0 ] || echo "# $starts" # silence would be taken for a hang
	done
	is "gic, $times starts -c $cpus" "$starts $(tail -n 1 out)" "$times ok"
done
