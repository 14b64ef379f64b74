#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: what guests print, with `options` and `seeds` of the settings.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

# printed STATUS: what payload print had to print, and its status.
{
	seq 1500
	echo 'typed ahead, and on and on and on: 0123456789 0123456789 0123456789 0123456789'
} >wanted
{ tail -n 1 wanted && printf '\004'; } >typed

# In one go and byte by byte, some of them late.
typing() {
	if [ $(($1 % 3)) -eq 0 ]; then
		cat typed
	else
		fold -w $(($1 % 3)) typed | while IFS= read -r part; do
			printf '%s' "$part"
			usleep $(($1 * 100))
		done
		printf '\n\004'
	fi
}
same() {
	cmp "$1" wanted 2>&1
}

for seed in ${seeds?}; do
	case $((seed % 4)) in
	0) end='power-off' status=0 ;;
	1) end='the finisher' status=42 ;;
	*) end='a reset' status=76 ;;
	esac
	mkfifo keys
	typing "$seed" >keys &
	nestling --no-reboot -a "$seed" /payloads/print.bin <keys >out
	is "print $seed, ended by $end" "$? $(same out)" "$status "
	rm keys
	wait
done
# A terminal that stalls, for it is full already, and holds the guest when the monitor has its 16 KiB; then goes on.
stall() {
	mkfifo slow
	exec 3<>slow
	dd if=/dev/zero bs=4096 count=16 2>/dev/null >&3
	seq 4000 >lines
	nestling -a 4000 /payloads/lines.bin </dev/null >slow &
	usleep 300000
	is 'a pipe that stalls holds the guest' "$(grep -c 'State:.*Z' /proc/$!/status)" 0
	head -c 65536 <&3 >/dev/null
	is 'a pipe that stalls: all of it comes' "$(timeout $limit head -c "$(wc -c <lines)" <&3 | cmp - lines 2>&1)" ''
	exec 3<&-
}
# On two CPUs a plain UART wakes the other one for every byte, which takes the emulator minutes and shows nothing new.
[ "$options $(nproc)" = '--uart=plain 2' ] || stall
[ -n "$seeds" ] || exit 0 # it was for that alone

# rounds ALPHABET SET: how often it was printed over and over, and what else came of its letters.
rounds() {
	tr -cd "$2" <out | fold -w "${#1}" | sort | uniq -c | sed "s/ *\([0-9]*\) $1\$/\1/"
}
wanted='0 200 200 '
for cpus in 2 3; do
	nestling -c $cpus /payloads/pair.bin </dev/null >out
	status=$?
	{
		rounds ABCDEFGHIJKLMNOPQRSTUVWXYZ A-Z
		rounds abcdefghijklmnopqrstuvwxyz a-z
		rounds 0123456789 0-9
	} >counts
	is "$cpus CPUs at once" "$status $(tr '\n' ' ' <counts)" "$wanted"
	wanted="${wanted}200 "
done
