#!/bin/bash
# SPDX-License-Identifier: MIT
# Compares the PL011 with QEMU's: payload uart makes random register accesses on both.
#
# Intended differences, which the payload leaves out:
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
on_quick_host boot_counting --script "$work/seeds.sh" tests/system/cases.sh
is 'the host ends well' "$status$stderr" 0
for seed in $seeds; do
	on_qemu uart "$seed"
	for uart in fast plain; do
		sed -n "/^begin $seed $uart\$/,/^end $seed $uart\$/p" <<<"$stdout" | sed '1d;$d' >"$work/ours"
		[ -s "$work/ours" ] && cmp -s "$work/ours" "$work/theirs"
		report $? "seed $seed, --uart=$uart: the same answers"
		comment "$(diff "$work/ours" "$work/theirs" | head -n 6)"
	done
done

plan
