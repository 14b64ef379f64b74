#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# EDK2 as firmware: its shell with a disk and a variable, which is there after the power was cut; Linux, which EDK2
# gets by fw_cfg. THOROUGH: the demo, Linux to a login, also by a boot entry that it has made itself, and Debian's
# installer from a disk.
source [file dirname [info script]]/tap.tcl

if {![file exists build/firmware/.complete]} {
	skip "EDK2" "its package could not be fetched"
	plan
	exit
}
set firmware build/firmware/usr/share/qemu-efi-aarch64/QEMU_EFI.fd
set work [exec mktemp -d]
set guid 11111111-2222-3333-4444-555555555555
# A FAT without a partition table; variables shorter than the bank and not erased; an initramfs with the module
# that shows variables.
exec sh -c {mformat -C -i $0/disk -f 1440 :: && printf On-the-disk. | mcopy -i $0/disk - ::/file.txt
	head -c 1M /dev/zero >$0/vars
	echo "file efivarfs.ko $(ls build/sysroot/lib/modules/*/kernel/fs/efivarfs/efivarfs.ko)" | rootfs/pack.sh $0/more
	cat build/guest-rootfs.cpio $0/more >$0/initrd} $work 2>@stderr

# EDK2's shell has lost keys that came faster than it reads them: its serial port has no queue behind the FIFO.
set send_slow {1 .02}
proc enter {text} {
	send -s "$text\r"
}

proc see_shell {name} {
	see "$name: EDK2 starts its shell" "UEFI firmware" "any other key to continue"
	send \033
	see "$name: its prompt" "Shell> "
}

choose_quick_host
start --firmware $firmware --variables $work/vars -d $work/disk,ro
see_shell "first start"
enter "type FS0:file.txt"
see "a file on a FAT" "On-the-disk." "Shell> "
enter "setvar greeting -guid $guid -bs -rt -nv =S\"good morning\""
see "a variable is set" "\n" "Shell> "
send \001x
end "the power is cut" 130

set kernel build/sysroot/vmlinuz
start -m 256M --firmware $firmware --variables $work/vars -i $work/initrd \
	-a "console=ttyAMA0 loglevel=1 cryptomgr.notests rcupdate.rcu_expedited=1" $kernel
see "EDK2 starts Linux by fw_cfg" "EFI stub: Booting Linux Kernel" "Loaded initrd" "/ # "
send "cat /proc/cmdline; insmod /efivarfs.ko; mount -t efivarfs none /tmp && cat /tmp/greeting-*\r"
see "with its command line" "console=ttyAMA0 loglevel=1 cryptomgr.notests"
see "the variable is there" "good morning" "/ # "
send poweroff\r
end "poweroff" 0

if {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""} {
	start --demo uefi
	see "demo: Linux from the disk" "UEFI firmware" "in busybox" "/ # "
	send "dmesg | grep efi:\r"
	see "demo: Linux has EFI" "EDK II" "/ # "
	send poweroff\r
	end "demo: poweroff" 0
}
# An EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) for the kernel on the disk, and a BootOrder of it alone, as files of efivarfs.
proc make_boot_entry {directory} {
	exec perl -MEncode -e {
		sub text { encode('UTF-16LE', $_[0]) }
		my $path = text("\\linux\0");
		$path = pack('CCv', 4, 4, 4 + length $path) . $path . pack('CCv', 0x7f, 0xff, 4);
		open my $entry, '>', "$ARGV[0]/entry" or die;
		print $entry pack('VVv', 7, 1, length $path), text("by the entry\0"), $path,
			text('initrd=\\initrd console=ttyAMA0 loglevel=1 cryptomgr.notests from=entry');
		open my $order, '>', "$ARGV[0]/order" or die;
		print $order pack('Vv', 7, 0x42);
	} $directory
	exec sh -c {cd $0 && printf 'file entry %s/entry\nfile order %s/order\nfile init %s\n' "$0" "$0" "$1" >list} \
		$directory tests/system/login-init
	exec sh -c {rootfs/pack.sh $0/entries <$0/list && cat $0/initrd $0/entries >$0/disk-initrd} $directory
}

# log_in NAME USER PASSWORD PROMPT: at the console, where getty and login ask.
proc log_in {name user password prompt} {
	see "$name: a user is asked for" "board login: "
	send "$user\r"
	see "$name: a password is asked for" "Password: "
	send "$password\r"
	see "$name: answer to $user" $prompt
}

if {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""} {
	set global 8be4df61-93ca-11d2-aa0d-00e098032b8c
	make_boot_entry $work
	exec tools/efi-disk.sh $work/linux $kernel $work/disk-initrd \
		"console=ttyAMA0 loglevel=1 cryptomgr.notests from=loader"
	exec head -c 1M /dev/zero >$work/boot-vars
	start -m 256M --firmware $firmware --variables $work/boot-vars -d $work/linux,ro
	see "boot entry: systemd-boot starts Linux" "UEFI firmware" "EFI stub: Booting Linux Kernel"
	log_in "a wrong password" learner toor "Login incorrect"
	log_in "login" learner nested "$ "
	send "id; whoami; exit\r"
	see "login: as that user" "uid=1000(learner) gid=1000(learner)" "\nlearner"
	log_in "login of root" root toor "# "
	send "insmod /efivarfs.ko; mount -t efivarfs none /tmp; cat /proc/cmdline\r"
	see "boot entry: of the loader" "from=loader" "# "
	send "cat /entry >/tmp/Boot0042-$global; cat /order >/tmp/BootOrder-$global; reboot\r"
	see "boot entry: it starts Linux at the next boot" "UEFI firmware" "EFI stub: Booting Linux Kernel"
	log_in "boot entry: login" root toor "# "
	send "cat /proc/cmdline\r"
	see "boot entry: with what it says" "from=entry" "# "
	send poweroff\r
	end "boot entry: poweroff" 0
}
if {[info exists env(THOROUGH)] && $env(THOROUGH) ne "" && [file exists $guests/.complete]} {
	set installer $guests/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64
	exec tools/efi-disk.sh $work/installer $installer/linux $installer/initrd.gz console=ttyAMA0
	set env(HOST_MEMORY) 1536M
	start -m 768M --firmware $firmware -d $work/installer,ro
	see "Debian's installer, from a disk: first screen" "UEFI firmware" "Select a language"
	send \001x
	end "Debian's installer, from a disk: Ctrl-A x" 130
}

exec rm -r $work
plan
