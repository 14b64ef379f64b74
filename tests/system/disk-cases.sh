#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: nestling's disks, on files in memory and on NVMe disks, used by payload
# disk. nvme0n1 has 1 MiB, nvme0n2 an ext4, and nvme0n3 fails to read sector 512 and to write sector 128.
# shellcheck source=cases.sh
. /payloads/cases.sh

# disk WORDS ARGUMENT...: prints the output of payload and nestling, on one line, and the status.
disk() {
	words=$1
	shift
	nestling /payloads/disk.bin -a "$words" "$@" </dev/null >said 2>&1
	result=$?
	tr '\n' ';' <said
	echo $result
}

sum() { md5sum "$1" | cut -d ' ' -f 1; }
fresh() { dd if=/dev/zero of=image bs=512 count="$1" 2>/dev/null; }
write_at() { printf '%s' "$3" | dd of="$1" bs=512 seek="$2" conv=notrunc 2>/dev/null; }

# ---- in memory ----

fresh 64
write_at image 3 there
is 'size, and no serial number' "$(disk i -d image)" '64 sectors, version 2;serial: ;0'
is 'serial number' "$(disk i -d image,serial=a-serial)" '64 sectors, version 2;serial: a-serial;0'
is 'a long one is cut to 20 bytes' "$(disk i -d image,serial=abcdefghijklmnopqrstuvwxyz)" \
	'64 sectors, version 2;serial: abcdefghijklmnopqrst;0'
is 'reads and writes' "$(disk 'r3 w5=hello f r5 r4' -d image)" \
	'read 3: there;write 5: ok;flush: ok;read 5: hello;read 4: ;0'
is 'it is in the file' "$(head -c 2565 image | tail -c 5)" hello
is 'the last sector, and none behind it' "$(disk 'r63 r64 w64=x r99999999' -d image)" \
	'read 63: ;read 64: I/O error;write 64: I/O error;read 99999999: I/O error;0'
is 'zeroes, discard' "$(disk 'z5 r5 t3 r63' -d image)" 'zeroes 5: ok;read 5: ;discard 3: ok;read 63: ;0'
is 'the file has its size' "$(stat -c %s image)" 32768

write_at image 3 there
before=$(sum image)
is 'ro: is shown, and a write is an error' "$(disk 'i r3 w3=x f z3 t3 r3' -d image,ro)" \
	'64 sectors, version 2, read only;serial: ;read 3: there;write 3: I/O error;flush: ok;zeroes 3: I/O error;discard 3: I/O error;read 3: there;0'
is 'volatile: takes what is written' "$(disk 'r3 w3=new r3 z4 f t5 r3' -d image,volatile)" \
	'read 3: there;write 3: ok;read 3: new;zeroes 4: ok;flush: ok;discard 5: ok;read 3: new;0'
is 'and forgets it' "$(disk 'r3' -d image,volatile)" 'read 3: there;0'
is 'legacy' "$(disk 'i w5=legacy f r5 r3' -d image,legacy)" \
	'64 sectors, version 1;serial: ;write 5: ok;flush: ok;read 5: legacy;read 3: there;0'
is 'several, in the order of the command line' "$(fresh 8 && cp image one && fresh 9 && cp image two &&
	disk 'i @1 i @2 i' -d one --disk=two,ro -dhello,volatile)" \
	"8 sectors, version 2;serial: ;9 sectors, version 2, read only;serial: ;$((($(stat -c %s /payloads/hello.bin) + 511) / 512)) sectors, version 2;serial: ;0"

head -c 1000 /dev/zero >odd
is '1000 bytes are two sectors' "$(disk 'i r1 w1=second r1 r0' -d odd)" \
	'2 sectors, version 2;serial: ;read 1: ;write 1: ok;read 1: second;read 0: ;0'
printf x >odd
is 'one byte is a sector' "$(disk 'i r0 r1' -d odd,ro)" \
	'1 sectors, version 2, read only;serial: ;read 0: x;read 1: I/O error;0'
is 'bundled, volatile' "$(disk 'w0=x r0' -d hello,volatile)" 'write 0: ok;read 0: x;0'
is 'bundled, ro' "$(disk 'w0=x' -d hello.bin,ro)" 'write 0: I/O error;0'

# refused NAME STATUS PATTERN ARGUMENT...
refused() {
	name=$1 want=$2 pattern=$3
	shift 3
	got=$(disk i "$@")
	# shellcheck disable=SC2254,SC2027 # it is a pattern
	case $got in
	"nestling: --disk "$pattern";"$want) report 0 "$name: refused" ;;
	*) is "$name: refused" "$got" "$pattern;$want" ;;
	esac
}
fresh 8
: >empty
mkdir directory
refused 'bundled, to be written' 64 'hello: is bundled and cannot be changed; add ,ro or ,volatile' -d hello
refused 'empty file' 65 'empty: is empty; give it a size, as truncate(1) does' -d empty
refused 'missing file' 65 'none: ENOENT*' -d none
refused 'directory' 65 'directory: EISDIR*' -d directory
refused 'directory, ro' 65 'directory: is neither a file nor a block device' -d directory,ro
refused 'no block device' 65 '/dev/null: is neither*' -d /dev/null
refused 'unknown word' 64 'image,wo: wo is nothing*' -d image,wo
refused 'twice' 75 'image: is in use*' -d image -d image
refused 'twice, once ro' 75 'image: is in use*' -d image -d image,ro
is 'twice, both not written' "$(disk '@1 r0' -d image,ro -d image,volatile)" 'read 0: ;0'

# ---- while it runs ----

# running WORDS ARGUMENT...: starts it in the background, until it has printed a line; its keys are descriptor 3.
rm -f keys && mkfifo keys
running() {
	words=$1
	shift
	: >out
	: >err
	nestling /payloads/disk.bin -a "$words" "$@" <keys >out 2>err &
	exec 3>keys
	until [ "$(wc -l <out)" -gt 0 ] || ! kill -0 $!; do :; done
}
# finished NAME WANTED: waits for its end; its output, on one line, and its status are WANTED.
finished() {
	wait $!
	result=$?
	exec 3>&-
	is "$1" "$(cat out err | tr '\n' ';')$result" "$2"
}

fresh 64
running 'k r1 r9 r40 r41 r1' -d image
refused 'in use by another' 75 'image: is in use*' -d image
truncate -s 4096 image
printf x >&3
finished 'a file that shrinks: I/O errors, and one line' \
	'key?;read 1: ;read 9: I/O error;read 40: I/O error;read 41: I/O error;read 1: ;nestling: --disk image: read of 512 bytes at 4608: EIO (input/output error); the guest gets an I/O error, further ones are not reported;0'

# busy DISK: resets of the guest with requests under way.
busy() {
	disk x -d "$1" | grep -o 'up;\|[0-9]* resets;.*' | uniq -c | tr -s ' \n' ' '
}
dd if=/dev/zero of=image bs=65536 count=8 2>/dev/null
is 'resets with requests under way' "$(busy image)" ' 10 up; 1 10 resets;0 '
is 'volatile: what was written stays' "$(write_at image 0 "$(printf '\003')" && busy image,volatile)" ' 7 up; 1 10 resets;0 '

# ---- on NVMe ----

is 'NVMe: reads, writes, flushes' "$(disk 'i w7=medium f r7 z8 t9 r8 r2047 r2048' -d /dev/nvme0n1)" \
	'2048 sectors, version 2;serial: ;write 7: ok;flush: ok;read 7: medium;zeroes 8: ok;discard 9: ok;read 8: ;read 2047: ;read 2048: I/O error;0'
is 'NVMe: it is there' "$(dd if=/dev/nvme0n1 bs=512 skip=7 count=1 2>/dev/null | head -c 6)" medium
before=$(sum /dev/nvme0n1)
is 'NVMe: ro' "$(disk 'r7 w7=x' -d /dev/nvme0n1,ro)" 'read 7: medium;write 7: I/O error;0'
is 'NVMe: volatile' "$(disk 'w7=x r7' -d /dev/nvme0n1,volatile)" 'write 7: ok;read 7: x;0'
is 'NVMe: legacy' "$(disk 'r7 w9=legacy f r9' -d /dev/nvme0n1,legacy,ro)" \
	'read 7: medium;write 9: I/O error;flush: ok;read 9: ;0'
is 'NVMe: none has changed it' "$(sum /dev/nvme0n1)" "$before"
echo 3 >/proc/sys/vm/drop_caches
is 'NVMe: cold pages' "$(disk 'r7 r8' -d /dev/nvme0n1,volatile)" 'read 7: medium;read 8: ;0'
for how in '' --no-sandbox --strict '-c 4' --uart=plain; do
	# shellcheck disable=SC2086 # words
	is "NVMe: with ${how:-nothing else}" "$(disk 'w7=medium f r7' -d /dev/nvme0n1 $how)" \
		'write 7: ok;flush: ok;read 7: medium;0'
done
is 'NVMe: resets with requests under way' "$(busy /dev/nvme0n1)" ' 10 up; 1 10 resets;0 '
echo 3 >/proc/sys/vm/drop_caches
is 'NVMe: a rule is broken with requests under way' "$(disk 'b r7' -d /dev/nvme0n1)" 'needs a reset;read 7: medium;0'
is '--trace=mmio' "$(disk 'r7' -d /dev/nvme0n1 --trace=mmio | tr ';' '\n' | grep -c 'virtio0* *QueueNotify <- ')" 1

mkdir /tmp/mounted
mount -t ext4 /dev/nvme0n2 /tmp/mounted
refused 'NVMe: mounted' 75 '/dev/nvme0n2: is in use*' -d /dev/nvme0n2
is 'a file on ext4' "$(cd /tmp/mounted && cp /tmp/odd . && truncate -s 9000 odd && disk 'i w3=x f r3 w17=end f r17' -d odd)" \
	'18 sectors, version 2;serial: ;write 3: ok;flush: ok;read 3: x;write 17: ok;flush: ok;read 17: end;0'
umount -l /tmp/mounted # mounts in a sandbox's namespace are removed a little after its end

is 'a host I/O error: one line' "$(disk 'r1 r512 r513 r1' -d /dev/nvme0n3)" \
	'read 1: ;nestling: --disk /dev/nvme0n3: read of 512 bytes at 262144: EIO (input/output error); the guest gets an I/O error, further ones are not reported;read 512: I/O error;read 513: I/O error;read 1: ;0'
is 'a write that fails later: the flush says so' "$(disk 'w128=x f f r1' -d /dev/nvme0n3 | sed 's/nestling: [^;]*;[^;]*;//')" \
	'write 128: ok;flush: I/O error;flush: ok;read 1: ;0'

# ---- ends ----

for image in image /dev/nvme0n1; do
	for how in '' ,volatile; do
		echo 3 >/proc/sys/vm/drop_caches
		running l -d $image$how -c 2
		kill -TERM $!
		finished "$image$how: SIGTERM while it reads" 'reads;143'
	done
done
