#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: measures monitors, with what bench.pl has packed along, and
# prints "row NAME MONITOR FIGURE". bench.pl writes two lines in front of it that set `monitors` and
# `steps`, the functions below that are run.
# shellcheck disable=SC2154 # these two
measure=/payloads/measure
work=/tmp

# payload NAME SIZE: first.bin, brought to a size, as a file in `work`.
payload() {
	{
		cat /payloads/first.bin
		head -c $(($2 - $(wc -c </payloads/first.bin))) /dev/zero
	} >"$work/$1"
}

# run WHAT MONITOR MIB CPUS PAYLOAD [BOOTARGS]: what measure prints.
run() {
	what=$1 monitor=$2 memory=$3 cpus=$4 payload=$5 append=${6-}
	case $monitor in
	floor) set -- /payloads/floor "$payload" "$memory" "$cpus" ;;
	qemu)
		set -- /usr/bin/qemu-system-aarch64 -machine virt,accel=kvm,gic-version=host -cpu host \
			-nographic -nic none -m "$memory" -smp "$cpus" -kernel "$payload" \
			${append:+-initrd /payloads/guest-rootfs.cpio -append "$append"}
		;;
	*)
		set -- nestling -m "${memory}M" -c "$cpus" "$payload" \
			${append:+-i /payloads/guest-rootfs.cpio -a "$append"}
		[ "$monitor" != leanest ] || set -- "$@" --no-sandbox --no-pmu
		;;
	esac
	# shellcheck disable=SC2086 # what it is may have a number
	$measure $what "$@" 2>"$work/errors" || {
		echo "failed: $what: $*" >&2
		cat "$work/errors" >&2
		exit 1
	}
}

# row NAME WHAT MONITOR MIB CPUS PAYLOAD [BOOTARGS]: the same as a row.
row() {
	name=$1
	shift
	figure=$(run "$@") || exit
	echo "row $name $monitor $figure"
}

# ---- steps; $1 is the monitor ----

first() {
	row first 'start 1' "$1" 128 1 "$work/start"
}

figures() {
	row start "start $times" "$1" 128 1 "$work/start"
	row image "start $times" "$1" 128 1 "$work/image"
	row calls calls "$1" 128 1 "$work/start"
	row memory 'memory 64' "$1" 64 1 /payloads/spin.bin
	run whole "$1" 128 1 /payloads/exits.bin >"$work/time"
	# What it printed the second time.
	tail -n 5 "$work/output" | sed -n "s/^\([a-z-]*\) \([0-9]*\)\$/row \1 $1 \2/p"
}

# As on hosts of less than 512 MiB: their kernel has no huge pages.
small_pages() {
	enabled=/sys/kernel/mm/transparent_hugepage/enabled
	before=$(sed 's/.*\[\(.*\)\].*/\1/' $enabled)
	echo never >$enabled
	row image-small-pages "start $times" "$1" 128 1 "$work/image"
	echo "$before" >$enabled
}

growth() {
	for n in 1 2 4 8; do
		row "cpus=$n" "start $few" "$1" 128 $n "$work/start"
	done
	for n in 2 16 128 1024 4096; do
		[ "$1 $n" != 'qemu 2' ] || continue # too little for it
		row "ram=$n" "start $few" "$1" $n 1 "$work/start"
	done
	for n in 4 64 1024 16384 65536; do
		payload grown $((n << 10))
		row "payload=$n" "start $few" "$1" 128 1 "$work/grown"
	done
	rm "$work/grown"
}

# Those that can: the floor has no device tree.
linux() {
	off='rdinit=/bin/busybox -- poweroff -f'
	row linux whole "$1" 256 1 /payloads/kernel "console=ttyAMA0 quiet $off"
	row linux-messages whole "$1" 256 1 /payloads/kernel "console=ttyAMA0 $off"
}

echo "note host: Linux $(uname -r)"
[ ! -f /payloads/qemu.tar ] || tar -x -f /payloads/qemu.tar -C / || exit
echo 1 >/proc/sys/vm/overcommit_memory # the guest's RAM may be larger than the host's
payload start 4096
payload image 27000000
# That size in its header, too, as Linux has it (booting.rst, 4.).
printf '\300\374\233\001' | dd of="$work/image" bs=16 seek=1 conv=notrunc 2>/dev/null
for monitor in $monitors; do
	times=15 few=9 # the least of fewer depends on what memory the host has at hand
	[ "$monitor" != qemu ] || times=3 few=3
	for step in $steps; do
		$step "$monitor"
	done
done
echo end
