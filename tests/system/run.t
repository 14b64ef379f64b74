#!/bin/bash
# SPDX-License-Identifier: MIT
# qemu-run.sh and nestling as PID 1: arguments, outputs and status.
. "$(dirname "$0")/tap.sh"
own_tree

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

# The cases above ran on the default host, those below on one that is quicker to emulate (on_quick_host in tap.sh).
export HOST_APPEND='quiet loglevel=1 mitigations=off'

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
like 'no EL2: says why' "$stderr" '^nestling: /dev/kvm: ENOENT .*virtualization=on'
is 'no EL2: status' "$status" 69

# An error that no check can find before the host is booted.
cat >"$work/qemu" <<-'END'
	#!/bin/bash
	exec qemu-system-aarch64 "${@/\"--strict\"/--memory 12Q}"
END
chmod +x "$work/qemu"
QEMU=$work/qemu boot --strict
like 'PID 1 reports a wrong option, on standard error' "$stderr" '^nestling: --memory 12Q: not a size'
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
head -c 1000000 /dev/zero >"$work/zeros"
: >"$work/empty"
gzip -c build/nestling >"$work/other.gz"
for kernel in "$work/zeros" "$work/empty" "$work/other.gz" build/nestling; do
	KERNEL=$kernel boot
	is "a kernel that is no arm64 Image is refused: ${kernel##*/}" "$status $stderr" \
		"64 qemu-run.sh: KERNEL=$kernel: is no arm64 Image, nor one in gzip"
done
gzip -1 -c build/sysroot/vmlinuz >"$work/Image.gz"
KERNEL=$work/Image.gz boot -a 3 status
is 'one in gzip is taken' "$status$stderr" 3

boot -i nothing hello
is 'an initrd that is not there is named' "$status $stderr" \
	'65 nestling: --initrd nothing: ENOENT (no such file or directory); name a file, or a bundled one'
boot nothing
is 'a payload that is not there: says where to look' "$status $stderr" \
	'65 nestling: nothing: ENOENT (no such file or directory); --list names the bundled payloads'

# ---- guest's output, messages and traces are separate ----

boot --trace=kvm -a 100 lines
is "stdout has the guest's bytes alone, none added" "$(md5sum <"$work/stdout")" \
	"$(seq 100 | md5sum)"
is 'stderr has the trace alone' "$(grep -vE '^[0-9]+\.[0-9]{6} (-|[0-9]+) kvm  [^ ]' "$work/stderr")" ''
like 'to its last line' "$(tail -n 1 "$work/stderr")" 'KVM_EXIT_SYSTEM_EVENT$'
is 'without carriage returns' "$(grep -c $'\r' "$work/stderr")" 0
# events FILE: is it a trace in JSON?
events() {
	perl -MJSON::PP -0777 -e 'print @{ decode_json(<STDIN>) } > 20' <"$1" 2>&1
}
boot --trace-json hello
is '--trace-json on stderr is JSON' "$(events "$work/stderr")" 1
printf 'a\035xb\r\n\004' | timeout -k 5 120 ./qemu-run.sh echo >"$work/stdout"
is 'what is piped in gets there to the byte' "$(od -An -c "$work/stdout" | tr -s ' ')" \
	"$(printf 'ready\na\035xb\r\n' | od -An -c | tr -s ' ')"

# ---- output files are on this machine when the run has ended ----

mkdir "$work/a, b"
boot --trace-file="$work/a, b/trace.json" --trace-json --dump-core "$work/core" hello
is 'a trace and a core: the run is as without' "$status $stdout$stderr" "0 $hello"
is 'the trace is JSON' "$(events "$work/a, b/trace.json")" 1
is 'the core is empty: nothing was dumped' "$(stat -c %s "$work/core")" 0
printf '\001d\001x' | timeout -k 5 120 ./qemu-run.sh -m 64M --dump-core "$work/core" \
	--trace=psci --trace-file "$work/trace" spin >/dev/null 2>&1
is 'a core and a trace without an event: status' "$?" 130
like 'the core is whole' "$(readelf -lW "$work/core" 2>&1 | tr -s ' \n' ' ')" 'CORE.* LOAD [^ ]+ [^ ]+ [^ ]+ 0x4000000 '
is 'and has the size of RAM and 64 KiB' "$(stat -c %s "$work/core")" $(((64 << 20) + (64 << 10)))
is 'the trace is empty' "$(stat -c %s "$work/trace")" 0
boot --dump-dtb "$work/tree" hello
is 'a tree' "$status $stdout$stderr" '0 '
is 'is whole, and no longer' "$(fdtdump "$work/tree" 2>&1 | sed -n 's/.*totalsize:.*(\([0-9]*\))/\1/p')" \
	"$(stat -c %s "$work/tree")"
like 'and a tree' "$(dtc -I dtb "$work/tree" 2>/dev/null)" 'linux,dummy-virt'
# refused MESSAGE ARGUMENT...: qemu-run.sh refuses these before it boots a host.
refused() {
	boot "${@:2}"
	is "$1" "$status $stderr" "64 qemu-run.sh: $1"
}
refused '--dump-core /dev/null: is no regular file' --dump-core /dev/null
refused '--net user,forward=2222:22: there is one already' -n user --net=user,forward=2222:22
KERNEL=$work/Image.gz refused "--net user: beside KERNEL=$work/Image.gz there is no lib/modules of its package" -n user
for net in user,no user,forward=22 bar tap= unix=/s,mac=1 tap=t,mac=01:00:00:00:00:00; do
	boot --net "$net"
	like "--net $net is refused" "$status $stderr" '^64 nestling: --net '
done
refused '--trace-file /no/such/place: cannot be made' --trace-file=/no/such/place
refused "--trace-file $work/x: another option has it, too" --dump-core "$work/x" --trace-file "$work/x"
cat >"$work/ram.sh" <<-'END'
	for option in --trace-file=/tmp/x --dump-core=/tmp/x --dump-dtb=/tmp/x --save=/tmp/x; do
		unshare -pfm nestling $option /payloads/hello.bin </dev/null 2>&1
	done
END
boot --script "$work/ram.sh"
is 'as PID 1 a file in RAM is refused' "$stdout" "$(for option in trace-file dump-core dump-dtb save; do
	echo "nestling: --$option /tmp/x: lies in this host's RAM and would be lost; name a disk, such as /dev/nvme0n1"
	echo 'nestling: exit status 64'
done)"

# ---- a terminal shows what is started ----

levels='qemu-run.sh: machine: arm64 with EL2, which QEMU emulates here
qemu-run.sh: host: Linux boots on it, and has KVM; nestling is its PID 1
qemu-run.sh: guest: what nestling runs in KVM; what it prints follows'
# shellcheck disable=SC2016 # $ is Tcl's
# at_terminal ARGUMENT...: prints what a terminal shows.
at_terminal() {
	arguments=$* timeout -k 5 120 expect -c 'log_user 0; set timeout 110
		spawn -noecho ./qemu-run.sh {*}$env(arguments)
		expect eof; puts -nonewline $expect_out(buffer)' | tr -d '\r'
}
is 'at a terminal: which level is which' "$(at_terminal hello)" "$levels
$hello"
is 'but not with --quiet' "$(at_terminal --quiet hello)" "$hello"

# asked SIGNAL ARGUMENT...: sends qemu-run.sh that once the guest is ready; sets `status`, and `stdout` on one line.
asked() {
	local signal=$1
	shift
	mkfifo "$work/asked"
	timeout --foreground -k 5 300 ./qemu-run.sh "$@" power </dev/null >"$work/asked" 2>"$work/stderr" &
	exec 4<"$work/asked"
	read -r -t 300 line <&4
	kill "-$signal" "$(pgrep -P $!)"
	stdout=$(cat <&4)
	wait $!
	status=$?
	stdout=${line//$'\r'/}$stdout
	exec 4<&-
	rm "$work/asked"
}
asked TERM
is 'SIGTERM asks the guest to switch itself off' "$status $stdout" '0 readypressed'
asked INT --grace=1 -a 1
is 'SIGINT, and it does not: it is ended' "$status $stdout" '130 ready'

# ---- two at once, and signals ----

timeout -k 5 120 ./qemu-run.sh -a 5 status </dev/null >"$work/one" 2>"$work/err1" &
one=$!
timeout -k 5 120 ./qemu-run.sh -a 6 status </dev/null >"$work/two" 2>"$work/err2" &
two=$!
wait $one
is 'two at once: the one' "$? $(cat "$work/one")" '5 '
wait $two
is 'two at once: the other' "$? $(cat "$work/two")" '6 '

# started COMMAND...: starts it in the background as process $!, with its output on descriptor 4.
mkfifo "$work/third"
started() {
	timeout --foreground -k 5 120 env "$@" ./qemu-run.sh -a qemu-run-t spin </dev/null >"$work/third" 2>&1 &
	exec 4<"$work/third"
}
# ended NAME: SIGTERM ends it and all that it has started: no process has its output open any more.
ended() {
	kill $!
	wait $!
	is "$1: a signal ends it, with its status" "$?" 143
	timeout 60 cat <&4 >/dev/null
	is "$1: and all that it has started" "$?" 0
	exec 4<&-
}

exec 5<build
flock 5
started LC_ALL=C
read -r -t 100 line <&4
ended 'a wait for another build'
started LC_ALL=C
read -r -t 100 line <&4
is 'a build that is under way: says that it waits' "$line" \
	"qemu-run.sh: waits for another one, which builds in $PWD/build"
flock -u 5
read -r -t 100 line <&4
is 'and goes on' "$line" spinning
ended 'guest'
is 'QEMU is gone' "$(grep -lsz -- '-a qemu-run-[t] /payloads' /proc/[0-9]*/cmdline)" ''

# make starts another process.
mkdir "$work/bin"
printf '#!/bin/sh\nsh -c "sleep 1000; :"; :\n' >"$work/bin/make"
printf '#!/bin/sh\necho sleeps\nexec %s "$@"\n' "$(command -v sleep)" >"$work/bin/sleep"
chmod +x "$work/bin"/*
started PATH="$work/bin:$PATH"
read -r -t 100 line <&4
is 'a build runs' "$line" sleeps
ended 'a build'

# Its output is not read.
mkfifo "$work/stalled"
exec 6<>"$work/stalled"
timeout --foreground -k 5 120 ./qemu-run.sh lines </dev/null >"$work/stalled" 2>&1 &
while ! read -r -t 1 line <&6; do :; done
kill $!
wait $!
is 'a signal ends it though nobody takes its output' "$?" 143
exec 6>&-

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
is 'two builds of it are identical to the byte' "$(cmp build/rootfs.cpio "$work/copy/build/rootfs.cpio" 2>&1)" ''
out=$(QEMU=false make -s run 2>&1)
is 'make run says the status, for its own is 2' "$? $(grep -o 'run.sh ended with.*' <<<"$out")" '2 run.sh ended with status 70'
QEMU='echo' boot hello
like "the host's kernel does not test its ciphers, nor wait for RCU" "$stderr" ' cryptomgr.notests rcupdate.rcu_expedited=1 '
plan
