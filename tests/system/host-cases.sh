#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: nestling from a shell. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# refused STATUS PATTERN ARGUMENT...: nestling ends with this status after one line that matches.
refused() {
	want=$1 pattern=$2
	shift 2
	check "refused: $(echo "$*" | cut -c1-60)" "$want" "$pattern" one_line nestling "$@"
}

one_line() {
	"$@" >out 2>err
	result=$?
	cat err
	[ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] || echo "not just one line on stderr"
	return $result
}

# ---- valid arguments ----

check 'hello' 0 'Hello from the guest, at EL1.*device tree at 0x44000000.' nestling
check 'a bundled payload by name' 0 'Hello*' nestling hello
check 'a file' 0 'Hello*' nestling /payloads/hello.bin
check 'in 2 MiB' 0 'Hello*' nestling -m 2M
check 'GICv2 on request' 0 'Hello*' nestling --gic 2
check '--list' 0 'hello?*bytes' nestling --list
check '--version' 0 'nestling [0-9]*' nestling --version
check '--help' 0 'Usage:*--memory=SIZE*' nestling --help
check "a guest's code" 42 '' nestling -a 42 /payloads/status.bin
check 'codes above 255 stay failures' 255 '' nestling -a 256 /payloads/status.bin
check 'bootargs with blanks' 17 '' nestling --append='17 and more' /payloads/status.bin
check 'nothing there: told once, gives 0' 0 \
	'reading?nestling: guest: read of 4 bytes at 0x30000000, where nothing is: gives 0?read 0' \
	nestling /payloads/fault.bin
check 'nothing there, --strict' 65 'reading?nestling:*0x30000000*ended by --strict' \
	nestling --strict /payloads/fault.bin

resets() {
	nestling "$@" /payloads/reset.bin | head -n 20 | uniq -c | tr -s ' \n' ' '
}
check 'reset by PSCI starts afresh' 0 ' 20 start ' resets
check 'reset by the finisher starts afresh' 0 ' 20 start ' resets -a finisher

gzip -c /payloads/reset.bin >reset.gz
unpacked_again() {
	nestling reset.gz | head -n 20 | uniq -c | tr -s ' \n' ' '
}
check 'a packed payload is unpacked again, in the sandbox' 0 ' 20 start ' unpacked_again

check 'bootargs of 100,000 bytes' 0 'Hello*' nestling -a "$(printf '%0100000d' 0)"
check '--dump-dtb' 0 '' nestling -c 2 -a dumped --dump-dtb tree
check '--dump-dtb: it is the tree' 0 '*dumped*' cat tree
check '--dtb: it is used' 17 '' nestling --dtb tree -a 17 /payloads/status.bin
check '--dtb: its own CPUs and bootargs stay' 0 '2 CPUs ok' nestling -c 2 --dtb tree /payloads/smp.bin

printf 'seventeen letters' >disk
check '--initrd' 0 ok nestling -i disk -a 'seventeen letters' /payloads/initrd.bin

# ---- invalid arguments ----

dd if=/dev/zero of=disk2 bs=1024 count=1536 2>/dev/null
refused 65 '*--initrd disk2: 1572864 bytes do not fit*--memory*' -m 2M -i disk2
refused 65 '*--initrd disk2: 1572864 bytes do not fit*--memory*' -m 2M -i disk2 /payloads/spin.bin

refused 65 '*--dtb /payloads/hello.bin: is no whole device tree*' --dtb /payloads/hello.bin
refused 65 '*no-such: ENOENT*' --dtb no-such
refused 75 '*--dump-dtb /no/such*ENOENT*' --dump-dtb /no/such

refused 64 '*--nonsense*no such option*--help*' --nonsense
refused 64 '*12Q*not a size*64M*' -m 12Q
refused 64 '*--memory 0:*multiple*' -m 0
refused 64 '*--gic 5*from 2 to 3*' --gic 5
refused 64 '*two: a payload is named already, one*' one two
refused 69 '*no vGICv3*--gic*' --gic 3
refused 69 "*--el2: this host's KVM has no such EL2 for guests*FEAT_NV2*kvm-arm.mode=nested" --el2
refused 69 "*--el2=e2h0: this host's KVM has no such EL2 for guests*" --el2=e2h0
refused 64 '*--el2*vhe*' --el2=vhe
refused 75 '*--memory: 524288 MiB: ENOMEM*less*' -m 512G
refused 75 '*--memory: ends at*address bits*less*' -m 1000T
refused 75 '*--cpus 9:*at most 8 with GICv2*' -c 9
refused 75 '*--memory: 4096 MiB: ENOMEM*less*' -m 4G
refused 65 '*none: ENOENT*--list*' none
: >empty
refused 65 '*empty: empty;*' empty
refused 65 '*hello.bin/x: ENOTDIR*' /payloads/hello.bin/x
printf '\037\040\003\325' >large # nop
cp large huge
truncate -s 1573888 large
refused 65 '*large: 1573888 bytes*do not fit into 2 MiB*--memory*' -m 2M large
truncate -s 1G huge
refused 65 '*huge: 1073741824 bytes*do not fit into 128 MiB*' huge

# ---- standard input, output and error ----

check 'stdin closed' 0 'Hello*' sh -c 'nestling <&-'
check 'stdout closed' 0 '' sh -c 'nestling >&-'
check 'all closed' 42 '' sh -c 'nestling -a 42 /payloads/status.bin <&- >&- 2>&-'
check 'stdout full' 75 '*standard output: ENOSPC*' sh -c 'nestling >/dev/full'

# killed SIGNAL: sends it to a nestling that runs spin, and prints the status.
killed() {
	rm -f spinning
	nestling /payloads/spin.bin >spinning &
	until [ -s spinning ] || ! kill -0 $!; do :; done
	kill "-$1" $!
	wait $!
}
check 'SIGTERM' 143 '*' killed TERM
check 'SIGKILL' 137 '*' killed KILL

# ---- /dev/kvm ----

mv /dev/kvm kvm
refused 69 '*/dev/kvm: ENOENT*virtualization=on*'
mknod /dev/kvm c 10 199
refused 69 '*/dev/kvm: ENODEV*no driver*'
rm /dev/kvm
mknod /dev/kvm c 1 3
refused 69 '*/dev/kvm: ENOTTY*not KVM*'
rm /dev/kvm
mv kvm /dev/kvm
chmod 600 /dev/kvm
mkdir -p /etc
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
check 'refused: not root' 69 '*/dev/kvm: EACCES*root*' su nobody -c /bin/nestling

# ---- crt's threads on the real kernel ----

check 'threads and lock' 0 '1..2?ok 1*ok 2*' thread-test
