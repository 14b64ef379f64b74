#!/bin/bash
# SPDX-License-Identifier: MIT
# Properties of the binary: its size, segments, symbols and instructions, by readelf, nm and objdump.
. "$(dirname "$0")/tap.sh"

cross=${CROSS_COMPILE-aarch64-linux-gnu-}
nestling=build/nestling
elf() {
	"${cross}readelf" -W "$@" $nestling
}

is 'stripped, at most 192 KiB' "$(($(stat -c %s $nestling) <= 196608))" 1
is 'no symbols left' "$("${cross}nm" $nestling 2>/dev/null)" ''
like 'position-independent' "$(elf -h)" 'Type: +DYN '
like 'for AArch64' "$(elf -h)" 'Machine: +AArch64'
is 'nothing for a dynamic linker' "$(elf -l | grep -cE 'INTERP|DYNAMIC')" 0
is 'relative relocations only' \
	"$("${cross}readelf" -rW build/nestling.debug | awk '/R_AARCH64/ { print $3 }' | sort -u)" \
	R_AARCH64_RELATIVE
is 'no undefined symbol' "$("${cross}nm" -u build/nestling.debug)" ''
is 'no executable stack' "$(elf -l | awk '$1 == "GNU_STACK" { print $7 }')" RW
is 'one segment is executable, and not writable' \
	"$(elf -l | awk '$1 == "LOAD" { print $7 $8 }' | tr '\n' ' ')" 'R0x10000 RE RW0x10000 RW0x10000 R0x10000 '
is 'relocated constants share no page with data' \
	"$("${cross}readelf" -SW build/nestling.debug | sed 's/\[ */[/' | awk '$2 == ".got" { got = $4 } $2 == ".bss" { bss = $4 }
	END { print substr(got, 1, 12) == substr(bss, 1, 12) }')" 0
like 'branch target identification' "$("${cross}readelf" -n build/nestling.debug)" 'AArch64 feature: BTI'
like 'and a program header that says so to the kernel' "$(elf -l)" '^  GNU_PROPERTY '
is 'which libfdt is fit for' "$("${cross}objdump" -d build/sysroot/usr/lib/*/libfdt.a |
	grep -cP '\tbr\t')" 0
libc=$(find build/sysroot/usr/lib/aarch64-linux-musl -name libc.a)
is 'nothing of libc is linked' "$("${cross}nm" --defined-only build/nestling.debug |
	awk '{ print $3 }' | grep -xE '__libc.*|_init|_fini|malloc|printf|stdout|__errno_location|__stdio.*')" ''
is 'functions that could be libc.a'"'"'s come from crt' \
	"$("${cross}nm" -A --defined-only build/crt/*.o | awk '$2 == "T" || $3 == "T" { print $NF }' |
	sort >"$work/crt"; "${cross}nm" --defined-only "$libc" 2>/dev/null | awk '$2 == "T" { print $3 }' |
	sort -u >"$work/libc"; "${cross}nm" --defined-only build/nestling.debug |
	awk '$2 == "T" { print $3 }' | sort | comm -12 - "$work/libc" | comm -23 - "$work/crt")" ''
is 'system calls are made by crt alone' \
	"$(grep -lE '\bsvc\b' -r vmm devices --include='*.[chS]')" ''
is 'device tree: no complaint from dtc' "$(dtc -I dtb -O dts -o /dev/null build/machine.dtb 2>&1)" ''

plan
