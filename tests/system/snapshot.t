#!/bin/bash
# SPDX-License-Identifier: MIT
# Snapshots: guests that are saved in the middle of what they do, and go on elsewhere as if nothing had been; what
# a host refuses to go on with; Linux at its prompt.
. "$(dirname "$0")/tap.sh"

# on GIC CPUS FILE...: on such a host
on() {
	local gic=$1 cpus=$2
	shift 2
	HOST_GIC=$gic HOST_SMP=$cpus try_cases snapshot-cases.sh "GICv$gic, $cpus CPUs: " build/resign "$work/settings" "$@"
}

echo "${THOROUGH:+rounds=50 resets=1000 flips=500}" >"$work/settings"
# A device that is too small, one that is not, and a file system whose files can share what is in them.
disks='-device nvme,id=disks,serial=disks' n=0
for size in 64K 64M 300M; do
	truncate -s $size "$work/disk$((n += 1))"
	disks+=" -drive if=none,id=disk$n,format=raw,file=$work/disk$n -device nvme-ns,bus=disks,drive=disk$n,nsid=$n"
done
PATH=$PATH:/usr/sbin:/sbin mkfs.xfs -q "$work/disk3"
mapfile -t modules < <(rootfs/modules.sh build/sysroot/lib/modules/* xfs | cut -d ' ' -f 3)
QEMU_EXTRA=$disks on 2 1 "${modules[@]}"
HOST_CPU=${THOROUGH:+max,pauth-impdef=on} on 3 4
# A kernel that knows the generation ID, if it could be fetched.
kernel=$(ls build/hosts/boot/vmlinuz-* 2>/dev/null) || kernel=build/sysroot/vmlinuz
# Linux, saved while it runs: QEMU 7.2 does not emulate right what that takes of a CPU with FEAT_HAFDBS (docs/hosts.md).
HOST_CPU=cortex-a57 HOST_MEMORY=1G try_cases snapshot-linux-cases.sh 'Linux: ' build/guest-rootfs.cpio "$kernel"

firmware=build/firmware/usr/share/qemu-efi-aarch64/QEMU_EFI.fd
if [ -z "${THOROUGH-}" ]; then
	:
elif [ -e build/firmware/.complete ] && [[ $kernel == build/hosts/* ]]; then
	KERNEL=$kernel HOST_SMP=2 HOST_MEMORY=1G try_cases snapshot-uefi-cases.sh 'EDK2: ' $firmware build/guest-rootfs.cpio build/sysroot/vmlinuz
else
	skip 'EDK2' 'its package, or that of a newer host, could not be fetched'
fi

# Without counting instructions, because a guest may go wrong and be busy for ever.
for gic in ${THOROUGH:+2} 3; do
	HOST_GIC=$gic on_quick_host boot --script tests/system/flip-cases.sh tests/system/cases.sh build/resign "$work/settings"
	is "GICv$gic, flipped bits: the host ends well" "$status$stderr" 0
	cases "$stdout" "GICv$gic, "
done

# Through qemu-run.sh the file is one of this machine, and a snapshot is a payload. An older one stays until there is
# a newer one.
file=$work/warm.snap
echo old >"$file"
on_quick_host boot_counting --save "$file" -m 16 hello
is 'nothing saved: the older file stays' "$status $(cat "$file")" '0 old'
is 'and nothing else' "$(ls "$work"/*.part 2>/dev/null)" ''
on_quick_host boot_counting --save "$file" --save-at=end -m 16 warm
is 'saved as PID 1' "$status $stdout" '0 asks'
is 'the file is as long as its header says' \
	"$(od -An -tu8 -j24 -N8 "$file" | tr -d ' ')" "$(stat -c %s "$file")"
printf q >"$work/key"
status=0
stdout=$(on_quick_host bounded ./qemu-run.sh "$file" <"$work/key" 2>"$work/stderr") || status=$?
is 'resumed as PID 1' "$status $stdout" '0 resumed'

# Without a host.
QEMU=false boot --describe --dump-core "$work/core" "$file"
is 'described' "$status$stderr $(grep -cxE 'RAM = 16 MiB|CPUs = 1|GIC = v2|CPU 0 CNTV_CTL_EL0 = 0x1|pl031@9010000 load = 0x1388' \
	<<<"$stdout")" '0 5'
is 'of the registers that identify a CPU those that are not zero' \
	"$(grep -cE '^CPU 0 is S3_0_C0_C0_0 = 0x4|^CPU 0 is .* = 0$' <<<"$stdout")" 1
# shellcheck disable=SC2016 # gdb expands them
is 'gdb opens a core of it, with registers and memory' "$(timeout -k 5 120 gdb-multiarch -nx -batch \
	-ex 'file build/payloads/warm.elf' -ex "core-file $work/core" -ex 'info symbol $pc' -ex 'x/i _start' \
	-ex 'print/x $cpsr & 0xf' 2>&1 | grep -oE '^guest_main|<_start>:.mov|= 0x5$' | paste -sd ' ')" \
	'guest_main <_start>:	mov = 0x5'
QEMU=false boot --diff "$file" "$file"
is 'it does not differ from itself' "$status$stdout$stderr" 0
cp "$file" "$work/other.snap"
printf 'not what it was' | dd of="$work/other.snap" bs=1 seek=$((0x12000)) conv=notrunc status=none
QEMU=false boot --diff "$file" "$work/other.snap"
is 'but from another in its memory' "$status$stdout$stderr" '0memory 0x40002000+4K differs'

head -c 100000 "$file" >"$work/cut.snap"
QEMU=false boot --describe "$work/cut.snap"
like 'what is cut is not described' "$status $stdout$stderr" '^65 nestling: .*cut'
on_quick_host boot "$work/cut.snap"
like 'a cut one is refused before a host is booted' "$status $stderr" '^65 .*cut'

plan
