#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a Linux host in QEMU with nestling as its whole userland, which runs a guest.
set -euo pipefail
# Opens standard descriptors that are closed: other files must not get their numbers.
{ : <&0; } 2>/dev/null || exec </dev/null
{ : >&1; } 2>/dev/null || exec >/dev/null
{ : >&2; } 2>/dev/null || exec 2>/dev/null
export LC_ALL=C # lengths are bytes
top=$(dirname "$(realpath "$0")")
build=$top/build

: "${HOST_NESTED:=}"
[ "${1-} ${2-}" != '--demo nested' ] || HOST_NESTED=1
# A host whose guests have EL2. A tick of its clock must not take longer than the next one is away: time is counted in
# instructions.
if [ -n "$HOST_NESTED" ]; then
	: "${HOST_CPU:=max,pauth-impdef=on}" "${HOST_GIC:=3}" "${HOST_MEMORY:=1G}"
	: "${HOST_APPEND:=quiet loglevel=1 mitigations=off kvm-arm.mode=nested}"
	: "${QEMU:=$top/tools/nested-qemu.sh}" "${QEMU_EXTRA:=-icount shift=0,sleep=off}"
	: "${KERNEL:=$build/nested/host/vmlinuz}"
fi
: "${HOST_CPU:=cortex-a57}"
: "${HOST_GIC:=2}"
: "${HOST_SMP:=1}"
: "${HOST_MEMORY:=512M}"
: "${HOST_APPEND:=quiet loglevel=1}"
: "${QEMU:=qemu-system-aarch64}"
: "${QEMU_EXTRA:=}"
: "${GDB_PORT:=1234}"
: "${KERNEL:=$build/sysroot/vmlinuz}"

# Shortens the boot: Debian's kernels test every cipher, and KVM waits for RCU (docs/appliance.md).
FASTER='cryptomgr.notests rcupdate.rcu_expedited=1'

help() {
	cat <<-END
		Usage: ./qemu-run.sh [ARGUMENT]...
		       ./qemu-run.sh --appliance FILE [ARGUMENT]...
		       ./qemu-run.sh --demo linux|resume|disk|net|uefi|nested [ARGUMENT]...
		       ./qemu-run.sh --shell [FILE]...
		       ./qemu-run.sh --script SCRIPT [FILE]...

		Builds what is missing, packs rootfs.cpio, boots a host in QEMU and nestling in it, with
		all ARGUMENTs, which are checked first. Files among them are packed along, and so is a
		payload of this tree by its name (--list). Exits with the guest's status.

		--appliance  boots FILE.cpio, as "make appliance OUT=FILE" made it
		--disk FILE  a disk of the guest: a file of this machine, which the guest changes; or one that
		             is packed along by its name, with ,ro or ,volatile
		--variables FILE
		             likewise: firmware's variables, in a file of this machine
		--net user[,forward=PORT:PORT]...[,mac=ADDRESS][,legacy]
		             a network in which the guest gets an address by DHCP and reaches what this machine does, and
		             this machine itself as 10.0.2.2; a forwarded port of this machine is the guest's second one
		--trace-file, --dump-core, --dump-dtb, --save FILE: written here, not in the host
		--quiet      does not say on a terminal what is started
		--gdb        lets gdb debug the guest: gdb-multiarch -ex 'target remote :$GDB_PORT'
		--demo       Linux in Linux: the guest is the host's kernel, with busybox; "linux" to its prompt;
		             "resume" to its prompt, where it is saved, and then from there, with a command;
		             "disk" from a root file system on a disk: changes a file, reboots and finds it;
		             "net" on a network: fetches a page from this machine, and serves one back;
		             "uefi" from a disk with a boot manager, by EDK2;
		             "nested" at EL2, with KVM and nestling in it, whose ARGUMENTs they are (hello)
		--shell      boots busybox to a prompt instead, with nestling in its path
		--script     boots busybox, runs SCRIPT in it and exits with its status
		--describe, --diff  of nestling's options, as the first: boot no host
		--list       every payload of this tree, with what it shows
		--help       this text

		Environment, with the value it has now:
		  HOST_NESTED=$HOST_NESTED
		  HOST_CPU=$HOST_CPU
		  HOST_GIC=$HOST_GIC
		  HOST_SMP=$HOST_SMP
		  HOST_MEMORY=$HOST_MEMORY
		  HOST_APPEND=$HOST_APPEND
		  QEMU=$QEMU
		  QEMU_EXTRA=$QEMU_EXTRA
		  GDB_PORT=$GDB_PORT
		  KERNEL=$KERNEL
		HOST_NESTED=1 is for a host whose guests have EL2 (--el2), and fetches what that takes.
		HOST_APPEND goes to the host's kernel, QEMU_EXTRA to QEMU. Ctrl-A x ends the guest, Ctrl-A h
		says what else there is; Ctrl-] x ends QEMU itself. SIGTERM and SIGINT ask the guest to switch
		itself off, as Ctrl-A p does; a second one ends QEMU. What nestling itself takes:

	END
}

# Runs nestling on this machine, for what needs no KVM.
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

# ---- a signal ends this script and all that it has started: QEMU, fetching or building ----

# shellcheck disable=SC2317 # the traps reach these
# end_tree PID: ends a process and its descendants. Its children are listed first, because they cannot be
# found any more once it has ended.
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

# ---- what is to run: nestling as PID 1, or busybox ----

nestling=$build/nestling rootfs=$build/rootfs.cpio init=/linuxrc demo_name='' demo=() demo_files=() payloads=$build/payloads
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
	payloads=/dev/null # names are those of its own payloads, not of this tree's
	shift 2
	;;
--demo)
	case ${2-} in
	linux)
		demo=("$KERNEL" --memory 256M --initrd "$build/guest-rootfs.cpio" --append "console=ttyAMA0 $FASTER")
		demo_files=(build/guest-rootfs.cpio)
		;;
	resume)
		shift 2
		exec "$top/tools/demo-resume.sh" "$@"
		;;
	disk) # with this kernel, because its modules are in the initramfs
		demo=("$build/sysroot/vmlinuz" --memory 256M --initrd "$build/disk-rootfs.cpio"
			--append "console=ttyAMA0 quiet $FASTER" --disk "$build/demo-disk.img")
		demo_files=(build/disk-rootfs.cpio build/demo-disk.cpio)
		;;
	net)
		demo=("$build/sysroot/vmlinuz" --memory 256M --initrd "$build/net-rootfs.cpio")
		demo_files=(build/net-rootfs.cpio)
		;;
	uefi)
		demo=(--memory 256M --firmware "$build/firmware/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
			--disk "$build/demo-uefi.img" --variables "$build/demo-uefi.vars")
		demo_files=(build/guest-rootfs.cpio build/firmware/.complete)
		;;
	nested) # its arguments are set below
		;;
	*) fail "--demo ${2-}: there are six demos, linux, resume, disk, net, uefi and nested" ;;
	esac
	demo_name=$2
	shift 2
	;;
--shell | --script)
	rootfs=$build/test-rootfs.cpio init=/init
	[ "$1" = --shell ] || [ -f "${2-}" ] || fail "--script ${2-}: no such file"
	;;
esac

[ -z "$HOST_NESTED" ] || demo_files+=(build/nested/.complete)

# ---- build, with output to stderr, because stdout is for the guest. A lock keeps builds of other
# qemu-run.sh in this tree apart ----

# What may take long runs in the background, because the shell handles a signal only after a foreground
# command has ended.
mkdir -p "$build"
exec 9<"$build"
flock -w 1 9 || {
	echo "qemu-run.sh: waits for another one, which builds in $build" >&2
	flock 9 &
	wait $!
}
# MAKEFLAGS is cleared, because options and job slots of a make that called this script do not apply here.
MAKEFLAGS='' make -s -C "$top" --no-print-directory tools-run all "${rootfs#"$top/"}" \
	"${demo_files[@]}" <&0 >&2 9<&- &
wait $!
case ${1-} in
--help | -h)
	run_here --help
	exit
	;;
--describe | --diff) # of snapshots, which are here
	run_here "$@"
	exit
	;;
esac
[ -z "$HOST_NESTED" ] || [ -e "$build/nested/.complete" ] ||
	fail 'HOST_NESTED: the packages that it takes could not be fetched'
command -v "$QEMU" >/dev/null || fail "QEMU=$QEMU: no such command"
[ -r "$KERNEL" ] || fail "KERNEL=$KERNEL: cannot be read"
# An arm64 Image has a magic number (Documentation/arch/arm64/booting.rst); QEMU unpacks gzip, too.
magic=$(gzip -cdfq "$KERNEL" 2>/dev/null | head -c 60 | tail -c 4 | tr -d '\0') || :
[ "$magic" = $'ARM\x64' ] || fail "KERNEL=$KERNEL: is no arm64 Image, nor one in gzip"

work=$(mktemp -d) helpers=()
# shellcheck disable=SC2317 # a trap reaches it
clean_up() {
	[ ${#helpers[@]} -eq 0 ] || kill "${helpers[@]}" 2>/dev/null || :
	rm -rf "$work"
}
trap clean_up EXIT
cp "$rootfs" "$work/initrd"

# ---- the disk of --demo disk: a root file system, created anew each time ----

PATH+=:/usr/sbin:/sbin # for mke2fs and debugfs: PATH has these for root only
disk_image=build/demo-disk.img
# take_image IMAGE: a demo's, unless another has it in use. Descriptor 7 is its lock while it is made.
take_image() {
	exec 7>>"$top/$1"
	flock -n 7 || fail "$1: is in use by another demo"
}

make_demo_disk() {
	mkdir "$work/root" "$work/root/dev" "$work/root/proc"
	(cd "$work/root" && cpio -idm --quiet <"$build/demo-disk.cpio")
	take_image "$disk_image"
	: >"$top/$disk_image"
	mke2fs -q -t ext4 -E root_owner=0:0 -d "$work/root" "$top/$disk_image" 32M
	exec 7>&-
}

# Prints what the guest has written to the disk, when it has ended. Fails if it has written nothing.
show_demo_disk() {
	local note
	note=$(debugfs -R 'cat /note' "$top/$disk_image" 2>/dev/null)
	[ -n "$note" ] || fail "$disk_image: there is no /note in it"
	echo "qemu-run.sh: $disk_image, where the guest's disk stays until the next demo, has /note: $note" >&2
}

[ "$demo_name" != disk ] || make_demo_disk

# ---- the disk of --demo uefi: an EFI system partition with systemd-boot and Debian's kernel ----

[ "$demo_name" != uefi ] || {
	[ -e "$build/firmware/.complete" ] || fail '--demo uefi: the packages of its firmware could not be fetched'
	take_image build/demo-uefi.img
	"$top/tools/efi-disk.sh" "$build/demo-uefi.img" "$build/sysroot/vmlinuz" "$build/guest-rootfs.cpio" \
		"console=ttyAMA0 quiet $FASTER"
	exec 7>&-
	[ -s "$build/demo-uefi.vars" ] || truncate -s 1M "$build/demo-uefi.vars"
}

# ---- the servers of --demo net: this machine's, and the guest's, whose port is forwarded ----

# start_demo_net: sets the demo's other arguments.
start_demo_net() {
	"$top/tools/demo-http.pl" serve "$work/ports" 'This page is served by the developer'\''s machine.' </dev/null 9<&- &
	helpers+=($!)
	until [ -s "$work/ports" ]; do
		kill -0 $! 2>/dev/null || fail '--demo net: there is no HTTP server'
		sleep 0.1
	done
	read -r page_port guest_port <"$work/ports"
	demo+=(--append "console=ttyAMA0 quiet $FASTER page=http://10.0.2.2:$page_port/"
		--net "user,forward=$guest_port:80")
	"$top/tools/demo-http.pl" get "$guest_port" </dev/null >"$work/page" 9<&- &
	helpers+=($!)
}

show_demo_net() {
	local tries=50 # it may be about to be written
	until [ -s "$work/page" ]; do
		[ $((tries -= 1)) -gt 0 ] || fail '--demo net: the guest has served no page'
		sleep 0.1
	done
	echo "qemu-run.sh: http://127.0.0.1:$guest_port/, which was the guest's, says: $(cat "$work/page")" >&2
}

[ "$demo_name" != net ] || start_demo_net

# ---- files among the arguments are packed along, as /payloads/NAME ----

list=$work/list
: >"$list"

# pack NAME: if it is a file, or a payload of this tree, packs it, and sets `packed` to its path in the host
# and `file` to its path here; else sets `packed` to nothing.
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

# ---- the guest of --demo nested: the host's kernel, whose PID 1 is nestling with the demo's arguments ----

# start_demo_nested ARGUMENT...: sets the demo's own.
start_demo_nested() {
	local argument inner=
	for argument; do
		[[ $argument != *[[:space:]]* ]] || fail "--demo nested $argument: a blank cannot be passed on"
		pack "$argument"
		inner+=" ${packed:-$argument}"
	done
	"$top/rootfs/pack.sh" "$work/payloads.cpio" <"$list"
	cat "$rootfs" "$work/payloads.cpio" >"$work/inner.cpio"
	: >"$list"
	demo=("$KERNEL" --el2 --no-reboot --memory 256M --initrd "$work/inner.cpio" --append
		"console=ttyAMA0 quiet loglevel=1 mitigations=off panic=-1 $FASTER rdinit=/linuxrc -- ${inner# }")
}
[ "$demo_name" != nested ] || {
	start_demo_nested "${@:-hello}"
	set --
}

# ---- files of this machine that nestling writes, or uses as disks, become NVMe disks of the host ----

handed=() outputs=() locks=() disks=()
# add_disk OPTION FILE HOW: adds a disk, whose file will be linked as $work/disk$n, with HOW for QEMU's
# -drive. Sets `disk` to its name in the host.
add_disk() {
	local n=$((${#handed[@]} + 1))
	handed+=("$1 $2")
	disk=/dev/nvme0-ns$n
	# The link's name has no commas, which would separate QEMU's options.
	disks+=(-drive "if=none,id=disk$n,file=$work/disk$n,format=raw,discard=unmap,$3"
		-device "nvme-ns,bus=disks,drive=disk$n,nsid=$n")
}

# hand_output OPTION FILE: adds a disk for the output file of an option, and sets `disk`.
hand_output() {
	local option=$1 file=$2 other
	[ -n "$file" ] || fail "$option: lacks its file"
	[ ! -e "$file" ] || [ -f "$file" ] || fail "$option $file: is no regular file"
	file=$(realpath -m "$file")
	for other in "${handed[@]}"; do
		[ "${other#* }" != "$file" ] || fail "$option $2: another option has it, too"
	done
	add_disk "$option" "$file" cache=unsafe,detect-zeroes=unmap
	# A snapshot takes the place of an older one when it is complete.
	[ "$option" != --save ] || file=$file.part
	outputs[${#handed[@]}]="${option#--} $file"
}

# Empties the output files. Not before the initramfs is packed, because another option may read them.
make_outputs() {
	local n output
	trap cut_outputs EXIT
	for n in "${!outputs[@]}"; do
		output=${outputs[n]}
		{ : >"${output#* }" && truncate -s 64G "${output#* }"; } 2>/dev/null ||
			fail "--${output%% *} ${output#* }: cannot be made"
		ln -s "${output#* }" "$work/disk$n"
	done
}

# keep_snapshot FILE: nothing was saved, or not all of it, if it is empty.
# shellcheck disable=SC2317
keep_snapshot() {
	if [ -s "$1" ]; then mv "$1" "${1%.part}"; else rm -f "$1"; fi
}

# Truncates the output files to their contents.
# shellcheck disable=SC2317
cut_outputs() {
	local n output
	for n in "${!outputs[@]}"; do
		output=${outputs[n]}
		[ -L "$work/disk$n" ] || continue
		"$top/tools/cut-output.pl" "${output%% *}" "${output#* }" || continue
		[ "${output%% *}" != save ] || keep_snapshot "${output#* }"
	done
	clean_up
}

# hand_disk FILE[,HOW]: sets `value` to the value of --disk in the host, and `here` to that for a check on this
# machine, if they differ. A name that is no file may be a bundled payload, which nestling checks.
hand_disk() {
	local file=${1%%,*} how=${1#"${1%%,*}"} writes=yes other lock=-x
	[[ $how, != *,ro,* && $how, != *,volatile,* ]] || writes='' lock=-s
	if [ ! -e "$file" ]; then
		pack "$file"
		[ -z "$packed" ] || [ -z "$writes" ] ||
			fail "--disk $1: is packed into the host's RAM and cannot be changed; add ,ro or ,volatile"
		[ -z "$packed" ] || value=$packed$how here=$file$how
		return 0
	fi
	[ -f "$file" ] || fail "--disk $file: is no regular file"
	file=$(realpath "$file")
	for other in "${handed[@]}"; do
		[ "${other#* }" != "$file" ] || [[ $other == --disk* ]] || fail "--disk $1: another option has it, too"
	done
	add_locked --disk "$file" "$lock" "$([ -n "$writes" ] || echo ,readonly=on)"
	value=$disk$how
}

# add_locked OPTION FILE LOCK HOW: adds a disk that nestling uses as one, and sets `disk`.
add_locked() {
	# Not cache=unsafe, because what the guest has flushed must be in the file even if QEMU is killed.
	add_disk "$1" "$2" "cache=writeback$4"
	ln -s "$2" "$work/disk${#handed[@]}"
	locks+=("$3 $2")
}

# hand_variables FILE: sets `value`.
hand_variables() {
	local file other
	[ -f "$1" ] || fail "--variables $1: is no regular file"
	file=$(realpath "$1")
	for other in "${handed[@]}"; do
		[ "${other#* }" != "$file" ] || fail "--variables $1: another option has it, too"
	done
	add_locked --variables "$file" -x ''
	value=$disk
}

# Locks the disks' files, as nestling does, for as long as QEMU runs. It comes after nestling's --check, which
# locks them itself for a moment.
lock_disks() {
	local lock fd
	for lock in "${locks[@]}"; do
		exec {fd}<"${lock#* }"
		flock -n "${lock%% *}" "$fd" || fail "${lock#* }: is in use"
	done
}

# ---- a network for the guest: one of QEMU's, to whose wire the host has an interface ----

# Where the package of the host's kernel has its modules.
find_modules() {
	local kernel directory
	kernel=$(realpath "$KERNEL")
	for directory in "${kernel%/*}/../lib/modules/${kernel##*/vmlinuz-}" "${kernel%/*}"; do
		[ ! -d "$directory/kernel" ] || {
			echo "$directory"
			return
		}
	done
	fail "--net user: beside KERNEL=$KERNEL there is no lib/modules of its package"
}

network=(-nic none) modules=() grace=10
# Sets `value` to what --net user[,...] is in the host.
hand_net() {
	local part parts=() hows='' directory module name file forwards=''
	[ ${#modules[@]} -eq 0 ] || fail "--net $1: there is one already"
	IFS=, read -ra parts <<<"$1"
	for part in "${parts[@]:1}"; do
		if [[ $part =~ ^forward=([0-9]+):([0-9]+)$ ]]; then
			forwards+=",hostfwd=tcp:127.0.0.1:${BASH_REMATCH[1]}-10.0.2.15:${BASH_REMATCH[2]}"
		else
			hows+=,$part
		fi
	done
	network=(-netdev "user,id=net$forwards" -device "virtio-net-device,netdev=net" -global virtio-mmio.force-legacy=false)
	directory=$(find_modules)
	UNPACKED=$work "$top/rootfs/modules.sh" "$directory" virtio_mmio virtio_net >"$work/modules"
	while read -r module name file; do
		echo "$module $name $file" >>"$list"
		modules+=("--module=/$name")
	done <"$work/modules"
	value=packet=eth0$hows
}

# ---- arguments as nestling takes them in the host ----

arguments=() checked=() serial_ports=() quiet=
# nestling's standard error has a serial port of its own, so that messages are never mixed with the guest's
# output.
[ $init != /linuxrc ] || {
	serial_ports=(-device "pci-serial,chardev=messages" -chardev "file,id=messages,path=/dev/fd/8")
	arguments=(--stderr=/dev/ttyS0)
}
option= # the option whose value is the next argument
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
		-a | --append | -c | --cpus | -m | --memory | --gic | -i | --initrd | -d | --disk | -n | --net | --dtb | --grace | --module | \
			--firmware | --variables | --trace-file | --dump-core | --dump-dtb | --save)
			arguments+=("$argument")
			checked+=("$argument")
			option=$argument
			continue
			;;
		-d?* | -i?* | -n?*) prefix=${argument:0:2} ;;
		--*=*) prefix=${argument%%=*}= ;;
		esac
	fi
	value=${argument#"$prefix"}
	here=$value # the same for a check on this machine
	case $init${option:-${prefix%=}} in
	/init | /linuxrc | *-i | *--initrd | *--dtb | *--firmware)
		pack "$value"
		[ -z "$packed" ] || value=$packed here=$file
		;;
	/linuxrc--trace-file | /linuxrc--dump-core | /linuxrc--dump-dtb | /linuxrc--save)
		hand_output "${option:-${prefix%=}}" "$value"
		value=$disk
		;;
	/linuxrc-d | /linuxrc--disk)
		hand_disk "$value"
		;;
	/linuxrc--variables)
		hand_variables "$value"
		;;
	/linuxrc-n | /linuxrc--net)
		[[ $value, != user,* ]] || hand_net "$value"
		here=$value
		;;
	/linuxrc--grace)
		grace=$value
		;;
	/linuxrc--module)
		pack "${value%%,*}"
		[ -z "$packed" ] || value=$packed${value#"${value%%,*}"}
		;;
	esac
	arguments+=("$prefix$value")
	checked+=("$prefix$here")
	option=
done
arguments+=("${modules[@]}")
if [ -s "$list" ]; then
	"$top/rootfs/pack.sh" "$work/payloads.cpio" <"$list"
	cat "$work/payloads.cpio" >>"$work/initrd"
fi
# nestling checks its arguments here, before a host is booted in vain. Busybox's are not checked.
[ "$init" != /linuxrc ] || run_here --check "${checked[@]}"
lock_disks
flock -u 9

# ---- arguments go on the kernel's command line, behind "--"; kernel/params.c knows quotes but no escapes ----

token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
# rdinit= comes last, because it makes the kernel drop what it has taken for init's arguments before it.
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
# If standard input is no terminal, no byte of it is a key of QEMU's: there is no Ctrl-] menu.
console=(-display none -monitor none -chardev "stdio,id=console,signal=off" -serial chardev:console)
[ ! -t 0 ] || console=(-nographic -echr 29)
mkfifo "$work/keys" "$work/console" "$work/messages"
# shellcheck disable=SC2086 # QEMU_EXTRA is a list
"$QEMU" -machine "$machine" -cpu "$HOST_CPU" -smp "$HOST_SMP" -m "$HOST_MEMORY" \
	"${console[@]}" "${network[@]}" -no-reboot -kernel "$KERNEL" -initrd "$work/initrd" \
	-append "$command_line" "${serial_ports[@]}" "${disks[@]}" $QEMU_EXTRA \
	<"$work/keys" >"$work/console" 8>"$work/messages" 9<&- &
GRACE=$((grace + 30)) "$top/tools/host-console.pl" "$token" "$work/keys" "$work/console" "$work/messages" <&0 9<&- &
watcher=$!

# ask STATUS: the guest, to switch itself off. A second signal ends all, as one of host-console.pl's does if
# it cannot ask. Nestling ends who does not listen with the status of SIGTERM.
asked=
# shellcheck disable=SC2317
ask() {
	[ -z "$asked" ] || stop "$asked"
	asked=$1
	kill -USR1 "$watcher" || stop "$1"
}
[ $init != /linuxrc ] || trap 'ask 130' INT
[ $init != /linuxrc ] || trap 'ask 143' TERM

# A signal interrupts it.
while
	before=$asked status=0
	wait "$watcher" || status=$?
	[ "$before" != "$asked" ]
do :; done
[ "$asked" != 130 ] || [ $status != 143 ] || status=130
case $demo_name$status in
disk0) show_demo_disk ;;
net0) show_demo_net ;;
esac
exit "$status"
