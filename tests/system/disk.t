#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks: nestling's, within the host, and qemu-run.sh's, which are files of this machine.
. "$(dirname "$0")/tap.sh"

# ---- in a host of two CPUs, with NVMe disks ----

# attach NSID DRIVE-OPTIONS: QEMU's arguments for another NVMe disk.
attach() {
	printf -- '-drive if=none,id=n%s,%s -device nvme-ns,bus=disks,drive=n%s,nsid=%s ' "$1" "$2" "$1" "$1"
}
# bad EVENT SECTOR N: blkdebug's option for an error that occurs each time.
bad() {
	printf 'file.inject-error.%s.event=%s,file.inject-error.%s.sector=%s' "$3" "$1" "$3" "$2"
}
truncate -s 1M "$work/disk1" "$work/disk3"
truncate -s 8M "$work/disk2"
PATH=$PATH:/usr/sbin:/sbin
mke2fs -q -t ext4 "$work/disk2"
QEMU_EXTRA="-device nvme,id=disks,serial=disks $(attach 1 "file=$work/disk1,format=raw")$(attach 2 "file=$work/disk2,format=raw"
	)$(attach 3 "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=$work/disk3,$(
		bad read_aio 512 0),$(bad write_aio 128 1)")" \
	HOST_SMP=2 boot --script tests/system/disk-cases.sh tests/system/cases.sh
# QEMU reports each injected error.
is 'host: ends well' "$status$(grep -v 'aio failed: Input/output error' <<<"$stderr")" 0
cases "$stdout" 'host: '
is 'host: what the guest has flushed is in the file of the NVMe disk' "$(head -c 3590 "$work/disk1" | tail -c 6)" medium

# ---- qemu-run.sh: files of this machine ----

# refused MESSAGE STATUS ARGUMENT...: qemu-run.sh refuses these before it boots a host.
refused() {
	boot "${@:3}"
	is "refused: ${1//$work/}" "$status $stderr$stdout" "$2 $1"
}
image=$work/image
truncate -s 1M "$image"
: >"$work/out"
: >"$work/empty"
refused "nestling: --disk $work/none: ENOENT (no such file or directory)" 65 -d "$work/none"
refused "nestling: --disk $work/empty: is empty; give it a size, as truncate(1) does" 65 --disk="$work/empty"
refused "qemu-run.sh: --disk $work: is no regular file" 64 -d"$work"
refused "qemu-run.sh: --disk /dev/null: is no regular file" 64 -d /dev/null,ro
refused "nestling: --disk $image,wo: wo is nothing that it takes; --help says what is" 64 -d "$image,wo"
refused "nestling: --disk $image: is in use; a disk can be shared only if each has it with ,ro or ,volatile" 75 \
	-d "$image" -d "$image,ro"
refused "qemu-run.sh: --disk $image: another option has it, too" 64 --dump-core "$image" -d "$image"
refused "qemu-run.sh: --disk spin: is packed into the host's RAM and cannot be changed; add ,ro or ,volatile" 64 -d spin
exec 3<"$image"
flock 3
refused "nestling: --disk $image: is in use; a disk can be shared only if each has it with ,ro or ,volatile" 75 -d "$image"
exec 3<&-

mkdir "$work/a b"
truncate -s 1000 "$work/a b/odd"
printf there >"$work/a b/there"
boot disk -d "$work/a b/odd,serial=outside" -d"$work/a b/there,ro" --disk="$work/a b/there,volatile" -d spin,volatile \
	--trace-file "$work/trace" -a 'i w1=inside f @1 i r0 w0=x @2 r0 w0=y r0 @3 w0=z r0'
is 'files of this machine: what the guest sees' "$status$stderr $stdout" '0 2 sectors, version 2
serial: outside
write 1: ok
flush: ok
1 sectors, version 2, read only
serial: 
read 0: there
write 0: I/O error
read 0: there
write 0: ok
read 0: y
write 0: ok
read 0: z'
is 'files of this machine: what was written is there' "$(tail -c +513 "$work/a b/odd" | head -c 6)" inside
is 'files of this machine: what is ro or volatile is as it was' "$(cat "$work/a b/there")" there

{
	until grep -q reads "$work/out" || [ -e "$work/ended" ]; do sleep 0.1; done
	printf '\001x'
} | {
	bounded ./qemu-run.sh -a l -d "$image" disk >"$work/out" 2>&1
	echo $? >"$work/ended"
}
is 'Ctrl-A x while the guest reads' "$(cat "$work/ended" "$work/out")" "130
reads"

plan
