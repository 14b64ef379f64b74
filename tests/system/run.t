#!/bin/bash
# SPDX-License-Identifier: MIT
# qemu-run.sh and nestling as PID 1: what goes in, what comes out, with which status.
. "$(dirname "$0")/tap.sh"

hello='Hello from the guest, at EL1.
Counter frequency 62500000 Hz, MIDR 0x411fd070, device tree at 0x44000000.'

boot
is 'no argument: the screen shows what the guest says' "$stdout" "$hello"
is 'and nothing else' "$stderr" ''
is 'and the status is 0' "$status" 0

boot --append 42 status
is "a guest's code is the status" "$status$stdout" 42

HOST_GIC=3 boot
is 'the same on a host with GICv3' "$status $stdout" "0 $hello"

HOST_CPU=max,pauth-impdef=on boot
is 'and on a host at EL2 with VHE, BTI and PAC' "$status ${stdout%% MIDR*}" "0 ${hello%% MIDR*}"

boot forge
is 'a forged final line passes through' "$stdout" 'nestling: exit status 0
nestling: 0123456789abcdef exit status 0'
is 'and does not change the status' "$status" 7

boot --probe
like 'probe: version' "$stdout" '^kvm_api_version = 12 '
like 'probe: GICv2' "$stdout" '^KVM_DEV_TYPE_ARM_VGIC_V2 = 1 '
like 'probe: no GICv3 here' "$stdout" '^KVM_DEV_TYPE_ARM_VGIC_V3 = 0 '
like 'probe: breakpoints of a Cortex-A57' "$stdout" '^KVM_CAP_GUEST_DEBUG_HW_BPS = 6 '
is 'probe: status' "$status" 0

QEMU_EXTRA='-machine virtualization=off' boot --probe
like 'no EL2: says why' "$stdout" '^nestling: /dev/kvm: ENOENT .*virtualization=on'
is 'no EL2: status' "$status" 69

# One that no check has seen before the host was booted.
cat >"$work/qemu" <<-'END'
	#!/bin/bash
	exec qemu-system-aarch64 "${@/\"--strict\"/--memory 12Q}"
END
chmod +x "$work/qemu"
QEMU=$work/qemu boot --strict
like 'PID 1 reports a wrong option' "$stdout" '^nestling: --memory 12Q: not a size'
is 'and powers off with its status' "$status" 64

cp build/payloads/status.bin "$work/other"
boot --append="two words" -a 9 "$work/other"
is 'a file is packed along' "$status$stdout" 9

boot --initrd="$work/other" -i"$work/other" hello
is 'and so is one behind an equals sign or a letter' "$status" 0

mkdir "$work/twice"
cp build/payloads/hello.bin "$work/twice/other"
boot "$work/other" "$work/twice/other"
is 'two files of one name are refused' "$status $stderr" \
	"64 qemu-run.sh: two files are named other: rename one"

boot --append 'a "quote"' status
like 'a quote is refused' "$status $stderr" '^64 qemu-run.sh: .* cannot hold quotes'

KERNEL=/no/such boot
is 'a missing kernel is told' "$status $stderr" '64 qemu-run.sh: KERNEL=/no/such: cannot be read'

# Two at once from one tree, and a third whose end must take QEMU along.
timeout -k 5 120 ./qemu-run.sh -a 5 status </dev/null >"$work/one" 2>&1 &
one=$!
timeout -k 5 120 ./qemu-run.sh -a 6 status </dev/null >"$work/two" 2>&1 &
two=$!
wait $one
is 'two at once: the one' "$? $(cat "$work/one")" '5 '
wait $two
is 'two at once: the other' "$? $(cat "$work/two")" '6 '
mkfifo "$work/third"
timeout --foreground -k 5 120 ./qemu-run.sh -a qemu-run-t spin </dev/null >"$work/third" 2>&1 &
exec 4<"$work/third"
read -r -t 100 line <&4
kill $!
timeout 20 cat <&4 >/dev/null # until nobody has it open any more
is 'a signal to qemu-run.sh ends QEMU' \
	"$(grep -lsz -- '-a qemu-run-[t] /payloads' /proc/[0-9]*/cmdline)" ''
exec 4<&-

QEMU=false boot
like 'a host that never ran is told' "$status $stderr" '^70 qemu-run.sh: the host ended without'

HOST_MEMORY=300M boot --help
like 'help shows what is in force' "$stdout" 'HOST_MEMORY=300M$'
like 'and what the defaults are' "$stdout" 'HOST_CPU=cortex-a57$'

is 'the initramfs holds one file' "$(cpio -it --quiet <build/rootfs.cpio)" linuxrc
mkdir "$work/copy" "$work/copy/build"
cp -a Makefile crt devices payloads rootfs tests tools vmm "$work/copy"
ln -s "$PWD/build/sysroot" "$work/copy/build/sysroot"
make -s -C "$work/copy" build/rootfs.cpio >/dev/null
cmp -s build/rootfs.cpio "$work/copy/build/rootfs.cpio"
report $? 'two builds of it are identical to the byte'
plan
