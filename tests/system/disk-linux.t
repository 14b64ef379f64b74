#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks of Linux guests: Debian's kernels with their own modules; --demo disk; fio; power cuts.
# THOROUGH: each kernel on both GICs, many power cuts, much to verify, and a guest that is saved in the middle of it.
. "$(dirname "$0")/tap.sh"
PATH=$PATH:/usr/sbin:/sbin
cuts=2 rebinds=20 megabytes=12
[ -z "${THOROUGH-}" ] || cuts=50 rebinds=100 megabytes=50

# pack KERNEL: the initramfs of a guest with this kernel; sets `initrd`.
pack() {
	local version=${1##*/vmlinuz-}
	initrd=$work/$version.cpio
	{
		printf 'file %s %s\n' init tests/system/disk-init bin/busybox build/sysroot/bin/busybox bin/journal build/journal
		echo link bin/sh busybox
		rootfs/disk-modules.sh "$(dirname "$1")/../lib/modules/$version"
	} | rootfs/pack.sh "$initrd"
}
calm='console=ttyAMA0 quiet loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1'
cloud=$(realpath build/sysroot/vmlinuz)
kernels=()
if [ -e build/guests/.complete ]; then
	kernels+=(build/guests/boot/vmlinuz-*)
else
	skip 'standard and rt kernel' "Debian's packages could not be fetched"
fi
kernels+=("$cloud") # last: the guests behind this have it, too

# An empty ext4, as $work/disk.
make_disk() {
	rm -f "$work/disk"
	truncate -s 32M "$work/disk"
	mke2fs -q -t ext4 "$work/disk"
}

# ---- each kernel ----

files=()
for kernel in "${kernels[@]}"; do
	pack "$kernel"
	files+=("$kernel" "$initrd")
done
half=$((${#kernels[@]} / 2 * 2)) # of the files, which are two a kernel
for gic in 2 3; do
	make_disk
	some=("${files[@]}")
	if [ -z "${THOROUGH-}" ] && [ "$half" -gt 0 ]; then
		some=("${files[@]:half}")
		[ $gic = 2 ] || some=("${files[@]:0:half}")
	fi
	HOST_GIC=$gic HOST_SMP=2 HOST_MEMORY=1G \
		QEMU_EXTRA="-drive if=none,id=n1,file=$work/disk,format=raw -device nvme,drive=n1,serial=n1" \
		try_cases disk-linux-cases.sh "GICv$gic: " "${some[@]}"
	e2fsck -fn "$work/disk" >/dev/null 2>&1
	is "GICv$gic: the file system is whole" $? 0
done

# ---- the demo ----

boot --demo disk --quiet
is 'demo: status' "$status" 0
like 'demo: boots from the disk' "$stdout" 'root file system is on /dev/vda, ext4. Writes /note'
like 'demo: and again' "$stdout" 'after the reboot: /note says: The guest wrote this.'
like 'demo: says where the disk is' "$stderr" 'build/demo-disk.img.*/note: The guest wrote this.'
is 'demo: the file is changed there' "$(debugfs -R 'cat /note' build/demo-disk.img 2>/dev/null)" 'The guest wrote this.'

# ---- fio, on a host with several CPUs, and while another disk is taken from its driver and given back ----

if [ -e build/disk-programs/.complete ]; then
	truncate -s 400M "$work/programs"
	mke2fs -q -t ext4 -d build/disk-programs "$work/programs"
	rm "$work/disk"
	truncate -s 200M "$work/disk"
	dd if=/dev/urandom of="$work/other" bs=64k count=4 2>/dev/null
	HOST_SMP=4 HOST_MEMORY=1G boot "$cloud" -i "$initrd" -m 512M -c 4 \
		-a "$calm task=verify rebinds=$rebinds megabytes=$megabytes" \
		-d "$work/disk" -d "$work/programs,ro" -d "$work/other"
	is "fio: 4 jobs, $megabytes MB each, no error; another disk is taken and given back meanwhile" \
		"$status $(tr -d '\r' <<<"$stdout" | grep -v 'reboot: Power down' | sort)" \
		"0 fio 0
rebound $rebinds times"
	for cpus in ${THOROUGH:+1 4 8}; do
		HOST_SMP=$cpus HOST_MEMORY=1536M \
			QEMU_EXTRA="-drive if=none,id=n1,file=$work/programs,format=raw -device nvme,drive=n1,serial=n1" \
			try_cases disk-saved-cases.sh "saved, $cpus CPUs: " "$cloud" "$initrd"
	done
else
	skip 'fio, a compiler' "Debian's packages could not be fetched"
fi

# ---- power cuts: what the guest was told is on the disk is in the file, at whatever moment the host ends ----

cat >"$work/qemu" <<-END
	#!/bin/sh
	echo \$\$ >$work/pid
	exec qemu-system-aarch64 "\$@"
END
chmod +x "$work/qemu"
# cut RECORDS: after so many. Sets `told` to what was acknowledged last, and `there` to what the file has last; it has
# all before that.
cut() {
	local line
	make_disk
	mkfifo "$work/records"
	QEMU=$work/qemu bounded ./qemu-run.sh "$cloud" -i "$initrd" -m 256M -a "$calm task=records" -d "$work/disk" \
		</dev/null >"$work/records" 2>/dev/null &
	told=0
	exec 3<"$work/records"
	while read -r line <&3; do
		told=${line//[^0-9]/}
		[ "$told" -lt "$1" ] || [ ! -e "$work/pid" ] || {
			kill -KILL "$(cat "$work/pid")"
			rm "$work/pid"
		}
	done
	exec 3<&-
	wait $!
	rm "$work/records"
	e2fsck -fp "$work/disk" >/dev/null 2>&1
	[ $? -le 1 ] || comment 'e2fsck finds errors'
	there=$(debugfs -R 'cat /records' "$work/disk" 2>/dev/null |
		awk '$1 != "record" || $2 + 0 != n + 1 { exit } { n++ } END { print n + 0 }')
}
for i in $(seq "$cuts"); do
	cut $((RANDOM % 200 + 1))
	[ "$there" -ge "$told" ] && [ "$told" -gt 0 ]
	report $? "power cut $i: record $told was acknowledged, the file has $there"
done

plan
