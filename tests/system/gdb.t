#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# gdb with a guest: a payload on two CPUs, then Linux; dumps, and a core file. QUICK: only the payload. THOROUGH: the
# payload and Linux at EL2, too.
source [file dirname [info script]]/tap.tcl

set work [exec mktemp -d]
set prompt "/ # "

# Chooses a free port; not always the same, because the last host may not have closed its port yet.
proc choose_port {} {
	global env target
	set socket [socket -server {} 0]
	set env(GDB_PORT) [lindex [fconfigure $socket -sockname] 2]
	close $socket
	set target "target remote :$env(GDB_PORT)"
}

# Waits until nestling reads the line; it then reads keys, too. What gdb sends before that would be lost, or
# echoed by the host.
proc wait_for_line {} {
	uplevel {
		send \001h
		expect -ex "send Ctrl-A" {} timeout { error "nestling does not listen" } eof { error "nestling has ended" }
	}
}

# debugger COMMAND...: prints gdb's output for these commands. It waits for each reply as long as that takes.
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

# says NAME TEXT REGULAR-EXPRESSION...: the text matches these, in this order.
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

# debug_payload NAME LEVEL SCTLR PSTATE OPTION...: gdb stops, steps and changes the payload at this exception level.
proc debug_payload {name level sctlr pstate args} {
	global target spawn_id
	choose_port
	start {*}$args --gdb --gdb-wait --cpus 2 debug
	wait_for_line
	set said [debugger "file build/payloads/debug.elf" $target \
		"break round_begins" continue "print number" "print/x \$x0" "print/x \$SCTLR_EL$level" \
		"print/x \$cpsr & 0xfffffff" "info threads" "print other_cpu_runs" stepi "info symbol \$pc" \
		"watch rounds" continue continue "delete" \
		"thread 2" "print/x \$MPIDR_EL1" "set var \$v3 = 0x123456789" "print/x \$v3" "thread 1" "print/x \$v3" \
		"monitor virtual" "monitor nonsense" "x/1xw &verdict" "set var verdict = 42" "hbreak print_decimal" \
		"continue" "print value" "info breakpoints" "continue"]
	says "$name: stops at a symbol, with its argument in x0" $said \
		{hit Breakpoint 1, round_begins \(number=} {\$1 = 0} {\$2 = 0x0}
	says "$name: SCTLR_EL$level and PSTATE by name" $said "\\\$3 = $sctlr" "\\\$4 = $pstate"
	says "$name: two CPUs, and both run" $said "Thread 1 \\(CPU 0 at EL$level\\)" "Thread 2 \\(CPU 1 at EL$level\\)" {\$5 = 1}
	says "$name: steps an instruction" $said {(round_begins|guest_main)[^\n]* in section .text}
	says "$name: watches a variable" $said {watchpoint 2: rounds} "Old value = 0\nNew value = 1"
	says "$name: registers of the other CPU" $said {\$6 = 0x80000001}
	says "$name: vector registers, each CPU's own" $said {\$7 = 0x123456789} {\$8 = 0x0}
	says "$name: monitor says what it knows" $said {reset: reset the guest} {physical: }
	says "$name: hardware breakpoint" $said {hit Breakpoint 3, [^\n]*print_decimal \(value=} { = 3}
	says "$name: the end, with the status that gdb has set" $said {exited with code 052}
	see "$name: output" "rounds: 3"
	end "$name: status" 42
}

proc is_set {name} {
	return [expr {[info exists ::env($name)] && $::env($name) ne ""}]
}

foreach gic [expr {[is_set QUICK] ? {2} : {2 3}}] {
	set env(HOST_GIC) $gic
	debug_payload "GICv$gic" 1 0xc50078 0x3c5
}
if {[is_set QUICK]} {
	plan
	exit
}

# ---- at EL2, with its MMU off and on ----

if {[is_set THOROUGH] && [file exists build/nested/.complete]} {
	set env(HOST_NESTED) 1
	debug_payload "EL2" 2 0x30500980 0x3c9 --el2
	choose_port
	start --el2 --gdb --memory 256M build/nested/host/vmlinuz --append "console=ttyAMA0 quiet loglevel=3 mitigations=off \
		nokaslr cryptomgr.notests rcupdate.rcu_expedited=1"
	see "Linux at EL2: has no root" "end Kernel panic"
	send \001d
	see "Linux at EL2: Ctrl-A d says where the CPU is" "CPU 0 at EL2" " pc ffff8000" "HCR_EL2 0000000488000038" \
		"last exception to EL2: "
	expect -re {backtrace:(?: ffff8[0-9a-f]{11}){4,}\r} { set reads 1 } "code:" { set reads 0 }
	report $reads "Linux at EL2: and where it came from, without pointer authentication codes"
	expect -re {code:[ 0-9a-f]* <[0-9a-f]{8}> [ 0-9a-f]*\r} { set reads 1 } "KVM_EXIT_MMIO" { set reads 0 }
	report $reads "Linux at EL2: and what is there, by its page tables"
	set said [debugger $target "print/x \$cpsr & 0xf" "hbreak *\$VBAR_EL2+0x280" continue "print/x (long)\$pc - \$VBAR_EL2" \
		"delete" "break *\$ELR_EL2" "continue" "print/x (long)\$pc - \$ELR_EL2" "print/x \$ESR_EL1" "delete" detach]
	says "Linux at EL2: stops at its vectors and behind" $said {\$1 = 0x9} {Breakpoint 1,} {\$2 = 0x280} \
		{Breakpoint 2,} {\$3 = 0x0} {\$4 = 0x0}
	send \001x
	end "Linux at EL2: ends" 130

	# Its guest, whose memory is found by the tables of both: a breakpoint in its loop is written there.
	exec printf "file linuxrc build/nestling\nfile payloads/poll.bin build/payloads/poll.bin\n" | rootfs/pack.sh $work/inner
	choose_port
	start --el2 --gdb --memory 256M build/nested/host/vmlinuz --initrd $work/inner --append "console=ttyAMA0 quiet loglevel=3 \
		mitigations=off cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/linuxrc -- /payloads/poll.bin"
	see "a guest of the guest: runs" "ready"
	set said [debugger "file build/payloads/poll.elf" $target "break *(take_key+12)" continue "print/x \$cpsr & 0xf" "x/i \$pc" \
		backtrace delete detach]
	says "a guest of the guest: stops, and has its stack" $said {Breakpoint 1,} {\$1 = 0x5} {take_key\+12>:\s+tbnz} {guest_main} \
		{_start}
	send "\004"
	end "a guest of the guest: goes on to its end" 0
	unset env(HOST_NESTED)
}
set env(HOST_GIC) 2

choose_quick_host

# ---- the guest's time while gdb holds it ----

foreach {option least most} {guest 0 1999 real 4000 400000} {
	choose_port
	start --gdb --gdb-wait --cpus 2 --clock=$option clock
	wait_for_line
	debugger "file build/payloads/clock.elf" $target "break look_again" continue "shell sleep 4" "delete" detach
	see "--clock=$option: the guest goes on" looking
	send x
	set gap none
	expect -re {([0-9]+) ([0-9]+) ms} { set gap [expr {max($expect_out(1,string), $expect_out(2,string))}] }
	report [expr {$gap >= $least && $gap <= $most}] "--clock=$option: what it sees of the time for which gdb holds it"
	puts "# held for 4,000 ms, of which it has seen $gap"
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
says "Linux: has two threads" $said {Thread 1 \(CPU 0 at EL[01]\)} {Thread 2 \(CPU 1 at EL[01]\)}
says "Linux: is reset, and starts where its Image does" $said {\$1 = 0x40[0-9a-f]00000}
says "Linux: stops at start_kernel, which was not mapped when it was asked to" $said \
	{hit Breakpoint 1} "\\\$2 = $start_kernel" {CPU 0} {CPU 1 at EL1, off} {\$3 = 0x1}
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
