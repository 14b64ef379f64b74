# SPDX-License-Identifier: MIT
# TAP for tests at a terminal, and a bound on every QEMU they start. Sourced by expect; the test ends with
# `plan`.
cd [file dirname [info script]]/../..
unset -nocomplain env(MAKEFLAGS) env(MAKELEVEL) ;# of the make that runs the tests
log_user 0
set timeout 300 ;# seconds: only what hangs takes so long
set guests build/guests
set tests 0

proc report {good name} {
	global tests
	puts "[expr {$good ? "ok" : "not ok"}] [incr tests] - $name"
}

proc skip {name why} {
	global tests
	puts "ok [incr tests] - $name # SKIP $why"
}

proc plan {} {
	global tests
	puts 1..$tests
}

# await NAME TEXT: it comes to stand on the screen. If it does not, that is the end, of that name: what the test does
# next would be typed at something else.
proc await {name text} {
	global expect_out
	expect -ex $text return timeout { expect * } eof
	give_up $name $text
}

# see NAME TEXT...: they do, one after the other.
proc see {name args} {
	foreach text $args { await $name $text }
	report 1 $name
}

# give_up NAME WANTED: it does not come; this is what came.
proc give_up {name wanted} {
	global expect_out
	report 0 $name
	puts "# wanted: [string trim $wanted]"
	foreach line [split [string map {\r {}} $expect_out(buffer)] \n] { puts "# $line" }
	exit 1
}

# end NAME STATUS: the command ends by itself.
proc end {name wanted} {
	expect {
		timeout { expect *; give_up $name "its end" }
		eof
	}
	set status [lindex [wait] 3]
	report [expr {$status == $wanted}] $name
	if {$status != $wanted} { puts "# got: $status" }
}

# As on_quick_host in tap.sh: for the hosts that are started from now on.
proc choose_quick_host {} {
	set ::env(HOST_CPU) cortex-a76
	set ::env(HOST_APPEND) "quiet loglevel=1 mitigations=off"
}

# start ARGUMENT...: qemu-run.sh, which `see`, `send` and `end` are about from now on.
proc start {args} {
	uplevel spawn -noecho timeout --foreground -k 5 7200 ./qemu-run.sh $args
}
