#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/made.tar and /payloads/made.list from
# make-payloads.pl, and place linked for several addresses: each payload is started, or refused with one line.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# try NAME STATUS PATTERN COMMAND...: if no guest is started, the only output is a line that says why.
try() {
	name=$1 want=$2 pattern=$3
	shift 3
	"$@" >out 2>err </dev/null
	got=$?
	if [ "$got" = "$want" ] && { [ -z "$pattern" ] || cat out err | grep -qE -- "$pattern"; } &&
		{ [ "$want" = 0 ] || { [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ]; }; }; then
		report 0 "$name"
	else
		report 1 "$name"
		{ echo "status $got, wanted $want and $pattern, got:" && cat out err; } | head -c 1000 | sed 's/^/# /'
	fi
}

tar -x -C /payloads -f /payloads/made.tar
while IFS=';' read -r file want pattern options; do
	# shellcheck disable=SC2086 # options are words
	try "${file#/payloads/}" "$want" "$pattern" nestling $options "$file"
done </payloads/made.list

for elf in /payloads/place-0x*.elf; do
	where=${elf#*-} && where=${where%.elf}
	tree=0x40000000
	[ "$where" != $tree ] || tree=0x44000000
	try "linked for $where" 0 "^tree $tree\$" nestling "$elf"
done

try 'no copy of the tree where it reserves the start of RAM' 0 'does not hold: big_endian' \
	sh -c 'nestling --dtb /payloads/dtb-reserved-base /payloads/memory.bin || :'

# ---- firmware ----

printf '\37\213\10' >fw.gz
printf 'QFI\373' >fw.qcow2
cp /payloads/hello.bin fw
truncate -s 64M fw && cp fw vars; : >fw.large; truncate -s 67108865 fw.large
try 'firmware' 0 '' nestling --check --firmware fw --variables vars
try 'firmware in gzip' 65 'fw.gz: is compressed by gzip.* a raw image' nestling --firmware fw.gz
try 'firmware in qcow2' 65 'fw.qcow2: is a qcow2 image.* a raw image' nestling --firmware fw.qcow2
try 'firmware that is an ELF' 65 'no A64 instruction' nestling --firmware /bin/busybox
try 'firmware larger than its bank' 65 '--firmware fw.large: has 67108865 bytes' nestling --firmware fw.large
try 'no such firmware' 65 '--firmware nothing: ENOENT' nestling --firmware nothing
try 'firmware with a kernel that is no EFI program' 65 'hello: is no EFI program' nestling --firmware fw hello
try 'firmware, to be saved' 0 '' nestling --check --firmware fw --variables vars --save x
try 'variables in gzip' 65 'fw.gz: is compressed by gzip' nestling --variables fw.gz hello
try 'variables in qcow2' 65 'fw.qcow2: is a qcow2 image' nestling --variables fw.qcow2 hello
try 'variables larger than their bank' 65 '--variables fw.large: has 67108865 bytes' nestling --variables fw.large hello
try 'no variables' 65 '--variables nothing: ENOENT' nestling --variables nothing hello
try 'empty variables' 65 '--variables empty: is empty' sh -c ': >empty; nestling --variables empty hello'
try 'variables in use' 75 '--variables vars: is in use$' nestling --variables vars -d vars hello
try 'variables that are a device' 65 '--variables /dev/zero: is neither' nestling --variables /dev/zero hello

long=$(head -c 5000 /dev/zero | tr '\0' n)
try 'a name of 5,000 characters' 65 'nnn: ENAMETOOLONG' nestling "$long"
try 'no such file' 65 'nothing: ENOENT.*--list' nestling nothing
try 'a directory' 65 '/payloads: not a regular file' nestling /payloads
try 'a device' 65 '/dev/zero: not a regular file' nestling /dev/zero
try 'a FIFO without a writer' 65 'fifo: not a regular file' sh -c 'mkfifo fifo; nestling fifo'
try 'an initrd that is a directory' 65 '/tmp: not a regular file' nestling hello -i /tmp
cp /payloads/flat forbidden && chmod 0 forbidden && mkdir -p /etc &&
	echo 'nobody:x:1000:1000::/:/bin/sh' >/etc/passwd
try 'a file without permission' 65 'forbidden: EACCES' \
	start-stop-daemon -S -c nobody -x /bin/nestling -- forbidden
