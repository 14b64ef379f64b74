#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in a host whose KVM gives guests EL2, in the test rootfs: what guest-cases.sh does not try there.
# shellcheck source=cases.sh
. /payloads/cases.sh

prove 'refused: --gic=2' 69 '*no vGICv2*' --el2 --gic=2
prove 'hello, without VHE' 0 'Hello from the guest, at EL2.*' --el2=e2h0 hello
prove 'el, without VHE' 0 'EL2 [!V]*ok' --el2=e2h0 /payloads/el.bin

mkfifo keys
/bin/nestling --el2 /payloads/clock.bin <keys >got 2>&1 & # not cases.sh's, because signals must reach it
exec 3>keys
until grep -qs looking got; do usleep 10000; done
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
	rm -f w.snap got errors
	nestling --save w.snap -m 256M "$@" <keys >got 2>errors &
	exec 3>keys
	until grep -qs ready got; do usleep 10000; done
	printf one >&3
	until grep -qs one got; do usleep 10000; done
	killall -USR1 nestling
	until grep -qs 'saved to' errors; do usleep 10000; done
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
nestling --describe w.snap >text
is 'described' "$(grep -cE '^features = .*EL2|^CPU 0 HCR_EL2 = |^CPU 0 PSTATE = .* \(EL2\)$' text)" 3
save_between 'a guest of a guest, saved' --el2 /payloads/vmlinuz -i /payloads/inner \
	-a 'console=ttyAMA0 quiet panic=-1 cryptomgr.notests rcupdate.rcu_expedited=1 rdinit=/linuxrc -- /payloads/poll.bin'
nestling --el2=e2h0 w.snap >refusal 2>&1
is 'refused: without the VHE of the snapshot' "$? $(cat refusal)" \
	"64 nestling: --el2: the snapshot's machine has another EL2; leave it out"
