#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# What a person sees at a terminal: the demo, U-Boot, Debian's installer.
source [file dirname [info script]]/tap.tcl

start --demo linux
see "demo: Linux boots to a prompt" "Booting Linux on physical CPU" "/ # "
send "sh -c 'echo on\\ly; sleep 1000'\r"
see "demo: a command" only
send \003
see "demo: Ctrl-C brings the prompt back" "/ # "
send poweroff\r
end "demo: poweroff" 0

if {![file exists $guests/.complete]} {
	skip "U-Boot, Debian's installer" "their packages could not be fetched"
	plan
	exit
}

foreach file {u-boot.bin uboot.elf} {
	start $guests/usr/lib/u-boot/qemu_arm64/$file
	see "$file: runs" "Hit any key to stop autoboot"
	send " "
	see "$file: prompt" "=> "
	send version\r
	see "$file: version" aarch64-linux-gnu-gcc "=> "
	send "md.l 0x9000fe0 4\r"
	see "$file: reads the PL011's identification" "00000011 00000010" "=> "
	send poweroff\r
	end "$file: poweroff" 0
}

set installer $guests/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64
set env(HOST_MEMORY) 1536M
start $installer/linux -i $installer/initrd.gz -m 768M
see "Debian's installer: first screen" "Select a language"
send \001x
end "Debian's installer: Ctrl-A x" 130

plan
