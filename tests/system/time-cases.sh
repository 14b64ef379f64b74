#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with one CPU: time as the guest sees it, and guests that print
# nothing. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
PATH=${PATH#*:} # without cases.sh's limit for each nestling, because signals must reach nestling itself

# ---- the time of day ----

nestling -a 3600 /payloads/rtc.bin >out 2>&1 &
until grep -qs waiting out; do :; done
date -s "@$(($(date +%s) + 3600))" >/dev/null
wait $!
is 'an alarm follows the clock of the host when that is set' "$? $(tr '\n' ' ' <out)" '0 waiting ok '

# ---- the monitor is suspended ----

# seen ARGUMENT...: suspends the monitor for 4,000 ms, and prints the max of it that a CPU of the guest sees pass.
mkfifo keys
trap '' PIPE # of a guest that has ended, whose words are printed
seen() {
	rm -f out # of the run before
	nestling "$@" /payloads/clock.bin <keys >out 2>&1 &
	exec 3>keys
	until grep -qs looking out; do :; done
	kill -STOP $!
	sleep 4
	kill -CONT $!
	sleep 1
	echo >&3
	wait $! || cat out
	exec 3>&-
	sed -n 's/ ms$//p' out | tr ' ' '\n' | sort -n | tail -n 1
}
for arguments in '-c 1' '-c 1 --uart=plain'; do
	# shellcheck disable=SC2086 # words
	gap=$(seen $arguments)
	echo "# $arguments: stopped for 4,000 ms, of which the guest has seen $gap"
	is "SIGSTOP and SIGCONT: $arguments: time did not pass" "$([ "$gap" -lt 2000 ] || echo "seen: $gap")" ''
done
gap=$(seen --clock=real)
is 'SIGSTOP and SIGCONT: --clock=real: it did' "$([ "$gap" -ge 4000 ] || echo "seen: $gap")" ''
# With several CPUs it does if one of them is not in the guest just then.
for try in 1 2 3 4 5; do
	gap=$(seen -c 2)
	echo "# -c 2, try $try: stopped for 4,000 ms, of which the guest has seen $gap"
	[ "$gap" -ge 2000 ] || break
done
is 'SIGSTOP and SIGCONT: -c 2: time did not pass, one time in five' "$([ "$gap" -lt 2000 ] || echo "seen: $gap")" ''

# ---- stolen time ----

# stolen CPUS: prints the min of stolen time of a CPU, in ms, of a second in which all were busy.
stolen() {
	nestling -c "$1" /payloads/steal.bin | tr ' ' '\n' | sort -n | grep -m 1 '[0-9]'
}
is 'stolen time: 2 CPUs that share one each lose a good part' "$([ "$(stolen 2)" -ge 100 ]; echo $?)" 0
is 'stolen time: 4 CPUs that share one each lose a good part' "$([ "$(stolen 4)" -ge 200 ]; echo $?)" 0

# ---- guests that print nothing ----

echo 'this is no program' >text
rm out
nestling text >out 2>&1 </dev/null &
until [ -s out ]; do sleep 1; done
kill -KILL $!
is 'a text file as payload: one line says where it is stuck' \
	"$(sed 's/: pc 0x[2-7].. ESR_EL1 0x[0-9a-f]* ELR_EL1 0x[0-9a-f]* FAR_EL1 0x[0-9a-f]*$/: there/' out)" \
	'nestling: guest: CPU 0 has not left its exception vectors for a second, and nothing was printed: there'

# silent FILE: prints the monitor's messages about a guest, after the time in which a stuck one is reported.
silent() {
	timeout 5 nestling "$1" 2>&1 </dev/null
}
printf '\037\040\003\325\177\040\003\325\377\377\377\027' >idle # nop; 1: wfi; b 1b
is 'a guest that idles in silence: not a word' "$(silent idle)" ''
printf '\037\040\003\325\000\000\000\024' >busy # nop; b .
is 'a guest that is busy in silence: not a word' "$(silent busy)" ''
