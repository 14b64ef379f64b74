#!/bin/bash
# SPDX-License-Identifier: MIT
# Devices against QEMU's own: payloads run random scripts of accesses on both, and name the differences that they
# leave out. pl011.t does that with the UART.
. "$(dirname "$0")/tap.sh"

seeds='1 22 333 4444'
# What firmware is handed: no other kernels than EFI programs.
head -c 3001 build/sysroot/vmlinuz >"$work/handed-kernel"
head -c 77 build/payloads/hello.bin >"$work/handed-initrd"

# arguments PAYLOAD: nestling's in the host, `ours`, and QEMU's, `theirs`.
arguments() {
	ours=(/payloads/"$1".bin) theirs=()
	[ "$1" != fw_cfg ] || {
		ours=(--firmware /payloads/fw_cfg.fd -i /payloads/handed-initrd /payloads/handed-kernel)
		theirs=(-bios build/payloads/fw_cfg.fd -kernel "$work/handed-kernel" -initrd "$work/handed-initrd")
	}
}

{
	echo '. /payloads/cases.sh'
	for payload in flash gpio fw_cfg; do
		arguments $payload
		for seed in $seeds; do
			echo "echo begin $payload $seed; nestling -a $seed ${ours[*]} </dev/null; echo end $payload $seed"
		done
	done
} >"$work/seeds.sh"
on_quick_host boot_counting --script "$work/seeds.sh" tests/system/cases.sh build/payloads/fw_cfg.fd \
	"$work/handed-kernel" "$work/handed-initrd"
is 'the host ends well' "$status$stderr" 0
for payload in flash gpio fw_cfg; do
	arguments $payload
	for seed in $seeds; do
		on_qemu $payload "$seed" "${theirs[@]}"
		sed -n "/^begin $payload $seed\$/,/^end $payload $seed\$/p" <<<"$stdout" | sed '1d;$d' >"$work/ours"
		is "$payload, seed $seed: to the end" "$(tail -n 1 "$work/ours")" ok
		cmp -s "$work/ours" "$work/theirs"
		report $? "$payload, seed $seed: the same answers"
		comment "$(diff "$work/ours" "$work/theirs" | head -n 6)"
	done
done

plan
