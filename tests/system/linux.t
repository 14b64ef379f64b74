#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# Debian's kernels as guests: on GICv2 and GICv3, on one CPU and on four; then one in gzip, keys, panic, reboot.
# QUICK: the cloud kernel on GICv2, and keys and panic on that. THOROUGH: each on both, else each on one of them.
source [file dirname [info script]]/tap.tcl
choose_quick_host
set is_quick [expr {[info exists env(QUICK)] && $env(QUICK) ne ""}]
set is_thorough [expr {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""}]

# The kernel's package as it is, and what gzip makes of it, as other distributions install it.
set work [exec mktemp -d]
set packed $work/cloud.gz
exec gzip -1 -c build/sysroot/vmlinuz >$packed
set kernels [list [exec realpath build/sysroot/vmlinuz]]
if {$is_quick} {
	# one is enough
} elseif {[file exists $guests/.complete]} {
	lappend kernels {*}[glob $guests/boot/vmlinuz-*]
} else {
	skip "standard and rt kernel" "Debian's packages could not be fetched"
}

set prompt "/ # "
# Kernels test no cipher and wait for nothing when they boot, and their page tables are not isolated, which is slow in
# the emulator; and they do not complain of a lack of time, which they have if this machine is busy.
set quick "cryptomgr.notests rcupdate.rcu_expedited=1 mitigations=off"
set calm "quiet loglevel=1 nowatchdog"

# nestling KERNEL ARGUMENT...: typed at the host's prompt.
proc nestling {kernel args} {
	send "nestling /payloads/[file tail $kernel] -i /payloads/guest-rootfs.cpio -m 256M\
		-a 'console=ttyAMA0 $::quick $::calm panic=1' $args; echo stat\\us $?\r"
}

proc boots {name cpus} {
	see $name "on $cpus CPUs, in busybox" $::prompt
}

proc obeys_and_ends {name} {
	send "echo \$((6 * 7))\r"
	see "$name: obeys" "\n42\r" $::prompt
	send poweroff\r
	see "$name: poweroff" "status 0" $::prompt
}

proc start_host {gic args} {
	global spawn_id
	set ::env(HOST_GIC) $gic
	set ::env(HOST_MEMORY) 1G
	start --shell build/guest-rootfs.cpio {*}$args
	see "GICv$gic: the host boots" $::prompt
}

proc end_host {gic} {
	send "exit 7\r"
	end "GICv$gic: the host ends well" 7
}

# boot_all GIC CPUS KERNEL...: the first with so many CPUs, the next with as many as the first has not.
proc boot_all {gic cpus args} {
	foreach kernel $args {
		set name "GICv$gic, $cpus CPUs, [file tail $kernel]"
		nestling $kernel -c $cpus
		boots "$name: boots" $cpus
		obeys_and_ends $name
		set cpus [expr {5 - $cpus}]
	}
}

# ---- GICv2 ----

set first [expr {$is_thorough ? $kernels : [lrange $kernels 0 1]}]
set second [expr {$is_thorough ? $kernels : [lrange $kernels end end]}]
start_host 2 {*}$first $packed
boot_all 2 4 {*}$first
if {!$is_quick} {
	nestling $packed
	boots "[file tail $packed]: boots" 1
	obeys_and_ends [file tail $packed]
}

set kernel [lindex $first end]
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
end_host 2
if {$is_quick} {
	file delete -force $work
	plan
	exit
}

# ---- GICv3; gdb.t resets a Linux on GICv2 ----

start_host 3 {*}$second
boot_all 3 1 {*}$second
set kernel [lindex $second end]
nestling $kernel
boots "reboot: boots" 1
send "echo c >/proc/sysrq-trigger\r"
see "panic=1: panics" "Kernel panic - not syncing"
boots "panic=1: boots again" 1
send reboot\r
boots "reboot: boots again" 1
send \004
see "reboot: Ctrl-D ends the shell, and that powers off" "status 0" $prompt
end_host 3

file delete -force $work
plan
