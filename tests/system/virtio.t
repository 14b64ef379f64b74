#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# Debian's kernels use the entropy source, the console and the balloon from their stock modules. What is typed
# here is typed at hvc0. THOROUGH: more kernels, on more kinds of hosts.
source [file dirname [info script]]/tap.tcl
match_max -d 200000
choose_quick_host

# ---- what the guests start from ----

set work [exec mktemp -d]
set f [open $work/init w]
puts $f {#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /dev /proc /sys /tmp
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
for module in /modules/*; do insmod $module; done
export PS1='hvc0: '
setsid sh -c 'exec sh -i </dev/hvc0 >/dev/hvc0 2>&1'
poweroff -f}
close $f

# initrd DIRECTORY: one with the modules of the kernel of whose package this is lib/modules/VERSION.
proc initrd {directory} {
	set output $::work/[file tail $directory].cpio
	set list "file init $::work/init\nfile bin/busybox build/sysroot/bin/busybox\nlink bin/sh busybox\n"
	set number 10
	foreach module {virtio_ring virtio virtio_mmio rng-core virtio-rng virtio_console virtio_balloon} {
		set file [exec find $directory -name $module.ko]
		if {$file ne ""} { append list "file modules/[incr number]-$module.ko $file\n" }
	}
	exec rootfs/pack.sh $output << $list
	return $output
}

set cloud [list [exec realpath build/sysroot/vmlinuz] [initrd [glob build/sysroot/lib/modules/*]]]
foreach {name pattern} {standard *-[0-9][0-9]-arm64 rt *-rt-arm64} {
	if {[file exists $guests/.complete]} {
		set $name [list [glob $guests/boot/vmlinuz-$pattern] [initrd [glob $guests/lib/modules/$pattern]]]
	} else {
		skip "$name kernel" "Debian's packages could not be fetched"
		set $name {}
	}
}

# ---- in the host and in the guest ----

set host "/ # "
set guest "\nhvc0: "

# ask NAME COMMAND TEXT...: what a command in the guest prints.
proc ask {name command args} {
	send "$command\r"
	see $name {*}$args $::guest
}

# ram: how many KiB of the guest's RAM the host has in use, by the statistics.
proc ram {} {
	send \001s
	expect -re {KiB of the guest's RAM: (\d+)\r} {} timeout { give_up "Ctrl-A s" "memory" }
	return $expect_out(1,string)
}

# all_of NAME COMMAND LAST-NUMBER TEXT: a command prints the numbers up to this one, and then this.
proc all_of {name command last text} {
	set wanted 1
	for {set i 2} {$i <= $last} {incr i} { append wanted \n$i }
	send "echo be\\gin; $command\r"
	expect -re "\nbegin\r+\n(.*)$text" {} timeout { give_up $name $text } eof { give_up $name $text }
	set got [string map {\r {}} $expect_out(1,string)]
	set good [expr {[string range $got 0 [string length $wanted]-1] eq $wanted}]
	report $good $name
	if {!$good} { puts "# [string length $got] bytes; wanted: [string length $wanted]" }
}

# A megabyte that is not there any more goes back within seconds of the guest; how many of its seconds
# is the kernel's affair.
proc balloon {name} {
	ask "$name: balloon: the guest takes memory" "dd if=/dev/zero of=/tmp/f bs=1M count=30; echo to\\ok" "\ntook"
	set before [ram]
	send "rm /tmp/f\r"
	set after $before
	for {set i 0} {$i < 60 && $after > $before - 20000} {incr i} {
		send "sleep 1; echo sle\\pt\r"
		expect -ex slept
		set after [ram]
	}
	report [expr {$after <= $before - 20000}] "$name: balloon: the host gets it back"
	ask "$name: balloon: the guest can take it again" "dd if=/dev/zero of=/tmp/f bs=1M count=30; rm /tmp/f; echo ag\\ain" "\nagain"
}

# use NAME KERNEL ARGUMENT...: a guest uses its devices, and powers off.
proc use {name kernel args} {
	if {$kernel eq {}} return
	# When nestling says something for the first time the terminal becomes larger.
	send "stty rows 33 cols 77; rm -f err; mkfifo err;\
		{ read line; stty rows 44 cols 99 <&1; cat; } <err & echo si\\zed\r"
	see "$name: the terminal's size is set" "\nsized" $::host
	send "nestling /payloads/[file tail [lindex $kernel 0]] -i /payloads/[file tail [lindex $kernel 1]] -m 256M\
		-a 'console=ttyAMA0 quiet loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1'\
		--stats $args 2>err; status=\$?; wait; echo stat\\us \$status\r"
	see "$name: a prompt at hvc0" $::guest
	ask "$name: its size" "stty size" "\n33 77"
	ask "$name: the UART prints, too" "echo by the U\\ART >/dev/ttyAMA0" "by the UART"
	ask "$name: a long line is typed" "echo [string repeat x 900] | wc -c" "\n901"
	all_of "$name: much output" "seq 2000" 2000 $::guest
	ask "$name: entropy: the source" "cat /sys/class/misc/hw_random/rng_current" "\nvirtio_rng."
	ask "$name: entropy: as much as is wanted" "head -c 100000 /dev/hwrng | wc -c" "\n100000"
	ask "$name: entropy: never the same" {for i in 1 2 3 4; do head -c 16 /dev/hwrng | md5sum; done | sort -u | wc -l} "\n4\r"
	balloon $name
	ask "$name: its new size" {until [ "$(stty size)" = "44 99" ]; do usleep 100000; done; echo lar\ger} "\nlarger"
}

proc power_off {name} {
	all_of "$name: its last words" "seq 1000; poweroff -f" 1000 "nestling: statistics"
	see "$name: bytes that it has given back" "bytes given back by the guest: " "status 0" $::host
}

set all {
	2 {cloud 1 {--console=virtio --balloon}}
	3 {standard 4 {--balloon=legacy --console=virtio,legacy}}
}
if {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""} {
	set all {
		2 {cloud 1 {--console=virtio --balloon} standard 4 {--balloon=legacy --console=virtio,legacy}}
		3 {cloud 4 {--balloon --console=virtio} rt 1 {--console=virtio --balloon}}
	}
}
foreach {gic runs} $all {
	set env(HOST_GIC) $gic
	set env(HOST_MEMORY) 1G
	start --shell {*}[lsort -unique [concat {*}[lmap {kernel cpus options} $runs { set $kernel }]]]
	see "GICv$gic: the host boots" $host
	foreach {kernel cpus options} $runs {
		set name "GICv$gic, $cpus CPUs, $kernel, [join $options]"
		use $name [set $kernel] -c $cpus {*}$options
		if {[set $kernel] ne {}} { power_off $name }
	}
	send "exit 7\r"
	end "GICv$gic: the host ends well" 7
}

file delete -force $work
plan
