#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/made.tar and /payloads/made.list from
# make-payloads.pl, and place linked for several places: every payload is started, or refused in one line.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# try NAME STATUS PATTERN COMMAND...: a guest that is not started has nothing to say but why.
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
