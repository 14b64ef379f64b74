#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/fault: what a monitor has given up, guests that storm,
# monitors that are killed, and long runs. Prints "ok NAME" or "not ok NAME", and figures.
cd /tmp || exit 1
mkdir -p /dev/pts /etc && mount -t devpts devpts /dev/pts
echo 'nobody:x:1000:1000::/:/bin/sh' >/etc/passwd

# shellcheck source=is.sh
. /payloads/is.sh

# start ARGUMENT...: nestling in the background, until its guest has printed something; sets pid.
start() {
	rm -f out
	nestling "$@" >out 2>err </dev/null &
	pid=$!
	until [ -s out ] || ! kill -0 $pid; do :; done
}

# ---- what it has given up ----

# Of each thread: one line of what /proc tells.
given_up() {
	for task in /proc/"$1"/task/*; do
		sed -n 's/^\(Cap[IPEA][a-z]*\|NoNewPrivs\|Seccomp\):\t*0*\([0-9a-f]\)$/\1 \2/p' "$task/status" | tr '\n' ' '
		find "$task/root/" -mindepth 1 | wc -l
	done | sort -u
}
all='CapInh 0 CapPrm 0 CapEff 0 CapAmb 0 NoNewPrivs 1 Seccomp 2'
exec 7</payloads/hello.bin # shall not be passed on
start -c 2 -i /payloads/hello.bin /payloads/spin.bin
exec 7<&-
is 'sandbox: every thread has given up all, and sees no file' "$(given_up $pid)" "$all 0"
is 'sandbox: three threads' "$(find /proc/$pid/task -maxdepth 1 -mindepth 1 | wc -l)" 3
is 'sandbox: no descriptor but those in use' "$(find /proc/$pid/fd -type l -exec readlink {} \; |
	sed 's/.*kvm-vcpu.*/vcpu/; s/.*\[\(.*\)\]/\1/; s/.*:\(kvm-[a-z]*\).*/\1/' | sort | tr '\n' ' ')" \
	"$(printf '%s\n' /dev/kvm /dev/null /payloads/hello.bin /payloads/spin.bin /tmp/err /tmp/out eventfd \
		signalfd kvm-arm kvm-vm vcpu vcpu | sort | tr '\n' ' ')"
is 'sandbox: no page is writable and executable' "$(grep -c ' .wx' /proc/$pid/maps)" 0
is 'sandbox: every stack has a guard page below' "$(awk '$2 == "rw-p" && before ~ /---p/ { n++ }
	{ before = $2 } END { print n }' /proc/$pid/maps)" 2
first=$(sed 's/-.*//;q' /proc/$pid/maps)
is 'sandbox: no core, no more files' "$(awk '/core file/ { print $5 } /open files/ { print $4 }' /proc/$pid/limits |
	tr '\n' ' ')" '0 12 '
kill -9 $pid
start /payloads/spin.bin
is 'it lies at another address each time' "$([ "$(sed 's/-.*//;q' /proc/$pid/maps)" != "$first" ]; echo $?)" 0
kill -9 $pid
start --no-sandbox /payloads/spin.bin
is '--no-sandbox' "$(sed -n 's/^Seccomp:\t//p' /proc/$pid/status)" 0
kill -9 $pid
chmod 666 /dev/kvm
start-stop-daemon -S -b -c nobody -x /bin/nestling -- /payloads/spin.bin
until pid=$(pidof nestling) && grep -q 'Seccomp:.2' "/proc/$pid/status"; do :; done
is 'sandbox: of a user who is not root, files apart' "$(given_up "$pid" | sed 's/ [0-9]*$//')" "$all"
kill -9 "$pid"

/payloads/fault 'a forbidden call kills: from a script' -f nestling -c 2 hello
/payloads/fault 'a forbidden call kills: at a terminal' -f -t nestling hello
/payloads/fault 'a forbidden call kills: under PID 1' -f -p nestling hello

# ---- a storm on all CPUs ----

for seed in 1 2 3 4 5 6; do
	nestling -c 4 -a $seed /payloads/storm.bin >out 2>err </dev/null
	is "storm $seed: comes to its end" "$? $(tail -n 1 out)" '0 over'
	is "storm $seed: and the monitor says little" "$([ "$(wc -l <err)" -le 70 ]; echo $?)" 0
done

# ---- killed while the guest prints ----

# whole FILE: its lines are 1, 2, 3...; the last may be cut.
whole() {
	awk 'last != "" && last + 0 != NR - 1 { bad++ } { last = $0 } END { print bad + 0, (NR > 100) }' "$1"
}

for signal in TERM SEGV KILL; do
	for bytes in 500 1500 4000; do
		: >out # what the last one printed is not this one's
		unshare -p -f -m nestling /payloads/lines.bin >out 2>&1 </dev/null &
		# The monitor is the youngest; wherever it is when so much has come.
		until [ "$(wc -c <out)" -ge $bytes ]; do :; done
		kill -$signal "$(pidof nestling | tr ' ' '\n' | sort -n | tail -n 1)"
		wait $!
		is "SIG$signal after $bytes bytes: what was printed is there, PID 1 reports" \
			"$(sed 's/nestling:.*//' out >lines && whole lines) $(grep -o 'nestling:.*' out)" \
			"0 1 nestling: exit status $((128 + $(kill -l $signal)))"
	done
done

# ---- long runs ----

# The most descriptors, mappings and KiB while a moment passes.
measure() {
	for _ in 1 2 3 4 5 6 7 8; do
		find /proc/$pid/fd -type l 2>/dev/null | wc -l
		wc -l </proc/$pid/maps
		awk '/^Rss/ { sum += $2 } END { print sum }' /proc/$pid/smaps
	done | awk '{ n = NR % 3; if ($1 > most[n]) most[n] = $1 } END { print most[1], most[2], most[0] }'
}

# grows NAME BEFORE AFTER: a page here and there may have been touched since.
grows() {
	echo "# long: $1: descriptors, mappings, KiB: $2, at the end $3"
	# shellcheck disable=SC2086 # three words each
	is "long: $1: no growth" "$(set -- $2 $3 && [ "$1" -ge "$4" ] && [ "$2" -ge "$5" ] &&
		[ $(($6 - $3)) -le 64 ]; echo $?)" 0
}

# long NAME LINES MARK ARGUMENT...: until so many lines with the mark have come out.
long() {
	name=$1 lines=$2 mark=$3
	shift 3
	rm -f out && mkfifo out
	nestling -m 2M "$@" >out 2>err </dev/null &
	pid=$!
	exec 3<out
	grep -m 3 -a "$mark" <&3 >/dev/null
	before=$(measure)
	grep -m "$lines" -a "$mark" <&3 >/dev/null
	after=$(measure)
	kill -9 $pid
	exec 3<&-
	grows "$name" "$before" "$after"
	is "long: $name: the monitor says little" "$([ "$(wc -l <err)" -le 70 ]; echo $?)" 0
}
long '1,000 resets' 1000 start /payloads/reset.bin
nestling --dump-dtb tree hello
long '1,000 resets with initrd and device tree' 1000 start -i /payloads/status.bin --dtb tree /payloads/reset.bin
long '230 KB printed' 40000 '' /payloads/lines.bin
long '8 CPUs in 8 storms' 8 seed -c 8 /payloads/storm.bin
