#!/bin/bash
# SPDX-License-Identifier: MIT
# Guests with EL2: payloads there, and a hypervisor, which is Linux with nestling in it. THOROUGH: more of these.
. "$(dirname "$0")/tap.sh"

# on_xen: Linux as Xen's Dom0. Xen finds its modules by the tree; they are parts of one ELF file with it.
on_xen() {
	local -A at=([xen]=0x40200000 [kernel]=0x42000000 [ramdisk]=0x44000000)
	if [ ! -e build/xen/.complete ]; then
		skip 'Xen' 'its package could not be fetched'
		return
	fi
	printf '%s\n' '#!/bin/busybox sh' '/bin/busybox sleep 1' '/bin/busybox echo Dom0 has slept' \
		'/bin/busybox poweroff -f' >"$work/init"
	printf 'file init %s\nfile bin/busybox build/sysroot/bin/busybox\n' "$work/init" | rootfs/pack.sh "$work/ramdisk"
	cp -L build/sysroot/vmlinuz "$work/kernel"
	cp build/xen/boot/xen-4.20-arm64 "$work/xen"
	(
		cd "$work" || exit
		for part in xen kernel ramdisk; do
			aarch64-linux-gnu-objcopy -I binary -O elf64-littleaarch64 $part $part.o
			echo "SECTIONS { .$part ${at[$part]} : { $part.o(.data) } }"
		done >script
		aarch64-linux-gnu-ld -z max-page-size=4096 --entry "${at[xen]}" -T script -o xen.elf xen.o kernel.o ramdisk.o
	)
	boot --el2=e2h0 -m 512M --dump-dtb "$work/tree" hello
	fdtput -t x "$work/tree" /chosen '#address-cells' 2
	fdtput -t x "$work/tree" /chosen '#size-cells' 2
	fdtput -t s "$work/tree" /chosen xen,xen-bootargs 'console=dtuart dtuart=/pl011@9000000 dom0_mem=256M'
	for part in kernel ramdisk; do
		fdtput -c "$work/tree" "/chosen/$part"
		fdtput -t s "$work/tree" "/chosen/$part" compatible "multiboot,$part" multiboot,module
		fdtput -t x "$work/tree" "/chosen/$part" reg 0 "${at[$part]}" 0 "$(printf %x "$(stat -c %s "$work/$part")")"
	done
	fdtput -t s "$work/tree" /chosen/kernel bootargs 'console=hvc0 quiet cryptomgr.notests'
	HOST_MEMORY=1G boot --el2=e2h0 -m 512M --dtb "$work/tree" "$work/xen.elf"
	is "Xen's Dom0: status" "$status" 0
	like "Xen's Dom0 wakes up, and powers off" "$(tr '\n\r' '  ' <<<"$stdout")" 'Dom0 has slept .*Dom0 halted'
}

# on_older_linux: KVM in a Linux that does not know that HCR_EL2.E2H may be fixed at 1.
on_older_linux() {
	HOST_MEMORY=1G boot --el2 --no-sve -m 256M build/sysroot/vmlinuz -i "$work/inner" -a "console=ttyAMA0 quiet panic=-1 \
		cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/linuxrc -- hello"
	is 'KVM in Linux 6.1: status' "$status" 0
	like 'KVM in Linux 6.1: the innermost guest is at EL1' "$stdout" '^Hello from the guest, at EL1\.'
}

# on_u_boot: it loads Linux with KVM from a disk, and starts it at EL2.
on_u_boot() {
	local how loader=build/guests/usr/lib/u-boot/qemu_arm64/u-boot.bin
	if [ ! -e build/guests/.complete ]; then
		skip 'U-Boot at EL2' 'its package could not be fetched'
		return
	fi
	mkdir "$work/root"
	cp -L build/nested/host/vmlinuz "$work/inner" "$work/root"
	truncate -s 96M "$work/disk"
	PATH+=:/usr/sbin:/sbin mke2fs -q -t ext4 -d "$work/root" "$work/disk"
	for how in "booti 0x44000000 0x4c000000:\$filesize" 'bootefi 0x44000000'; do
		printf '%s\n' ' load virtio 0 0x44000000 vmlinuz' 'load virtio 0 0x4c000000 inner' \
			'setenv bootargs initrd=/inner console=ttyAMA0 quiet panic=-1 cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/linuxrc -- hello' \
			"$how \$fdtcontroladdr" |
			HOST_MEMORY=1G bounded ./qemu-run.sh --el2=e2h0 -m 512M -d "$work/disk" $loader >"$work/stdout" 2>"$work/stderr"
		is "U-Boot starts Linux at EL2, ${how%% *}: status" "$?$(cat "$work/stderr")" 0
		like "U-Boot starts Linux at EL2, ${how%% *}: a guest of that says hello" \
			"$(tr '\n\r' '  ' <"$work/stdout")" "=> ${how%% *} .*Hello from the guest, at EL1\."
	done
}

if [ ! -e build/nested/.complete ]; then
	skip 'guests with EL2' 'QEMU with FEAT_NV2 and a kernel for it could not be fetched'
	plan
	exit
fi

export HOST_NESTED=1
boot --demo nested
is 'nestling in nestling: status' "$status$stderr" 0
like 'the innermost guest is at EL1' "$stdout" '^Hello from the guest, at EL1\.'
like 'the one around it ends well' "$stdout" '^nestling: exit status 0'
if [ "${THOROUGH-}" ]; then
	boot --demo nested --append 42 status
	is 'a status: that of the guest around it' "$status$stderr" 0
	like 'a status: that of the innermost guest' "$stdout" '^nestling: exit status 42'
	printf 'file linuxrc build/nestling\nfile payloads/poll.bin build/payloads/poll.bin\n' | rootfs/pack.sh "$work/inner"
	HOST_MEMORY=1G boot --script tests/system/nested-cases.sh tests/system/cases.sh build/nested/host/vmlinuz "$work/inner"
	is 'the host ends well' "$status$stderr" 0
	cases "$stdout" ''
	printf 'file linuxrc build/nestling\n' | rootfs/pack.sh "$work/inner"
	on_xen
	on_older_linux
	on_u_boot
fi

plan
