#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a Linux host in QEMU with nestling as its whole userland, and a guest inside of it.
set -euo pipefail
# What is closed shall not become another file.
{ : <&0; } 2>/dev/null || exec </dev/null
{ : >&1; } 2>/dev/null || exec >/dev/null
{ : >&2; } 2>/dev/null || exec 2>/dev/null
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

# Debian's kernels test every cipher when they boot, and KVM waits for RCU (docs/appliance.md).
FASTER='cryptomgr.notests rcupdate.rcu_expedited=1'

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
		--trace-file, --dump-core, --dump-dtb FILE: written here, not in the host
		--quiet      does not say on a terminal what is started
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

# ---- a signal ends this and all that it has started: QEMU, or what is fetched and built for it ----

# shellcheck disable=SC2317 # the traps reach these
# end_tree PID: its children are noted first, for who has lost its parent is not found any more.
end_tree() {
	local children child
	children=$(cat /proc/"$1"/task/*/children 2>/dev/null) || :
	[ "$1" = $$ ] || kill "$1" 2>/dev/null || :
	for child in $children; do
		end_tree "$child"
	done
}

# shellcheck disable=SC2317
stop() {
	trap '' HUP INT TERM
	end_tree $$
	wait
	exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM

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
	demo=("$KERNEL" --memory 256M --initrd "$build/guest-rootfs.cpio" --append "console=ttyAMA0 $FASTER")
	;;
--shell | --script)
	rootfs=$build/test-rootfs.cpio init=/init
	[ "$1" = --shell ] || [ -f "${2-}" ] || fail "--script ${2-}: no such file"
	;;
esac

# ---- build; stdout is the guest's alone. One build at a time: others may run from this tree, too ----

# What may take long is in the background: a signal would be put off until it ends.
mkdir -p "$build"
exec 9<"$build"
flock -w 1 9 || {
	echo "qemu-run.sh: waits for another one, which builds in $build" >&2
	flock 9 &
	wait $!
}
# Under a make of its caller's, that one's options and job slots are not for this one.
MAKEFLAGS='' make -s -C "$top" --no-print-directory tools-run all "${rootfs#"$top/"}" \
	${demo:+build/guest-rootfs.cpio} <&0 >&2 9<&- &
wait $!
case ${1-} in
--help | -h)
	run_here --help
	exit
	;;
esac
command -v "$QEMU" >/dev/null || fail "QEMU=$QEMU: no such command"
[ -r "$KERNEL" ] || fail "KERNEL=$KERNEL: cannot be read"
# Its magic number (Documentation/arm64/booting.rst); QEMU unpacks gzip, too.
magic=$(gzip -cdfq "$KERNEL" 2>/dev/null | head -c 60 | tail -c 4 | tr -d '\0') || :
[ "$magic" = $'ARM\x64' ] || fail "KERNEL=$KERNEL: is no arm64 Image, nor one in gzip"

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

# ---- files that nestling writes are disks of the host, handed through ----

outputs=() disks=()
# Sets `disk` to what the file of this option is in the host.
hand_through() {
	local option=$1 file=$2 n=$((${#outputs[@]} + 1)) output
	[ -n "$file" ] || fail "$option: lacks its file"
	[ ! -e "$file" ] || [ -f "$file" ] || fail "$option $file: is no regular file"
	file=$(realpath -m "$file")
	for output in "${outputs[@]}"; do
		[ "${output#* }" != "$file" ] || fail "$option $2: another option writes it, too"
	done
	outputs+=("${option#--} $file")
	disk=/dev/nvme0n$n
	# Under a name without commas, which separate what QEMU's options hold.
	disks+=(-drive "if=none,id=disk$n,file=$work/disk$n,format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap"
		-device "nvme-ns,bus=disks,drive=disk$n,nsid=$n")
}

# Not before all is read: they may be what another option reads.
make_outputs() {
	local output n=0
	trap cut_outputs EXIT
	for output in "${outputs[@]}"; do
		n=$((n + 1))
		{ : >"${output#* }" && truncate -s 64G "${output#* }"; } 2>/dev/null ||
			fail "--${output%% *} ${output#* }: cannot be made"
		ln -s "${output#* }" "$work/disk$n"
	done
}

# shellcheck disable=SC2317
cut_outputs() {
	local output n=0
	for output in "${outputs[@]}"; do
		n=$((n + 1))
		[ ! -L "$work/disk$n" ] || "$top/tools/cut-output.pl" "${output%% *}" "${output#* }" || :
	done
	rm -rf "$work"
}

# ---- arguments as nestling takes them in the host ----

arguments=() checked=() serial_ports=() quiet=
# Its standard error has a port of its own, so that messages are never among what the guest prints.
[ $init != /linuxrc ] || {
	serial_ports=(-device "pci-serial,chardev=messages" -chardev "file,id=messages,path=/dev/fd/8")
	arguments=(--stderr=/dev/ttyS0)
}
option= # whose value is the next argument
for argument in "${demo[@]}" "$@"; do
	prefix=
	if [ -z "$option" ]; then
		case $argument in
		--quiet)
			quiet=yes
			continue
			;;
		--gdb)
			argument=--gdb=/dev/ttyS$((${#serial_ports[@]} / 4))
			serial_ports+=(-device "pci-serial,chardev=gdb"
				-chardev "socket,id=gdb,host=localhost,port=$GDB_PORT,server=on,wait=off")
			;;
		-a | --append | -c | --cpus | -m | --memory | --gic | -i | --initrd | --dtb | \
			--trace-file | --dump-core | --dump-dtb)
			arguments+=("$argument")
			checked+=("$argument")
			option=$argument
			continue
			;;
		-i?*) prefix=-i ;;
		--*=*) prefix=${argument%%=*}= ;;
		esac
	fi
	value=${argument#"$prefix"}
	here=$value # on this machine
	case $init${option:-${prefix%=}} in
	/init | /linuxrc | *-i | *--initrd | *--dtb)
		pack "$value"
		[ -z "$packed" ] || value=$packed here=$file
		;;
	/linuxrc--trace-file | /linuxrc--dump-core | /linuxrc--dump-dtb)
		hand_through "${option:-${prefix%=}}" "$value"
		value=$disk
		;;
	esac
	arguments+=("$prefix$value")
	checked+=("$prefix$here")
	option=
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
command_line="console=ttyAMA0 panic=-1 $FASTER $HOST_APPEND rdinit=$init -- --status-token $token"
for argument in "${arguments[@]}"; do
	[[ $argument != *\"* ]] || fail "$argument: a kernel command line cannot hold quotes"
	[[ $argument != -- ]] || fail "a kernel command line cannot hold a second --"
	command_line+=" \"$argument\""
done
[ ${#command_line} -lt 2048 ] || fail "the arguments are too long for a kernel command line"
[ ${#arguments[@]} -lt 28 ] || fail "too many arguments for a kernel command line"

# ---- boot ----

make_outputs
[ -n "$quiet" ] || [ ! -t 2 ] || cat >&2 <<-END
	qemu-run.sh: machine: arm64 with EL2, which QEMU emulates here
	qemu-run.sh: host: Linux boots on it, and has KVM; $([ $init = /init ] && echo busybox || echo nestling) is its PID 1
	qemu-run.sh: guest: what nestling runs in KVM; what it prints follows
END

machine=virt,gic-version=$HOST_GIC,virtualization=on
[ ${#disks[@]} -eq 0 ] || disks=(-device "nvme,id=disks,serial=disks" "${disks[@]}")
# Of what is piped in no byte is a key.
console=(-display none -monitor none -chardev "stdio,id=console,signal=off" -serial chardev:console)
[ ! -t 0 ] || console=(-nographic -echr 29)
mkfifo "$work/keys" "$work/console" "$work/messages"
# shellcheck disable=SC2086 # QEMU_EXTRA is a list
"$QEMU" -machine "$machine" -cpu "$HOST_CPU" -smp "$HOST_SMP" -m "$HOST_MEMORY" \
	"${console[@]}" -nic none -no-reboot -kernel "$KERNEL" -initrd "$work/initrd" \
	-append "$command_line" "${serial_ports[@]}" "${disks[@]}" $QEMU_EXTRA \
	<"$work/keys" >"$work/console" 8>"$work/messages" 9<&- &
"$top/tools/host-console.pl" "$token" "$work/keys" "$work/console" "$work/messages" <&0 9<&- &
status=0
wait $! || status=$?
exit "$status"
