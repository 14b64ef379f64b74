#!/bin/bash
# SPDX-License-Identifier: MIT
# The output of --trace and --stats, in the sandbox: golden transcript, lines, JSON.
# shellcheck disable=SC2016 # $ is Perl's
. "$(dirname "$0")/tap.sh"

HOST_CPU=cortex-a57 HOST_GIC=2 on_quick_host boot_counting --script tests/system/trace-cases.sh tests/system/cases.sh
is 'the host ends well' "$status$stderr" 0

# said NAME: prints the output of a case.
said() {
	sed -n "/^=== $1\$/,/^===/p" <<<"$stdout" | sed '1d;$d'
}

# Replaces times, addresses and the host's numbers, and prints repeated lines once.
normal() {
	sed -E 's/^[0-9]+\.[0-9]{6} //; s/(kvm_run at) 0x[0-9a-f]+/\1 ADDRESS/; s/(CNTVCT_EL0 =) .* ->/\1 COUNTER ->/
		s/(KVM_GET_VCPU_MMAP_SIZE ->) .*/\1 BYTES/; s/(ARM_VM_IPA_SIZE ->) .*/\1 BITS/' | uniq
}

said kvm | normal >"$work/kvm"
cmp -s "$work/kvm" tests/system/trace-hello.txt
report $? '--trace=kvm hello is the golden transcript'
comment "$(diff "$work/kvm" tests/system/trace-hello.txt)"
is 'nothing is told without being asked for' "$(said nothing)" 'status 0'

is 'several CPUs: KVM has set up the interrupt controller before any is in the guest' \
	"$(said cpus | grep -m 1 KVM_RUN | cut -d ' ' -f 2-)" '0 kvm  KVM_RUN -> EINTR (interrupted)'

# The format of every line of every trace.
lines=$(for case in kvm mmio irq all cpus reset file; do said $case; done | grep -v '^status ')
is 'every line has time, CPU, kind and text' "$(grep -vE '^[0-9]+\.[0-9]{6} (-|[0-9]+) (kvm |exit|mmio|irq |psci) [^ ]' <<<"$lines")" ''
for case in kvm mmio irq all cpus; do
	is "$case: in the order of time" "$(said $case | grep -v '^status ' | awk '$1 < last { print } { last = $1 }')" ''
done

mmio=$(said mmio)
like 'mmio: a register that is read, with its bits' "$mmio" "^[0-9.]+ 0 mmio pl011 FR -> 0x90 RXFE\|TXFE$"
like 'mmio: a character that is written' "$mmio" "^[0-9.]+ 0 mmio pl011 DR <- 0x48 'H'$"
is 'mmio: all of what was printed' "$(sed -n "s/.* DR <- 0x\(..\) '.'$/\1/p" <<<"$mmio" | head -n 5 | tr '\n' ' ')" '48 65 6c 6c 6f '
is 'mmio and psci: nothing else' "$(grep -vcE ' (mmio|psci) |^status 0$' <<<"$mmio")" 0
like 'psci: the end' "$mmio" '^[0-9.]+ 0 psci SYSTEM_OFF$'

irq=$(said irq)
like 'irq: a line goes high' "$irq" '^[0-9.]+ - irq  pl031 INTID 34 = 1$'
like 'irq: and low again' "$irq" '^[0-9.]+ - irq  pl031 INTID 34 = 0$'
like 'exit: what, where and from where' "$irq" '^[0-9.]+ 0 exit KVM_EXIT_MMIO write of 4 at 0x9010004, pc 0x4008[0-9a-f]{4}$'
like 'exit: the end' "$irq" '^[0-9.]+ 0 exit KVM_EXIT_SYSTEM_EVENT SHUTDOWN, pc 0x4008[0-9a-f]{4}$'
is 'an exit is told before what comes of it' \
	"$(awk '$3 == "mmio" && before != "exit" && before != "irq" { print } { before = $3 }' <<<"$irq")" ''
is 'the line falls by the access that clears it' \
	"$(grep -A 2 'exit KVM_EXIT_MMIO write of 4 at 0x901001c' <<<"$irq" | cut -d ' ' -f 3- | sed 's/, pc.*//')" \
	'exit KVM_EXIT_MMIO write of 4 at 0x901001c
irq  pl031 INTID 34 = 0
mmio pl031 RTCICR <- 0x1 ALARM'
# The guest sleeps a second by its own counter.
slept=$(awk '/RTCMR <-/ { set = $1 } /= 1$/ { print ($1 - set > 0.9 && $1 - set < 30) }' <<<"$irq")
is 'the time is the one of the guest' "$slept" 1
like 'decode: an exit without a syndrome' "$(said decode)" \
	'^[0-9.]+ 0 exit KVM_EXIT_ARM_NISV write at 0x9000028, without syndrome, pc 0x4008'
is 'decode: each of its accesses' "$(said decode | grep -A 2 'NISV write at 0x9000028' | cut -d ' ' -f 3- |
	grep -A 1 -m 1 'FBRD <- 0x50607088$')" 'mmio pl011 FBRD <- 0x50607088
mmio pl011 LCR_H <- 0x58687890 FEN|SPS'

like 'all: everything is told' "$(said all | grep -v '^status ' | cut -d ' ' -f 3 | sort -u | tr '\n' ' ')" '^exit irq kvm mmio psci $'
like 'cpus: the second one starts switched off' "$(said cpus)" '^[0-9.]+ 1 kvm  KVM_ARM_VCPU_INIT .* POWER_OFF\|'
like 'cpus: and is made to leave the guest at the end' "$(said cpus)" '^[0-9.]+ 1 kvm  KVM_RUN -> EINTR \(interrupted\)$'
like 'psci: a reset' "$(said reset)" '^[0-9.]+ 0 psci SYSTEM_RESET2?$'
like 'reset: status' "$(said reset)" '^status 76$'

is 'file: the trace is there alone' "$(said file | sed 's/^[0-9.]* //')" 'status 0
0 psci SYSTEM_OFF'
is 'no file: refused' "$(said no_file)" 'nestling: /none/of/them: ENOENT (no such file or directory)
status 75'
is 'full: said once, and the guest goes on' "$(said full)" 'nestling: trace: ENOSPC (no space left); what follows is lost
status 0'

like 'storm: four CPUs at once do not disturb it' "$(said storm | tail -n 2 | tr '\n' ' ')" '^status 0 a long trace $'

# check_json NAME PERL: evaluates PERL with the output of case NAME, parsed, as $j.
check_json() {
	local wrong
	wrong=$(said "$1" | grep -v '^status ' | perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); '"$3" 2>&1)
	is "$2" "$wrong" ''
}

check_json json 'json: every event is complete' '
	for my $e (@$j) {
		print encode_json($e), "\n" unless $e->{name} && $e->{args}{text} =~ /^\Q$e->{name}\E( |$)/ &&
			$e->{cat} =~ /^(kvm|exit|mmio|irq|psci)$/ && $e->{ph} =~ /^[Xi]$/ && $e->{ts} =~ /^\d+\.?\d*$/ &&
			$e->{pid} == 1 && ($e->{tid} == 0 || $e->{tid} == 512);
	}
	my %cats = map { ($_->{cat} => 1) } @$j;
	print "kinds: ", join(" ", sort keys %cats) unless keys %cats == 5;'
check_json json 'json: guest and exits are slices of time, of CPU 0, that do not overlap' '
	my $end = 0;
	my @slices = sort { $a->{ts} <=> $b->{ts} } grep { $_->{ph} eq "X" } @$j;
	for my $e (@slices) {
		print "$e->{ts} before $end: $e->{args}{text}\n" if $e->{ts} < $end;
		$end = $e->{ts} + $e->{dur} - 0.002; # rounding
		print "$e->{args}{text}\n" unless $e->{tid} == 0 && $e->{name} =~ /^KVM_(RUN|EXIT_.*)$/;
	}
	print scalar(@slices), " slices" unless @slices > 20;
	print "no slice of a second" unless grep { $_->{name} eq "KVM_RUN" && $_->{dur} > 900000 } @slices;'
check_json json 'json: all else are instants' '
	print map { "$_->{args}{text}\n" } grep { ($_->{ph} eq "i") == ($_->{name} =~ /^KVM_(RUN|EXIT_.*)$/) } @$j;'
check_json json_empty 'json: without events' 'print "not empty" if @$j;'

stats=$(said stats)
is 'stats: a head' "$(head -n 1 <<<"$stats")" 'nestling: statistics'
for row in 'console bytes from the guest: 3' 'console bytes to it: 0' 'CPU 0 KVM_EXIT_MMIO: [0-9]+' \
	'CPU 0 KVM_EXIT_SYSTEM_EVENT: 1' 'CPU 0 ns in KVM_RUN: [0-9]{9,}' 'CPU 0 ns in the monitor: [1-9][0-9]+' \
	'CPU 0 kvm exits: [1-9][0-9]*' 'CPU 0 kvm halt_wait_ns: [0-9]{9,}' 'pl031 RTCMR writes: 1' \
	"memory KiB of the guest's RAM: [1-9][0-9]*" 'memory KiB beside it: [1-9][0-9]{1,3}'; do
	like "stats: $row" "$stats" "^  $row\$"
done
check_json stats_json 'stats: as one object of JSON' '
	my $registers = 0;
	my $p = join "|", grep { !/^(console|CPU|VM|memory) / } keys %$j;
	$registers += $j->{$_} for grep { / (reads|writes)$/ } keys %$j;
	print "exits ", $j->{"CPU 0 KVM_EXIT_MMIO"}, ", accesses $registers" unless $registers &&
		$registers == $j->{"CPU 0 KVM_EXIT_MMIO"};
	print "kvm: $j->{q(CPU 0 kvm mmio_exit_user)}" unless $j->{"CPU 0 kvm mmio_exit_user"} == $registers;
	print "bytes" unless $j->{"console bytes from the guest"} == 3;
	print "memory" unless $j->{"memory KiB beside it"} > 50;'
like 'stats: with a trace, without a sandbox' "$(said stats_both)" '^\{"console bytes from the guest":[0-9]+,.*\}$'

# As PID 1, where there is no /proc, and by a key. The guest's output is not mixed with the statistics.
printf 'hello\n\001s\004' | bounded ./qemu-run.sh --stats echo 2>"$work/screen" >/dev/null
is 'Ctrl-A s and --stats: status' "${PIPESTATUS[1]}" 0
screen=$(tr -d '\r' <"$work/screen")
is 'Ctrl-A s and --stats: twice' "$(grep -c '^nestling: statistics$' <<<"$screen")" 2
like 'as PID 1: registers' "$screen" '^  pl011 DR reads: 7$'
like 'as PID 1: memory' "$screen" "^  memory KiB of the guest's RAM: [1-9]"
printf '\001s\001x' | bounded ./qemu-run.sh spin 2>"$work/screen" >/dev/null
is 'Ctrl-A s without --stats: status' "${PIPESTATUS[1]}" 130
screen=$(tr -d '\r' <"$work/screen")
like 'Ctrl-A s without --stats: says what it is for' "$screen" '^  --stats counts time and accesses to registers, too$'
is 'Ctrl-A s without --stats: reasons alone' "$(grep -E '^  ' <<<"$screen" | grep -vcE '^  (console|CPU 0 KVM_EXIT_|--stats)')" 0

plan
