#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# Debian's kernels as guests: each on one CPU and on four, on GICv2 and GICv3; then keys, panic, reboot.
source [file dirname [info script]]/tap.tcl

# The kernel's package as it is, and what gzip makes of it, as other distributions install it.
set work [exec mktemp -d]
exec gzip -1 -c build/sysroot/vmlinuz >$work/cloud.gz
set kernels [list [exec realpath build/sysroot/vmlinuz] $work/cloud.gz]
if {[file exists $guests/.complete]} {
	lappend kernels {*}[glob $guests/boot/vmlinuz-*]
} else {
	skip "standard and rt kernel" "Debian's packages could not be fetched"
}

set prompt "/ # "
# Kernels test no cipher and wait for nothing when they boot; and do not complain of a lack of time, which they have
# if this machine is busy.
set quick "cryptomgr.notests rcupdate.rcu_expedited=1"
set calm "quiet loglevel=1 nowatchdog"

# nestling KERNEL ARGUMENT...: typed at the host's prompt.
proc nestling {kernel args} {
	send "nestling /payloads/[file tail $kernel] -i /payloads/guest-rootfs.cpio -m 256M\
		-a 'console=ttyAMA0 $::quick $::calm panic=1' $args; echo stat\\us $?\r"
}

proc boots {name cpus} {
	see $name "on $cpus CPUs, in busybox" $::prompt
}

foreach gic {2 3} {
	set env(HOST_GIC) $gic
	set env(HOST_MEMORY) 1G
	start --shell build/guest-rootfs.cpio {*}$kernels
	see "GICv$gic: the host boots" $prompt
	foreach kernel $kernels {
		foreach cpus {1 4} {
			set name "GICv$gic, $cpus CPUs, [file tail $kernel]"
			nestling $kernel -c $cpus
			boots "$name: boots" $cpus
			send "echo \$((6 * 7))\r"
			see "$name: obeys" "\n42\r" $prompt
			send poweroff\r
			see "$name: poweroff" "status 0" $prompt
		}
	}

	nestling $kernel --no-reboot
	boots "keys: boots" 1
	send "sh -c 'echo on\\ly; sleep 1000'\r"
	see "keys: a job" "\nonly"
	send \003
	see "keys: Ctrl-C ends it" $prompt
	send "echo stat\\us \$?\r"
	see "keys: by its signal" "status 130" $prompt
	# It tells when it goes on: before that, a Ctrl-C behind fg may still be the shell's.
	send "sh -c 'trap \"echo to\\ld\" CONT; echo aga\\in; while :; do sleep 1; done'\r"
	see "keys: another job" "\nagain"
	send \032
	see "keys: Ctrl-Z stops it" Stopped $prompt
	send "bg\r"
	see "keys: bg" told
	send "fg\r"
	see "keys: fg" "sleep 1" told
	send \003
	see "keys: Ctrl-C after that" $prompt
	send "echo c >/proc/sysrq-trigger\r"
	see "panic, --no-reboot: a status of its own" "Kernel panic - not syncing" "status 76" $prompt

	nestling $kernel
	boots "reboot: boots" 1
	send "echo c >/proc/sysrq-trigger\r"
	see "panic=1: panics" "Kernel panic - not syncing"
	boots "panic=1: boots again" 1
	send reboot\r
	boots "reboot: boots again" 1
	send \004
	see "reboot: Ctrl-D ends the shell, and that powers off" "status 0" $prompt

	send "exit 7\r"
	end "GICv$gic: the host ends well" 7
}

file delete -force $work
plan
