#!/bin/bash
# SPDX-License-Identifier: MIT
# Linux as a guest switches itself off when it is asked to: Debian's standard kernel has its driver for the power
# button as a module (the cloud kernel has none), and what it says is read from /dev/input/event0.
. "$(dirname "$0")/tap.sh"

if [ ! -e build/guests/.complete ]; then
	skip 'Linux is asked to switch itself off' "Debian's packages could not be fetched"
	plan
	exit
fi
cat >"$work/init" <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
for module in /modules/*; do insmod $module; done
exec 3</dev/input/event0
echo ready
dd bs=24 count=1 <&3 2>/dev/null | od -An -tx2 -j16
poweroff -f
END
chmod +x "$work/init"
{
	printf '%s\n' "file init $work/init" 'file bin/busybox build/sysroot/bin/busybox' 'link bin/sh busybox'
	UNPACKED=$work rootfs/modules.sh build/guests/lib/modules/*-[0-9]*[0-9]-arm64 evdev gpio_keys
} >"$work/list"
rootfs/pack.sh "$work/initrd" <"$work/list"

mkfifo "$work/output"
on_quick_host exec timeout --foreground -k 5 $silence ./qemu-run.sh -m 256M -i "$work/initrd" \
	-a 'console=ttyAMA0 quiet loglevel=1 cryptomgr.notests rcupdate.rcu_expedited=1 mitigations=off' \
	build/guests/boot/vmlinuz-*-[0-9]*[0-9]-arm64 </dev/null >"$work/output" 2>"$work/stderr" &
exec 4<"$work/output"
read -r -t $silence line <&4
is 'Linux waits for its power button' "${line%$'\r'}" ready
kill -TERM "$(pgrep -P $!)"
output=$(tr -d '\r' <&4 | head -n 1)
wait $!
status=$?
is 'SIGTERM to qemu-run.sh: it gets KEY_POWER, pressed' "$output" ' 0001 0074 0001 0000'
is 'and switches itself off' "$status $(cat "$work/stderr")" \
	'0 nestling: the guest is asked to switch itself off, and ended in 10 s if it does not'

plan
