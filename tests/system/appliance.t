#!/bin/bash
# SPDX-License-Identifier: MIT
# Without a host: options and files are checked before one is booted, and help and lists need none. Then
# appliances, from make to the emulated host.
. "$(dirname "$0")/tap.sh"
own_tree

emulator=qemu-aarch64
[ "$(uname -m)" != aarch64 ] || emulator=

# here ARGUMENT...: runs nestling itself, without a host; sets `status` and `out`, which has both outputs.
here() {
	status=0
	out=$(timeout -k 5 60 $emulator "${nestling:-$PWD/build/nestling}" "$@" </dev/null 2>&1) || status=$?
}

# ---- checks before the boot: QEMU=false, so a boot would end with status 70 ----

# refused NAME STATUS PATTERN ARGUMENT...: nestling refuses these with one line, and nothing else is printed.
refused() {
	local name=$1 want=$2 pattern=$3
	shift 3
	QEMU=false boot "$@"
	is "no host is booted for $name" "$status$stdout $(wc -l <"$work/stderr")" "$want 1"
	like "and nestling says why: $name" "$stderr" "^nestling: $pattern"
}
printf 'ARM\x64' | dd of="$work/short" bs=1 seek=56 status=none
: >"$work/empty"
refused 'a wrong option' 64 '--cpsu: no such option' --cpsu 2 hello
refused 'a wrong size' 64 '--memory 3: takes a multiple of 2 MiB' --memory 3
refused 'a missing payload' 65 'nosuch: ENOENT .*--list names' nosuch
refused 'a missing initrd, not by its list' 65 '--initrd nosuch: ENOENT .*; name a file' -i nosuch hello
refused 'a missing device tree' 65 '--dtb nosuch: ENOENT .*; name a file' --dtb=nosuch hello
refused 'what is no device tree' 65 "--dtb $work/short: is no whole" --dtb "$work/short" hello
refused 'an empty payload' 65 "$work/empty: empty;" "$work/empty"
refused 'a broken payload, by its name here' 65 "$work/short: ends within its header" "$work/short"
refused 'a payload larger than RAM' 65 '.*guest-rootfs.cpio: .*give more --memory' -m 2 build/guest-rootfs.cpio
QEMU=false boot -m 16 --initrd=build/guest-rootfs.cpio status.bin -a 42
is 'a host is booted for what is right' "$status" 70

here --check --gdb-wait hello
like '--check finds what options miss together' "$status $out" '^64 nestling: --gdb-wait: waits for whom'
here --check -m 4T hello
is '--check takes more memory than there is here' "$status$out" 0
here --check hello.bin
is 'a bundled name may have .bin behind it' "$status$out" 0
mkdir "$work/here"
: >"$work/here/hello.bin"
here --check "$work/here/hello.bin"
like 'a path is a file' "$status $out" '^65 .*empty;'
cd "$work/here" || exit
nestling=$OLDPWD/build/nestling here --check hello.bin
like 'a file with just that name comes first' "$status $out" '^65 .*empty;'
nestling=$OLDPWD/build/nestling here --check hello
is 'but not before the bundled name itself' "$status$out" 0
cd "$OLDPWD" || exit

# ---- help and lists ----

QEMU=false boot --help
here --help
is "the script's help ends with the program's" "$status ${stdout: -${#out}}" "0 $out"
like 'and begins with its own' "$stdout" '^Usage: ./qemu-run.sh'
like 'the words of an option are in its help' "$out" '--trace\[=LIST\] +kvm,exit,mmio,irq,psci,virtio,all: '
QEMU=false boot -h
is '-h is --help' "$status ${stdout: -${#out}}" "0 $out"

QEMU=false boot --list
is 'the list has every payload of the tree' "$(awk '{ print $1 }' <<<"$stdout")" \
	"$(cd build/payloads && for elf in [a-z]*.elf; do
		[[ $elf == *-0x* || -f ../../tests/bench/${elf%.elf}.c || -f ../../tests/bench/${elf%.elf}.S ]] ||
			echo "${elf%.elf}"
	done)"
is 'each with a claim in a line' "$(grep -vE '^[a-z_]+ +[^ ].{20,150}\.$' <<<"$stdout")" ''
is 'and whether it ends' "$(grep 'Never ends by itself' <<<"$stdout" | awk '{ print $1 }' | paste -sd ' ')" \
	'echo lines poll print reset shell silence spin storm'
here --list
is "the program's list is what it holds" "$out" "hello	$(stat -c %s build/payloads/hello.bin) bytes"

# ---- an appliance with kernel, initrd and options, and another payload ----

# appliance MANIFEST PAYLOAD...: makes $work/my; sets `status` and `out`, make's output.
appliance() {
	local manifest=$1
	shift
	status=0
	out=$(timeout -k 5 300 make -s appliance OUT="$work/my" PAYLOADS="$*" MANIFEST="$manifest" 2>&1) || status=$?
	out=$(grep -v '^  [A-Z]' <<<"$out")
}

before=$(sha256sum build/nestling build/rootfs.cpio)
cat >"$work/manifest" <<-END
	# "other" is payload status
	other.bin --append '42 and "more"'
	linux -m 256 -i guest-rootfs.cpio -c 2 \
	    -a 'console=ttyAMA0 quiet rdinit=/bin/sh -- -c "/bin/busybox nproc; /bin/busybox poweroff -f"'
END
cp build/sysroot/vmlinuz "$work/linux"
cp build/payloads/status.bin "$work/other"
appliance "$work/manifest" "$work/linux" "$work/other" build/guest-rootfs.cpio
is 'an appliance is made' "$status$out" 0
is 'with an initramfs of one file' "$(cpio -it --quiet <"$work/my.cpio")" linuxrc
is 'which is the appliance' "$(cpio -i --quiet --to-stdout linuxrc <"$work/my.cpio" | sha256sum)" \
	"$(sha256sum <"$work/my")"
make -s all >/dev/null
is 'nestling itself stays what it was' "$(sha256sum build/nestling build/rootfs.cpio)" "$before"

made=$(sha256sum "$work/my" "$work/my.cpio")
export HOST_APPEND='quiet loglevel=1 mitigations=off' # quicker to emulate
boot --appliance "$work/my"
like 'an appliance needs no command line' "$status ${stdout//$'\r'/}" '^0 2$'
boot --appliance "$work/my" -c 1
like 'which can change its options, though' "$status ${stdout//$'\r'/}" '^0 1$'
boot --appliance "$work/my" other
is 'and so has the other payload, by a line for its name with .bin' "$status" 42
boot --appliance "$work/my" other.bin --append 9
is 'which is its name on the command line, too' "$status" 9
boot --appliance "$work/my" --list
like 'it lists what it holds' "$stdout" '^other.[0-9]+ bytes$'
QEMU=false boot --appliance "$work/my" hello
like 'and has nothing else' "$status $stderr" '^65 nestling: hello: ENOENT'
QEMU=false boot --appliance "$work/none"
like 'an appliance that is none is refused' "$status $stderr" '^64 qemu-run.sh: .*none.cpio; make appliance'
is 'boots change nothing of it' "$(sha256sum "$work/my" "$work/my.cpio")" "$made"

# ---- one that goes on from a snapshot ----

boot -m 16 --save "$work/warm.snap" --save-at=end warm
is 'a guest is saved' "$status$stdout" '0asks'
appliance '' "$work/warm.snap"
is 'a snapshot makes an appliance' "$status$out" 0
printf rrq >"$work/keys"
out=$(bounded ./qemu-run.sh --appliance "$work/my" <"$work/keys" 2>&1)
is 'it goes on, and again after each reset' "$?$out" "0$(printf 'resumed\nresumed\nresumed')"
cat >"$work/maps" <<-'END'
	mkfifo keys
	/payloads/my <keys >got &
	exec 3>keys
	for key in r q; do
		times=$((times + 1)); until [ "$(grep -c resumed got)" = $times ]; do usleep 1000; done
		# Beside its own data.
		[ "$(grep -c 'rw-p.*/payloads/my$' /proc/$!/maps)" -gt 2 ] && echo mapped
		printf $key >&3
	done
	wait $!
END
boot --script "$work/maps" "$work/my"
is 'its memory is a mapping of the program' "$status$stdout" "0$(printf 'mapped\nmapped')"

# wrong NAME PATTERN LINE...: make refuses a manifest with these lines.
wrong() {
	local name=$1 pattern=$2
	shift 2
	printf '%s\n' "$@" >"$work/manifest"
	rm -f "$work/my"
	appliance "$work/manifest" "$work/other" build/payloads/hello.bin
	[ -e "$work/my" ] && status=0
	like "$name" "$status $(tr '\n' ';' <<<"$out")" "^[^0].*$pattern"
}
wrong 'an unknown option ends make with its message' '--cpsu: no such option.*manifest: other is refused' \
	'other --cpsu 2'
wrong 'also of a payload that is not the first' '--memory 3: .*manifest: hello.bin is refused' \
	'other -a 1' 'hello.bin -m 3'
wrong 'a file that is not bundled is missed' '--initrd Makefile: ENOENT' 'other -i Makefile'
wrong 'a name that is no payload is refused' 'nobody is no payload of other hello' 'nobody -c 2'
wrong 'two lines for one payload are refused' 'two lines for hello' 'hello -c 2' 'hello.bin -c 1'
wrong 'half a quote is refused' "cannot be parsed: -a '42" "other -a '42"
appliance '' "$work/empty"
like 'an empty payload makes no appliance' "$status $out" '^[^0].*empty: empty;'

like 'PAYLOADS without an appliance is told what it wants' \
	"$(PAYLOADS=x make -n 2>&1)" 'PAYLOADS and MANIFEST are for: make appliance OUT=FILE'
like 'and so is an appliance without a name' "$(make -n appliance PAYLOADS=x 2>&1)" 'make appliance OUT=FILE'
like "nestling's own name is taken" "$(make -n appliance OUT=./build/nestling PAYLOADS=x 2>&1)" 'give another name'
plan
