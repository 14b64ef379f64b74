#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# A run ends when the user or a signal says so, whatever else happens then: the guest resets itself, or nobody
# reads what is printed. QUICK: with fewer resets.
source [file dirname [info script]]/tap.tcl
choose_quick_host

set prompt " # "

# run NAME STATUS COMMAND TEXT...: once it has printed each TEXT, the keys of the one before it, which begins
# with Ctrl-A, are typed; then it ends with this status.
proc run {name status command args} {
	global prompt
	send "$command; echo sta\\tus \$?\r"
	foreach word $args {
		if {[string index $word 0] eq "\001"} { send -- $word; continue }
		set seen 0
		expect -ex $word { set seen 1 } timeout {} eof {}
		if {!$seen} { report 0 "$name: prints $word"; exit 1 }
	}
	expect -re "status (\[0-9\]+)\r" { set got $expect_out(1,string) } timeout { set got none } eof { set got none }
	report [expr {$got eq $status}] $name
	if {$got ne $status} { puts "# got: $got"; exit 1 }
	expect -ex $prompt
}

start --shell build/listen
see "the host boots" $prompt
# A pipe that is full, and that nobody reads.
send "mkfifo /tmp/full; exec 3<>/tmp/full; dd if=/dev/zero bs=4096 count=16 >&3 2>/dev/null; cd /payloads; echo re\\ady\r"
see "a pipe is full" ready $prompt

set x \001x
run "a guest with a driver for the power button, Ctrl-A p: it switches itself off" 0 "nestling power.bin" ready \001p pressed
run "one without a driver: Ctrl-A p ends" 143 "nestling --grace=86400 spin.bin" spinning \001p
run "stray address, nobody reads stderr: Ctrl-A x ends" 130 "nestling fault.bin 2>&3" "read 0" $x
run "stray address, nobody reads stderr: SIGTERM ends" 143 "./listen kill 5 nestling fault.bin 2>&3"
run "trace, nobody reads stderr: Ctrl-A x ends" 130 "nestling --trace spin.bin 2>&3" spinning $x
run "trace, nobody reads its file: Ctrl-A x ends" 130 "nestling --trace-file /tmp/full spin.bin" spinning $x
run "trace, nobody reads stderr, 4 CPUs: SIGTERM ends" 143 \
	"./listen kill 5 nestling --trace -c 4 -a 1 storm.bin 2>&3"
run "help, statistics, dump, nobody reads stderr: Ctrl-A x ends" 130 "nestling --stats spin.bin 2>&3" spinning \
	"\001h\001s\001d\001s\001d$x"
run "nobody reads stdout, the guest is over: Ctrl-A x ends" 130 "nestling --trace=psci hello >&3" SYSTEM_OFF $x
run "nobody reads stdout, the guest is over: SIGTERM ends" 143 "nestling --trace=psci hello </dev/null >&3 2>/tmp/said & \
	until grep -q SYSTEM_OFF /tmp/said; do :; done; kill \$!; wait \$!"
# Its reader stands ready, for a run that is to end waits for two seconds, however slow this machine is; and goes on when
# the signal has been taken: else the guest's own end may come first.
run "nobody reads stdout, the guest is over, SIGTERM: what waits comes out, for somebody reads after all" 143 \
	"sh -c 'kill -STOP \$\$; exec cat <&3 >/tmp/all' & reader=\$!; until grep -q stopped /proc/\$reader/status; do :; done; \
	rm /tmp/said; nestling --trace=psci hello </dev/null >&3 2>/tmp/said & \
	until grep -qs SYSTEM_OFF /tmp/said; do :; done; \
	kill \$!; until grep -q '^ShdPnd:.0*\$' /proc/\$!/status; do :; done; kill -CONT \$reader; wait \$!; \
	got=\$?; until grep -o 'Hello from the guest' /tmp/all; do :; done; kill \$reader; wait \$reader; \
	(exit \$got)" "\nHello from the guest"
run "--stats: Ctrl-A s while CPUs are in the guest" 130 "nestling -c 2 --stats spin.bin" spinning \001s \
	"CPU 0 kvm " "CPU 1 ns in " "memory KiB" $x
run "--stats: Ctrl-A s after a reset" 130 "nestling --stats spin.bin" spinning \001r spinning \001s "CPU 0 kvm " \
	"memory KiB" $x

# A guest that resets itself over and over is ended at any moment.
set quick [info exists env(QUICK)]
foreach cpus {1 2} {
	for {set try 1} {$try <= ($quick ? 2 : 10)} {incr try} {
		run "reset, $cpus CPUs, start $try: Ctrl-A x ends" 130 "nestling -c $cpus -m 2M reset.bin" \
			{*}[lrepeat [expr {1 + $try % 5}] start] $x
	}
	foreach bytes [expr {$quick ? 7 : "1 7 20 50"}] {
		run "reset, $cpus CPUs, after $bytes bytes: SIGTERM ends" 143 \
			"./listen kill $bytes nestling -c $cpus -m 2M reset.bin"
	}
}
send "exit 3\r"
end "the host ends" 3
plan
