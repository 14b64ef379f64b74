#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: measures monitors, with the files that bench.pl has packed, and
# prints "row NAME MONITOR FIGURE". bench.pl adds two lines in front of it that set `monitors` and
# `steps`, the names of functions below to run.
# shellcheck disable=SC2154 # these two
measure=/payloads/measure
work=/tmp

# payload NAME SIZE: creates a file in `work`, which is first.bin, padded to SIZE.
payload() {
	{
		cat /payloads/first.bin
		head -c $(($2 - $(wc -c </payloads/first.bin))) /dev/zero
	} >"$work/$1"
}

# run WHAT MONITOR MIB CPUS PAYLOAD [BOOTARGS [INITRD [DISK [TAP]]]]: prints what measure prints.
run() {
	what=$1 monitor=$2 memory=$3 cpus=$4 payload=$5 append=${6-} initrd=${7-/payloads/guest-rootfs.cpio} disk=${8-}
	tap=${9-}
	case $monitor in
	floor) set -- /payloads/floor "$payload" "$memory" "$cpus" ;;
	qemu)
		set -- /usr/bin/qemu-system-aarch64 -machine virt,accel=kvm,gic-version=host -cpu host \
			-nographic -nic none -m "$memory" -smp "$cpus" -kernel "$payload" \
			${append:+-initrd "$initrd" -append "$append"} ${disk:+-global virtio-mmio.force-legacy=false
			-drive "if=none,id=disk,format=raw,file=$disk" -device virtio-blk-device,drive=disk} \
			${tap:+-global virtio-mmio.force-legacy=false -device virtio-net-device,netdev=net
			-netdev "tap,id=net,ifname=$tap,script=no,downscript=no"}
		;;
	*)
		set -- nestling -m "${memory}M" -c "$cpus" "$payload" \
			${append:+-i "$initrd" -a "$append"} ${disk:+-d "$disk"} ${tap:+-n "tap=$tap"}
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

# row NAME WHAT MONITOR MIB CPUS PAYLOAD [BOOTARGS]: prints that as a row.
row() {
	name=$1
	shift
	figure=$(run "$@") || exit
	echo "row $name $monitor $figure"
}

# ---- steps: functions whose argument is the monitor ----

first() {
	row first 'start 1' "$1" 128 1 "$work/start"
}

figures() {
	row start "start $times" "$1" 128 1 "$work/start"
	row image "start $times" "$1" 128 1 "$work/image"
	row calls calls "$1" 128 1 "$work/start"
	row memory 'memory 64' "$1" 64 1 /payloads/spin.bin
	run whole "$1" 128 1 /payloads/exits.bin >"$work/time"
	# The guest prints all figures twice; the second ones count.
	tail -n 5 "$work/output" | sed -n "s/^\([a-z-]*\) \([0-9]*\)\$/row \1 $1 \2/p"
}

# As on hosts with less than 512 MiB, on which Linux has no huge pages.
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
		[ "$1 $n" != 'qemu 2' ] || continue # QEMU needs more
		row "ram=$n" "start $few" "$1" $n 1 "$work/start"
	done
	for n in 4 64 1024 16384 65536; do
		payload grown $((n << 10))
		row "payload=$n" "start $few" "$1" 128 1 "$work/grown"
	done
	rm "$work/grown"
}

# Not the floor, which has no device tree.
linux() {
	off='rdinit=/bin/busybox -- poweroff -f'
	row linux whole "$1" 256 1 /payloads/kernel "console=ttyAMA0 quiet $off"
	row linux-messages whole "$1" 256 1 /payloads/kernel "console=ttyAMA0 $off"
}

# A program in the guest measures its own requests.
disk() {
	head -c 67108864 /dev/zero >"$work/disk"
	run whole "$1" 256 1 /payloads/kernel 'console=ttyAMA0 quiet nokaslr' /payloads/disk.cpio "$work/disk" >"$work/time"
	tr -d '\r' <"$work/output" | sed -n "s/^row \([a-z-]*\) \([0-9]*\)\$/row \1 $1 \2/p"
	rm "$work/disk"
}

# The same of the network, whose other end is here.
net() {
	insmod /payloads/tun.ko 2>"$work/errors"
	tunctl -t tap0 >"$work/errors"
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	/payloads/packets serve >"$work/served" &
	until [ -s "$work/served" ]; do usleep 10000; done
	run whole "$1" 256 1 /payloads/kernel 'console=ttyAMA0 quiet nokaslr' /payloads/net.cpio '' tap0 >"$work/time"
	tr -d '\r' <"$work/output" | sed -n "s/^row \([a-z-]*\) \([0-9]*\)\$/row \1 $1 \2/p"
	kill $!
	tunctl -d tap0 >"$work/errors"
}

# save TIMES KEY ARGUMENT...: a guest is saved to $work/snap when it has printed KEY and a moment has passed, and again
# as often. What nestling says goes to $work/errors.
save() {
	count=$1 key=$2
	shift 2
	[ "$monitor" != leanest ] || set -- --no-sandbox --no-pmu "$@"
	rm -f "$work/snap" "$work/keys"
	mkfifo "$work/keys"
	nestling --save "$work/snap" "$@" <"$work/keys" >"$work/output" 2>"$work/errors" &
	exec 3>"$work/keys"
	until grep -q "$key" "$work/output" || ! kill -0 $!; do usleep 100000; done
	sleep 3 # a guest's kernel reports free pages within two seconds
	for saved in $(seq "$count"); do
		kill -USR1 $!
		until [ "$(grep -c '^nestling: ' "$work/errors")" -ge "$saved" ] || ! kill -0 $!; do usleep 10000; done
	done
	kill -KILL $!
	exec 3>&-
	wait $! 2>/dev/null
}

# save_linux MIB [OPTION]...: at its prompt.
save_linux() {
	mib=$1
	shift
	save 1 '/ #' -m "$mib" -i /payloads/prompt.cpio \
		-a 'console=ttyAMA0 quiet panic=-1 cryptomgr.notests rcupdate.rcu_expedited=1' /payloads/kernel --no-reboot "$@"
}

# Snapshots of payloads, of which the budget has these rows. Not the floor and QEMU.
payloads() {
	[ "$1" != floor ] || return
	save 1 ready -m 128 /payloads/echo.bin
	row resume "answer $times" "$1" 128 1 "$work/snap"
	nestling --save "$work/snap" --save-at=end /payloads/again.bin 2>"$work/errors"
	row snapshot-reset "reset $times" "$1" 128 1 "$work/snap"
}

# Not the floor and QEMU.
snapshot() {
	mount -t tracefs none /sys/kernel/tracing
	for mib in 64 256 4096; do
		save_linux "$mib"
		row "resume-$mib" "entry $few" "$1" "$mib" 1 "$work/snap"
		[ "$mib" -ne 256 ] || row answer "answer $few" "$1" 256 1 "$work/snap"
		[ "$mib" -ne 256 ] || echo "row snapshot-size $1 $(($(du -k "$work/snap" | cut -f 1) << 10))"
	done
	save_linux 256 --balloon
	echo "row snapshot-size-balloon $1 $(($(du -k "$work/snap" | cut -f 1) << 10))"
	# Not each time the guest comes to write all of it before the last pass.
	save "$times" writes -m 128 -a 1 /payloads/live.bin
	sed -n 's/.*still for \([0-9]*\) us.*/\1/p' "$work/errors" | sort -n | sed -n "\$s/.*/row pause $1 &000/p"
	payloads "$1"
}

echo "note host: Linux $(uname -r)"
[ ! -f /payloads/qemu.tar ] || tar -x -f /payloads/qemu.tar -C / || exit
echo 1 >/proc/sys/vm/overcommit_memory # the guest's RAM may be larger than the host's
payload start 4096
payload image 27000000
# The size in its header, too, as in Linux's (booting.rst, 4.).
printf '\300\374\233\001' | dd of="$work/image" bs=16 seek=1 conv=notrunc 2>/dev/null
for monitor in $monitors; do
	times=15 few=9 # not fewer: their minimum would depend on which memory the host happens to use
	[ "$monitor" != qemu ] || times=3 few=3
	for step in $steps; do
		$step "$monitor"
	done
done
echo end
