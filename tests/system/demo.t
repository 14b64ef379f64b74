#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# What a person sees at a terminal: the demo, U-Boot, Debian's installer. THOROUGH: the demo of snapshots, and U-Boot's
# environment in flash, which it writes word by word.
source [file dirname [info script]]/tap.tcl

start --demo linux
see "demo: Linux boots to a prompt" "Booting Linux on physical CPU" "/ # "
send "sh -c 'echo on\\ly; sleep 1000'\r"
see "demo: a command" only
send \003
see "demo: Ctrl-C brings the prompt back" "/ # "
send "cat /proc/cmdline\r"
see "demo: its kernel does not test its ciphers, nor wait for RCU" "cryptomgr.notests rcupdate.rcu_expedited=1" "/ # "
send poweroff\r
end "demo: poweroff" 0

if {![file exists $guests/.complete]} {
	skip "U-Boot, Debian's installer" "their packages could not be fetched"
	plan
	exit
}

# A disk with a partition, and an ext4 in that; the one U-Boot has it as a device of version 2, the other of version 1.
set work [exec mktemp -d]
exec sh -c {PATH=$PATH:/usr/sbin:/sbin; mkdir $0/root; echo 'On the disk.' >$0/root/file
	truncate -s 4M $0/ext4 && mke2fs -q -t ext4 -d $0/root $0/ext4
	perl -e 'print pack "x446 x4 Cx3 VV x48 v", 0x83, 2048, 8192, 0xaa55' >$0/disk
	truncate -s 1M $0/disk; cat $0/ext4 >>$0/disk} $work
foreach {file how} {u-boot.bin ro uboot.elf ro,legacy} {
	start -d $work/disk,$how $guests/usr/lib/u-boot/qemu_arm64/$file
	see "$file: runs" "Hit any key to stop autoboot"
	send " "
	see "$file: prompt" "=> "
	send version\r
	see "$file: version" aarch64-linux-gnu-gcc "=> "
	send "md.l 0x9000fe0 4\r"
	see "$file: reads the PL011's identification" "00000011 00000010" "=> "
	send "virtio scan\r"
	see "$file: looks for disks" "=> "
	send "virtio info\r"
	see "$file: finds one" "QEMU VirtIO Block Device" "(10240 x 512)" "=> "
	send "ls virtio 0:1\r"
	see "$file: lists a directory of it" "13 file" "=> "
	send "load virtio 0:1 0x42000000 file\r"
	see "$file: reads a file of it" "13 bytes read" "=> "
	send poweroff\r
	end "$file: poweroff" 0
}
exec rm -r $work

if {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""} {
	start --demo resume
	see "resume: Linux is saved at its prompt" "/ # " "nestling: saved to"
	see "resume: goes on from there, and answers" "s since it booted"
	see "resume: says how long both took" "demo: from the guest's start to the prompt of Linux" "to the answer"
	end "resume: status" 0

	set work [exec mktemp -d]
	exec truncate -s 64M $work/flash
	start --variables $work/flash $guests/usr/lib/u-boot/qemu_arm64/u-boot.bin
	see "flash: U-Boot runs" "Hit any key to stop autoboot"
	send " "
	see "flash: prompt" "=> "
	send "setenv greeting hello-flash\r"
	see "flash: setenv" "=> "
	send "saveenv\r"
	see "flash: saveenv" "Writing to Flash... done" "OK" "=> "
	send "reset\r"
	see "flash: reset" "Hit any key to stop autoboot"
	send " "
	see "flash: prompt after it" "=> "
	send "printenv greeting\r"
	see "flash: the environment is there" "greeting=hello-flash" "=> "
	send \001x
	end "flash: the power is cut" 130
	start --variables $work/flash $guests/usr/lib/u-boot/qemu_arm64/u-boot.bin
	see "flash: U-Boot runs again" "Hit any key to stop autoboot"
	send " "
	see "flash: prompt" "=> "
	send "printenv greeting\r"
	see "flash: the environment is there, too" "greeting=hello-flash" "=> "
	send poweroff\r
	end "flash: poweroff" 0
	exec rm -r $work
}

set installer $guests/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64
set env(HOST_MEMORY) 1536M
start $installer/linux -i $installer/initrd.gz -m 768M
see "Debian's installer: first screen" "Select a language"
send \001x
end "Debian's installer: Ctrl-A x" 130

plan
