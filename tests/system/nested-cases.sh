#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in a host whose KVM gives guests EL2, in the test rootfs: payloads at EL2, on one CPU and on four.
# shellcheck source=cases.sh
. /payloads/cases.sh

# at_el2 NAME PATTERN ARGUMENT...: a pattern of all that nestling prints with $option; its status is 0.
at_el2() {
	name=$1 pattern=$2
	shift 2
	output=$(nestling "$option" "$@" 2>&1 <typed)
	got=$?
	# shellcheck disable=SC2254 # it is a pattern
	case $got:$output in
	0:$pattern) report 0 "$name" ;;
	*)
		report 1 "$name"
		printf '%s\n' "status $got; wanted $pattern, got:" "$output" | sed 's/^/# /'
		;;
	esac
}

: >typed # what the guest reads
truncate -s 1M disk
nestling --el2 --gic=2 >refusal 2>&1
got=$?
case $got:$(cat refusal) in
69:*"no vGICv2"*) report 0 'refused: --gic=2' ;;
*) is 'refused: --gic=2' "$got $(cat refusal)" 'a refusal' ;;
esac
option=--el2=e2h0
at_el2 'hello, without VHE' 'Hello from the guest, at EL2.*' hello
at_el2 'el, without VHE' 'EL2 [!V]*ok' /payloads/el.bin
option=--el2
for cpus in 1 4; do
	at_el2 "hello -c $cpus" 'Hello from the guest, at EL2.*' -c $cpus hello
	for payload in timer rtc; do
		at_el2 "$payload -c $cpus" 'ok' -c $cpus /payloads/$payload.bin
	done
	at_el2 "el -c $cpus" 'EL2 VHE *ok' -c $cpus /payloads/el.bin
	at_el2 "gic -c $cpus" '??ok' -c $cpus /payloads/gic.bin
	at_el2 "its -c $cpus" '*ok' -c $cpus /payloads/its.bin
	at_el2 "uart -c $cpus" '*ok' -c $cpus /payloads/uart.bin
	at_el2 "ring -c $cpus" '60 cases ok' -c $cpus -d disk /payloads/ring.bin
	at_el2 "smp -c $cpus" "$cpus CPUs ok" -c $cpus /payloads/smp.bin
	at_el2 "abort -c $cpus" '*access at 0x30000000 by instruction 0x885f7*syndrome*ok' -c $cpus \
		/payloads/abort.bin
	at_el2 "decode -c $cpus" '?ok' -c $cpus /payloads/decode.bin
	at_el2 "fault -c $cpus" 'reading*read 0' -c $cpus /payloads/fault.bin
	printf 'all of it\004' >typed
	at_el2 "echo -c $cpus" 'ready?all of it' -c $cpus /payloads/echo.bin
	: >typed
done

mkfifo keys
/bin/nestling --el2 /payloads/clock.bin <keys >got 2>&1 & # not cases.sh's, because signals must reach it
exec 3>keys
until grep -q looking got; do usleep 10000; done
kill -STOP $!
sleep 4
kill -CONT $!
sleep 1
echo >&3
wait $!
is 'the time of a guest at EL2 stands still while it is held' \
	"$? $([ "$(sed -n 's/ ms$//p' got)" -lt 2000 ] && echo 'little has passed')" '0 little has passed'
exec 3>&-

# save_between NAME ARGUMENT...: the guest, payload poll or one in which that is a guest, repeats what is typed. It is saved
# between two words, goes on, and another one goes on from the snapshot.
save_between() {
	name=$1
	shift
	rm -f w.snap
	nestling --save w.snap -m 256M "$@" <keys >got 2>errors &
	exec 3>keys
	until grep -q ready got; do usleep 10000; done
	printf one >&3
	until grep -q one got; do usleep 10000; done
	killall -USR1 nestling
	until grep -q 'saved to' errors; do usleep 10000; done
	printf 'two\004' >&3
	exec 3>&-
	wait $!
	is "$name: goes on where it was saved" "$? $(grep -o 'one.*two' got)" '0 onetwo'
	printf 'three\004' >typed
	nestling w.snap <typed >got 2>&1
	is "$name: another one goes on from there" "$? $(grep -o three got)" '0 three'
}
for option in --el2 --el2=e2h0; do
	for cpus in 1 4; do
		save_between "$option -c $cpus, saved" $option -c $cpus /payloads/poll.bin
	done
done
save_between 'a guest of a guest, saved' --el2 /payloads/vmlinuz -i /payloads/inner \
	-a 'console=ttyAMA0 quiet panic=-1 cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/linuxrc -- /payloads/poll.bin'
nestling --el2=e2h0 w.snap >refusal 2>&1
is 'refused: without the VHE of the snapshot' "$? $(cat refusal)" \
	"64 nestling: --el2: the snapshot's machine has another EL2; leave it out"
