#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# gdb on the guest: a payload on two CPUs, then Linux; dumps, and a core file. QUICK: the payload alone.
source [file dirname [info script]]/tap.tcl

set work [exec mktemp -d]
set prompt "/ # "

# Chooses a port that is free, as it was a moment ago: the last host may not yet have left its own.
proc choose_port {} {
	global env target
	set socket [socket -server {} 0]
	set env(GDB_PORT) [lindex [fconfigure $socket -sockname] 2]
	close $socket
	set target "target remote :$env(GDB_PORT)"
}

# Waits until nestling listens at the other end, which it says by asking for what was sent too early: before
# that the host would echo it.
proc wait_for_line {} {
	global env timeout
	for {set i 0} {[catch {socket localhost $env(GDB_PORT)} line]} {incr i} {
		if {$i > $timeout * 50} { error "port $env(GDB_PORT): $line" }
		after 20
	}
	spawn -noecho -open $line
	expect -ex "-" {} timeout { error "the line stays silent" } eof { error "the line is closed" }
	close
	wait
}

# debugger COMMAND...: what gdb says to them. It waits for every answer as long as that takes.
proc debugger {args} {
	global timeout
	set words {}
	foreach command $args { lappend words -ex $command }
	catch {
		exec timeout -k 5 $timeout gdb-multiarch -nx -batch -ex "set confirm off" \
			-ex "set remotetimeout $timeout" -ex "set tcp connect-timeout $timeout" {*}$words </dev/null 2>@1
	} said
	return $said
}

# says NAME TEXT REGULAR-EXPRESSION...: the text has them, in this order.
proc says {name text args} {
	set at 0
	foreach wanted $args {
		if {![regexp -indices -start $at -- $wanted $text where]} {
			report 0 $name
			puts "# wanted: $wanted"
			foreach line [split $text \n] { puts "# $line" }
			return
		}
		set at [expr {[lindex $where 1] + 1}]
	}
	report 1 $name
}

# ---- a payload ----

set is_quick [expr {[info exists env(QUICK)] && $env(QUICK) ne ""}]
foreach gic [expr {$is_quick ? {2} : {2 3}}] {
	set env(HOST_GIC) $gic
	choose_port
	start --gdb --gdb-wait --cpus 2 debug
	wait_for_line
	set said [debugger "file build/payloads/debug.elf" $target \
		"break round_begins" continue "print number" "print/x \$x0" "print/x \$SCTLR_EL1" "print/x \$cpsr & 0xfffffff" \
		"info threads" "print other_cpu_runs" stepi "info symbol \$pc" \
		"watch rounds" continue continue "delete" \
		"thread 2" "print/x \$MPIDR_EL1" "set var \$v3 = 0x123456789" "print/x \$v3" "thread 1" "print/x \$v3" \
		"monitor virtual" "monitor nonsense" "x/1xw &verdict" "set var verdict = 42" "hbreak print_decimal" \
		"continue" "print value" "info breakpoints" "continue"]
	says "GICv$gic: stops at a symbol, with its argument in x0" $said \
		{hit Breakpoint 1, round_begins \(number=} {\$1 = 0} {\$2 = 0x0}
	says "GICv$gic: SCTLR_EL1 and PSTATE by name" $said {\$3 = 0xc50078} {\$4 = 0x3c5}
	says "GICv$gic: two CPUs, and both run" $said {Thread 1 \(CPU 0\)} {Thread 2 \(CPU 1\)} {\$5 = 1}
	says "GICv$gic: steps an instruction" $said {(round_begins|guest_main)[^\n]* in section .text}
	says "GICv$gic: watches a variable" $said {watchpoint 2: rounds} "Old value = 0\nNew value = 1"
	says "GICv$gic: registers of the other CPU" $said {\$6 = 0x80000001}
	says "GICv$gic: vector registers, each CPU's own" $said {\$7 = 0x123456789} {\$8 = 0x0}
	says "GICv$gic: monitor says what it knows" $said {reset: start} {physical: }
	says "GICv$gic: hardware breakpoint" $said {hit Breakpoint 3, [^\n]*print_decimal \(value=} { = 3}
	says "GICv$gic: the end, with the status that gdb has set" $said {exited with code 052}
	see "GICv$gic: output" "rounds: 3"
	end "GICv$gic: status" 42
}
set env(HOST_GIC) 2
if {$is_quick} {
	plan
	exit
}

# ---- time, while gdb holds the guest ----

foreach {option least most} {guest 0 1999 real 4000 400000} {
	start --gdb --gdb-wait --cpus 2 --clock=$option clock
	debugger "file build/payloads/clock.elf" $target "break look_again" continue "shell sleep 4" "delete" detach
	see "--clock=$option: the guest goes on" looking
	send x
	set gap none
	expect -re {([0-9]+) ([0-9]+) ms} { set gap [expr {max($expect_out(1,string), $expect_out(2,string))}] }
	puts "# held for 4,000 ms, of which it has seen $gap"
	report [expr {$gap >= $least && $gap <= $most}] "--clock=$option: what it sees of the time for which gdb holds it"
	end "--clock=$option: status" 0
}

# ---- Linux ----

choose_port
start --demo linux --gdb --cpus 2 --append "console=ttyAMA0 quiet nokaslr cryptomgr.notests rcupdate.rcu_expedited=1"
see "Linux: boots, and nobody asks it to stop" $prompt
send "echo start_kernel at \$(grep ' start_kernel\$' /proc/kallsyms)\r"
expect -re {start_kernel at ([0-9a-f]+) T start_kernel.*/ # } { set start_kernel 0x$expect_out(1,string) }
set said [debugger $target "info threads" "monitor reset" "maintenance flush register-cache" \
	"print/x \$pc" "break *$start_kernel" continue "print/x \$pc" "info threads" \
	"print/x \$SCTLR_EL1 & 1" "delete" detach]
says "Linux: has two threads" $said {Thread 1 \(CPU 0\)} {Thread 2 \(CPU 1\)}
says "Linux: is reset, and starts where its Image does" $said {\$1 = 0x40[0-9a-f]00000}
says "Linux: stops at start_kernel, which was not mapped when it was asked to" $said \
	{hit Breakpoint 1} "\\\$2 = $start_kernel" {CPU 0} {CPU 1 off} {\$3 = 0x1}
see "Linux: boots again" $prompt
send poweroff\r
end "Linux: poweroff" 0

# ---- a dump, a core file ----

start --shell
see "dump: the host boots" $prompt
send "nestling --memory 2M --dump-core /tmp/core /payloads/spin.bin; echo stat\\us \$?\r"
see "dump: the guest runs" spinning
send \001d
see "dump: Ctrl-A d says where the CPU is" "CPU 0 at EL1" " pc 0000000040080" "SCTLR_EL1 " "backtrace: 40080" \
	"code:" "KVM_EXIT_MMIO"
send \001x
see "dump: and ends nothing" "status 130" $prompt
match_max 1000000
send "gzip -c /tmp/core | base64; echo e\\nd\r"
expect -re {base64; echo e.*?\n(.*)\nend} { set core [string map {\r {}} $expect_out(1,string)] }
exec base64 -d >$work/core.gz <<$core
exec gunzip $work/core.gz
set said [debugger "file build/payloads/spin.elf" "core-file $work/core" "info threads" "x/i \$pc" \
	"print/x \$sp" "x/1i _start"]
says "dump: gdb opens the core" $said {\* 1 +LWP 1 [^\n]*(guest_main|print)} {=> 0x40080[0-9a-f]+ <(guest_main|print)} {\$1 = 0x4008} \
	{<_start>:\tmov}
send "exit 3\r"
end "dump: the host ends" 3

start --cpus 2 spin
see "dump, as PID 1: the guest runs" spinning
send \001d
see "dump, as PID 1: Ctrl-A d says where both CPUs are" "CPU 0 at EL1" "CPU 1 at EL1" " pc 0"
send \001x
end "dump, as PID 1: and ends nothing" 130

file delete -force $work
plan
