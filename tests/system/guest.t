#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest's machine, by payloads that each prove a claim about it: on every kind of host, and on hosts with four
# CPUs, where the guest's run at the same time. QUICK: on one kind. THOROUGH: on all that docs/hosts.md names, else on
# those that differ most. Payload shell runs on QEMU's `virt`, too.
. "$(dirname "$0")/tap.sh"

# ---- a session at the shell of payload `shell`, which is the same on QEMU's own `virt` ----

# A FAT16, with a file of several clusters.
printf 'Hello from the disk.\n' >"$work/hello.txt"
seq -s " " 300 >"$work/numbers"
mformat -C -i "$work/fat16" -T 5120 -c 1 -h 16 -s 32 -v TEACH ::
mcopy -i "$work/fat16" "$work/hello.txt" "$work/numbers" ::

printf '%s\n' help ls 'cat hello.txt' 'cat numbers' 'cat none' $'write notes.txt typedd\b at the shell' ls \
	'cat notes.txt' 'write notes.txt again' bogus '' poweroff >"$work/typed"

# shown GIC VERSION: what the session shows.
shown() {
	cat <<-END
		GICv$1, FAT16 on a disk of virtio version $2
		$ help
		cat FILE: print a file
		help: this text
		ls: list files, with their sizes
		poweroff: switch the machine off
		write FILE TEXT: make a file
		$ ls
		hello.txt 21
		numbers 1092
		$ cat hello.txt
		Hello from the disk.
		$ cat numbers
		$(cat "$work/numbers")
		$ cat none
		no such file
		$ write notes.txt typedd$(printf '\b \b') at the shell
		$ ls
		hello.txt 21
		numbers 1092
		notes.txt 19
		$ cat notes.txt
		typed at the shell
		$ write notes.txt again
		needs a new name and a text
		$ bogus
		no such command; help lists them
		$ 
		$ poweroff
	END
}

# on_virt GIC VERSION: on QEMU's own machine. It starts with its prompt, which the keys wait for.
on_virt() {
	local legacy=off
	[ "$2" = 2 ] || legacy=on
	rm -f "$work/ended"
	: >"$work/out"
	cp "$work/fat16" "$work/written"
	{
		until grep -q '^\$ ' "$work/out" || [ -e "$work/ended" ]; do sleep 0.1; done
		cat "$work/typed"
	} | {
		bounded qemu-system-aarch64 -machine virt,gic-version="$1" -cpu cortex-a57 -nographic -nic none \
			-global virtio-mmio.force-legacy=$legacy -drive "if=none,id=disk,format=raw,file=$work/written" \
			-device virtio-blk-device,drive=disk -kernel build/payloads/shell.bin >"$work/out" 2>&1
		echo $? >"$work/ended"
	}
	is "shell on QEMU's virt, GICv$1, virtio version $2" "$(cat "$work/ended") $(tr -d '\r' <"$work/out")" \
		"0 $(shown "$1" "$2")"
	is 'it has written the file' "$(mtype -i "$work/written" ::notes.txt)" 'typed at the shell'
}

for gic in 2 3; do
	[ -z "${QUICK-}" ] || [ $gic = 2 ] || continue
	mkdir "$work/$gic"
	for version in 1 2; do
		on_virt $gic $version
		shown $gic $version >"$work/$gic/shown-$version"
	done
	md5sum <"$work/written" >"$work/$gic/sum"
done

# ---- in the host ----

: >"$work/settings"
# on GIC CPU CPUS
on() {
	HOST_GIC=$1 HOST_CPU=$2 HOST_SMP=$3 try_cases guest-cases.sh "${KERNEL:+$KERNEL, }GICv$1, $2, $3 CPUs: " \
		"$work"/{fat16,typed,settings} "$work/$1"/{shown-1,shown-2,sum}
}

# at_el2: the payloads start at EL2. With 8 CPUs a start of `gic` takes half a minute there.
at_el2() {
	echo 'options=--el2 times=2' >"$work/settings"
	HOST_NESTED=1 boot --script tests/system/guest-cases.sh tests/system/cases.sh "$work"/{fat16,typed,settings} \
		"$work"/3/{shown-1,shown-2,sum}
	is 'at EL2: the host ends well' "$status$stderr" 0
	cases "$stdout" 'at EL2: '
}

# one_level_deeper: in a host that is a guest itself, at EL2, whose console shows what its script prints. A start of
# nestling takes ten times what it does elsewhere, and a case with 4 CPUs a minute or more.
one_level_deeper() {
	local file silence=1200
	echo 'limit=240 times=0' >"$work/settings"
	for file in tests/system/{cases,guest-cases}.sh "$work"/{fat16,typed,settings} "$work"/3/{shown-1,shown-2,sum}; do
		echo "file payloads/${file##*/} $file"
	done | rootfs/pack.sh "$work/files"
	cat build/test-rootfs.cpio "$work/files" >"$work/inner"
	HOST_NESTED=1 HOST_MEMORY=1536M boot --el2 -m 768M build/nested/host/vmlinuz -i "$work/inner" -a "console=ttyAMA0 quiet \
		loglevel=1 panic=-1 mitigations=off cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/init -- \
		--script /payloads/guest-cases.sh"
	is 'one level deeper: the host around it ends well' "$status$stderr" 0
	like 'one level deeper: its last case is there' "$stdout" 'ok its disk is as on QEMU'
	cases "${stdout//$'\r'/}" 'one level deeper: '
}

# on_both CPU: on one CPU, and on four with the other interrupt controller.
on_both() {
	on 2 "$1" 1
	on 3 "$1" 4
}

on 2 cortex-a57 1
if [ -z "${QUICK-}" ]; then
	on 3 max,pauth-impdef=on 1
	on 3 cortex-a57 4
fi
if [ "${THOROUGH-}" ]; then
	on 2 max,pauth-impdef=on 1
	on 3 cortex-a57 1
	on 2 cortex-a57 4
	for cpu in cortex-a72 neoverse-n1 max,pauth-impdef=on,sve=off max,pauth=off max,pauth=off,sve=off; do
		on_both $cpu
	done
	# The last one is of `make host-64k`.
	for kernel in "${newer_kernels[@]}" build/host-64k/vmlinuz; do
		if [ -f "$kernel" ]; then
			KERNEL=$kernel on_both "$(cpu_for "$kernel")"
		else
			skip "$kernel" 'it is not there'
		fi
	done
	echo times=1000 >"$work/settings"
	on 2 cortex-a57 1
	if [ -e build/nested/.complete ]; then
		at_el2
		one_level_deeper
	else
		skip 'at EL2, and one level deeper' 'QEMU with FEAT_NV2 and a kernel for it could not be fetched'
	fi
fi

plan
