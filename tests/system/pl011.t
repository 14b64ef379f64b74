#!/bin/bash
# SPDX-License-Identifier: MIT
# The PL011 against QEMU's own: payload uart runs random scripts of register accesses on both.
#
# Reasoned differences, left out of the scripts or of the registers they touch:
# - PeriphID2: r1p5 with 32-byte FIFOs here, r1 with 16 on QEMU
# - loopback and break: QEMU 7.2 has none
# - bits that do not exist: masked here, stored on QEMU
# - DMACR's enables: stored here; QEMU stores and complains
# - receiving: its trigger levels follow from the depth of the FIFO
. "$(dirname "$0")/tap.sh"

seeds='1 22 333 4444 55555 666666'
{
	echo '. /payloads/cases.sh'
	for seed in $seeds; do
		for uart in fast plain; do
			echo "echo begin $seed $uart; nestling --uart=$uart -a $seed /payloads/uart.bin </dev/null; echo end $seed $uart"
		done
	done
} >"$work/seeds.sh"
boot_counting --script "$work/seeds.sh" tests/system/cases.sh
is 'the host ends well' "$status$stderr" 0
for seed in $seeds; do
	bounded "${QEMU:-qemu-system-aarch64}" -machine virt -cpu cortex-a57 -nographic -nic none \
		-kernel build/payloads/uart.bin -append "$seed" </dev/null >"$work/qemu" 2>"$work/stderr"
	is "seed $seed: QEMU ends well" "$?$(cat "$work/stderr")" 0
	tr -d '\r' <"$work/qemu" >"$work/theirs"
	for uart in fast plain; do
		sed -n "/^begin $seed $uart\$/,/^end $seed $uart\$/p" <<<"$stdout" | sed '1d;$d' >"$work/ours"
		[ -s "$work/ours" ] && cmp -s "$work/ours" "$work/theirs"
		report $? "seed $seed, --uart=$uart: the same answers"
		comment "$(diff "$work/ours" "$work/theirs" | head -n 6)"
	done
done

plan
