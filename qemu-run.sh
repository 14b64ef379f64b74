#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a Linux host in QEMU with nestling as its whole userland, and a guest inside of it.
set -euo pipefail
{ : <&0; } 2>/dev/null || exec </dev/null # it may be closed
export LC_ALL=C # lengths are bytes
top=$(dirname "$(realpath "$0")")
build=$top/build

: "${HOST_CPU:=cortex-a57}"
: "${HOST_GIC:=2}"
: "${HOST_SMP:=1}"
: "${HOST_MEMORY:=512M}"
: "${HOST_APPEND:=quiet loglevel=1}"
: "${QEMU:=qemu-system-aarch64}"
: "${QEMU_EXTRA:=}"
: "${GDB_PORT:=1234}"
: "${KERNEL:=$build/sysroot/vmlinuz}"

help() {
	cat <<-END
		Usage: ./qemu-run.sh [ARGUMENT]...
		       ./qemu-run.sh --appliance FILE [ARGUMENT]...
		       ./qemu-run.sh --demo linux [ARGUMENT]...
		       ./qemu-run.sh --shell [FILE]...
		       ./qemu-run.sh --script SCRIPT [FILE]...

		Builds what is missing, packs rootfs.cpio, boots a host in QEMU and nestling in it, with
		all ARGUMENTs, which are checked first. Files among them are packed along, and so is a
		payload of this tree by its name (--list). Exits with the guest's status.

		--appliance  boots FILE.cpio, as "make appliance OUT=FILE" made it
		--gdb        lets gdb debug the guest: gdb-multiarch -ex 'target remote :$GDB_PORT'
		--demo       Linux in Linux: the guest is the host's kernel, with busybox to its prompt
		--shell      boots busybox to a prompt instead, with nestling in its path
		--script     boots busybox, runs SCRIPT in it and exits with its status
		--list       every payload of this tree, with what it shows
		--help       this text

		Environment, with the value it has now:
		  HOST_CPU=$HOST_CPU
		  HOST_GIC=$HOST_GIC
		  HOST_SMP=$HOST_SMP
		  HOST_MEMORY=$HOST_MEMORY
		  HOST_APPEND=$HOST_APPEND
		  QEMU=$QEMU
		  QEMU_EXTRA=$QEMU_EXTRA
		  GDB_PORT=$GDB_PORT
		  KERNEL=$KERNEL
		HOST_APPEND goes to the host's kernel, QEMU_EXTRA to QEMU. Ctrl-A x ends the guest, Ctrl-A h
		says what else there is; Ctrl-] x ends QEMU itself. What nestling itself takes:

	END
}

# Runs nestling here, on the developer's machine, for what needs no KVM.
run_here() {
	if [ "$(uname -m)" = aarch64 ]; then
		"$nestling" "$@" </dev/null
	else
		qemu-aarch64 "$nestling" "$@" </dev/null
	fi
}

fail() {
	echo "qemu-run.sh: $*" >&2
	exit 64
}

# ---- what shall run: nestling as PID 1, or busybox ----

nestling=$build/nestling rootfs=$build/rootfs.cpio init=/linuxrc demo=() payloads=$build/payloads
case ${1-} in
--help | -h)
	help
	;;
--list)
	exec "$top/tools/list-payloads.sh"
	;;
--appliance)
	{ [ -f "${2-}" ] && [ -r "$2.cpio" ]; } ||
		fail "--appliance ${2-}: there are no ${2-} and ${2-}.cpio; make appliance OUT=${2-FILE} makes them"
	nestling=$(realpath "$2") rootfs=$(realpath "$2.cpio")
	payloads=/dev/null # its names are those of what it holds
	shift 2
	;;
--demo)
	[ "${2-}" = linux ] || fail "--demo ${2-}: there is one demo, linux"
	shift 2
	demo=("$KERNEL" --memory 256M --initrd "$build/guest-rootfs.cpio" --append console=ttyAMA0)
	;;
--shell | --script)
	rootfs=$build/test-rootfs.cpio init=/init
	[ "$1" = --shell ] || [ -f "${2-}" ] || fail "--script ${2-}: no such file"
	;;
esac

# ---- build; stdout is the guest's alone. One build at a time: others may run from this tree, too ----

mkdir -p "$build"
exec 9<"$build"
flock 9
# Under a make of its caller's, that one's options and job slots are not for this one.
MAKEFLAGS='' make -s -C "$top" --no-print-directory tools-run all "${rootfs#"$top/"}" \
	${demo:+build/guest-rootfs.cpio} >&2
case ${1-} in
--help | -h)
	run_here --help
	exit
	;;
esac
command -v "$QEMU" >/dev/null || fail "QEMU=$QEMU: no such command"
[ -r "$KERNEL" ] || fail "KERNEL=$KERNEL: cannot be read"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$rootfs" "$work/initrd"

# ---- files among the arguments are packed along, as /payloads/NAME ----

list=$work/list
: >"$list"

# Sets `packed` to the name that a file, or a payload of this tree, has in the host, and `file` to the one
# it has here; else `packed` to nothing.
pack() {
	local name path
	file=$1 packed=
	[[ $file != -* ]] || return 0
	[ -f "$file" ] || file=$payloads/${1%.bin}.bin
	[ -f "$file" ] || return 0
	path=$(realpath "$file")
	name=payloads/$(basename "$path")
	if ! grep -qxF "file $name $path" "$list"; then
		! grep -qF "file $name " "$list" || fail "two files are named ${name#*/}: rename one"
		[[ $name != *[[:space:]]* ]] || fail "$1: has a blank in its name: rename it"
		echo "file $name $path" >>"$list"
	fi
	packed=/$name
}

arguments=() checked=() gdb=()
previous=
for argument in "${demo[@]}" "$@"; do
	packed=
	prefix=
	case $argument in
	--gdb) # over a second serial port of the host
		gdb=(-device "pci-serial,chardev=gdb"
			-chardev "socket,id=gdb,host=localhost,port=$GDB_PORT,server=on,wait=off")
		argument=--gdb=/dev/ttyS0
		;;
	--initrd=* | --dtb=*) prefix=${argument%%=*}= ;;
	-i?*) prefix=-i ;;
	esac
	case $previous in
	-a | --append | -c | --cpus | -m | --memory | --gic | --dump-dtb | --dump-core | --trace-file) ;; # this is no file, whatever it is called
	*) pack "${argument#"$prefix"}" ;;
	esac
	arguments+=("${packed:+$prefix}${packed:-$argument}")
	[ -z "$packed" ] || argument=$prefix$file
	checked+=("$argument")
	previous=$argument
done
if [ -s "$list" ]; then
	"$top/rootfs/pack.sh" "$work/payloads.cpio" <"$list"
	cat "$work/payloads.cpio" >>"$work/initrd"
fi
# By nestling's own rules, before a host is booted for what cannot run. Busybox takes what it is given.
[ "$init" != /linuxrc ] || run_here --check "${checked[@]}"
flock -u 9

# ---- arguments go on the kernel's command line, behind "--" (kernel/params.c: quotes, no escapes) ----

token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
# rdinit= comes last: it clears what the kernel takes for init's arguments before it.
command_line="console=ttyAMA0 panic=-1 $HOST_APPEND rdinit=$init -- --status-token $token"
for argument in "${arguments[@]}"; do
	[[ $argument != *\"* ]] || fail "$argument: a kernel command line cannot hold quotes"
	[[ $argument != -- ]] || fail "a kernel command line cannot hold a second --"
	command_line+=" \"$argument\""
done
[ ${#command_line} -lt 2048 ] || fail "the arguments are too long for a kernel command line"
[ ${#arguments[@]} -lt 28 ] || fail "too many arguments for a kernel command line"

# ---- boot ----

machine=virt,gic-version=$HOST_GIC,virtualization=on
mkfifo "$work/keys" "$work/console"
# In the background, so that a signal to this script ends QEMU.
# shellcheck disable=SC2086 # QEMU_EXTRA is a list
"$QEMU" -machine "$machine" -cpu "$HOST_CPU" -smp "$HOST_SMP" -m "$HOST_MEMORY" \
	-nographic -echr 29 -nic none -no-reboot -kernel "$KERNEL" -initrd "$work/initrd" \
	-append "$command_line" "${gdb[@]}" $QEMU_EXTRA <"$work/keys" >"$work/console" 9<&- &
qemu=$!
"$top/tools/host-console.pl" "$token" "$work/keys" "$work/console" <&0 9<&- &
console=$!
# Whatever ends this ends QEMU.
trap 'kill $qemu 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'kill $qemu 2>/dev/null || :; wait $console; exit 143' HUP INT TERM
status=0
wait $console || status=$?
exit "$status"
