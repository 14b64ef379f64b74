#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: guests are saved whenever. What a guest prints before, and after it is resumed,
# is together what it prints when nobody saves it, and so is its status. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
part=${part:-0} parts=${parts:-1} seed=$(nproc)
truncate -s 1M disk
printf 'all of it' >initrd

# fits NAME: does what has been printed fit? Of several CPUs that print at once the order is not always the same.
fits() {
	case $1 in
	pair*) [ "$(fold -w 1 <"$2" | sort)" = "$(fold -w 1 <whole | sort)" ] ;;
	*) cmp -s "$2" whole ;;
	esac
}

# once MOMENT NAME [--save-at=end] ARGUMENT...: the guest is saved once. It goes on here, too, or only elsewhere.
once() {
	moment=$1 name=$2
	shift 2
	rm -f s.snap rest
	/payloads/moment time "$moment" nestling --save s.snap "$@" >got 2>errors </dev/null
	status=$?
	if [ ! -e s.snap ]; then # it has ended before that
		[ $status -eq $want ] && fits "$name" got
		return
	fi
	saved=$((saved + 1))
	if [ "$1" != --save-at=end ]; then
		[ $status -eq $want ] && fits "$name" got || return
	fi
	# shellcheck disable=SC2086 # none or several
	nestling --verify $again s.snap >rest 2>>errors </dev/null
	status=$?
	[ $status -eq $want ] || return
	if [ "$1" = --save-at=end ]; then
		cat rest >>got
		fits "$name" got
	else
		case $name in
		pair*) ;;
		*) tail -c "$(wc -c <rest)" whole | cmp -s - rest ;;
		esac
	fi
}

# whole ARGUMENT...: a guest that ends by itself and prints the same each time, with that many CPUs, if it is of this
# part; `again` has what else it takes to resume it.
whole() {
	row=$((row + 1))
	[ $((row % parts)) -eq "$part" ] || return
	for n in ${cpus:?}; do
		wanted=$((wanted + ${moments:?}))
		name="$(basename "$1" .bin), $n CPUs" saved=0 bad=0
		/payloads/moment took 0 nestling --save w.snap -m 16 -c "$n" "$@" >whole 2>errors </dev/null
		want=$?
		took=$(cat took)
		# A guest whose run is short may have ended before it is saved: then that does not count.
		for try in $(seq $((3 * moments))); do
			random "$took"
			end=--save-at=end
			[ $((saved % 2)) -eq 0 ] || end=
			[ $saved -lt "$moments" ] || break
			# shellcheck disable=SC2086 # it may be none
			once "$random" "$name" $end -m 16 -c "$n" "$@" && continue
			bad=$((bad + 1))
			echo "# try $try, $random of $took ns, $end: status $status, not $want"
			tail -n 3 got rest errors | sed 's/^/# /'
		done
		[ $bad -eq 0 ]
		report $? "$name, saved $saved times"
		all=$((all + saved))
	done
}

all=0 wanted=0 row=0 again=''
for payload in abort decode el fault gic hello memory pair place rtc smp timer; do
	whole /payloads/$payload.bin
done
whole /payloads/flash.bin -a 3
whole /payloads/initrd.bin -i initrd -a 'all of it'
whole /payloads/lines.bin -a 300
whole /payloads/status.bin -a 42
again=--no-reboot
whole /payloads/reset.bin --no-reboot
again=''
whole /payloads/uart.bin -a 5
whole /payloads/disk.bin -a 'i w5=one f r5 z5 r5 w7=two r7 t5 r6' -d disk,volatile
whole /payloads/storm.bin -a '3 40'
again='-d disk'
whole /payloads/ring.bin -d disk
# Some end too soon to be saved.
[ $((2 * all)) -gt $wanted ]
report $? "saved $all times of $wanted"
