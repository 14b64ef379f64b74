#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints where device tree and initrd are, by payload `place`, a line for each case: place-cases.sh
# [PAYLOADS]. place.t runs it with the directory of the payloads, for QEMU, and without one as a script in
# the host, for nestling.
if [ $# -gt 0 ]; then
	payloads=$1
	# run MEMORY KERNEL [INITRD]
	run() {
		timeout -k 5 60 qemu-system-aarch64 -machine virt -cpu cortex-a57 -display none -nic none \
			-serial stdio -monitor none -m "$1" -kernel "$2" ${3:+-initrd "$3"} </dev/null 2>&1
	}
else
	payloads=/payloads
	cd /tmp || exit
	echo 1 >/proc/sys/vm/overcommit_memory # the guest's RAM may be larger than the host's
	run() {
		nestling -m "$1" "$2" ${3:+-i "$3"} </dev/null 2>&1
	}
fi

# grow FILE BYTES: extends a file by a hole at its end.
grow() {
	dd if=/dev/zero of="$1" bs=1 count=0 seek=$(($2)) 2>/dev/null
}

# word NUMBER...: prints each as four bytes, little-endian.
word() {
	for value; do
		for shift in 0 8 16 24; do
			# shellcheck disable=SC2059 # the format is the byte
			printf "\\$(printf %03o $((value >> shift & 255)))"
		done
	done
}

# An arm64 Image (booting.rst, 4.) with the payload a page behind its header: image TEXT-OFFSET IMAGE-SIZE
image() {
	word 0x14000400 0xd503201f "$1" 0 "$2" 0 # b .+0x1000; nop
	word 0 0 0 0 0 0 0 0 0x644d5241 0        # "ARM\x64"
	head -c 4032 /dev/zero
	cat "$payloads/place.bin"
}

# try NAME FILE MEMORY INITRD-BYTES: without an initrd if that is 0.
try() {
	initrd=
	if [ $(($4)) -gt 0 ]; then
		initrd=initrd
		rm -f initrd
		grow initrd "$4"
	fi
	echo "$1, -m $3, initrd $4: $(run "$3" "$2" $initrd | tr -d '\r')"
}

flat=$payloads/place.bin
for memory in 4M 6M 32M 64M 128M 130M 256M 1G 4G; do
	try flat "$flat" $memory 0
done
for size in 1 0x1000 0x1fffff 0x200000 0x200001 0x2000000; do
	try flat "$flat" 128M $size
done
try flat "$flat" 256M 0x3000000
for size in 0x3f80000 0x3f80001 0x4180001; do # that end in the middle of RAM, and beyond
	cp "$flat" grown
	grow grown $size
	for initrd in 0 0x1001; do
		try "flat of $size" grown 128M $initrd
	done
done
gzip <"$flat" >packed
try 'flat in gzip' packed 128M 1

while read -r offset size; do
	image "$offset" "$size" >made
	try "Image at $offset of $size" made 128M 1
done <<END
0 0x20000
0 0x4000001
0x1000 0x20000
0x1000 0x4000001
0x80000 0x4000000
0xfc000 0x20000
0x3fff000 0x20000
END
image 0x80000 0 >made
try 'Image of an old kernel' made 128M 1
image 0 0x20000 | gzip >packed
try 'Image in gzip' packed 256M 0

for elf in 0x40100000 0x40280000; do
	for memory in 8M 128M 1G; do
		try "ELF at $elf" "$payloads/place-$elf.elf" $memory 0
	done
done
