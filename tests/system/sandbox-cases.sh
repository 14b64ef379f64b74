#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, with /payloads/fault: what a sandboxed monitor cannot do.
# Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh

mkdir -p /dev/pts /etc && mount -t devpts devpts /dev/pts
echo 'nobody:x:1000:1000::/:/bin/sh' >/etc/passwd

# start ARGUMENT...: starts nestling in the background, waits until its guest has printed something, and sets pid.
start() {
	rm -f out
	nestling "$@" >out 2>err </dev/null &
	pid=$!
	until [ -s out ] || ! kill -0 $pid; do :; done
}

stop() {
	kill -9 "$pid"
	wait "$pid"
}

# Prints a line of /proc's status for all threads, if it is the same for each.
given_up() {
	for task in /proc/"$1"/task/*; do
		sed -n 's/^\(Cap[IPEA][a-z]*\|NoNewPrivs\|Seccomp\):\t*0*\([0-9a-f]\)$/\1 \2/p' "$task/status" | tr '\n' ' '
		echo
	done | sort -u
}
all='CapInh 0 CapPrm 0 CapEff 0 CapAmb 0 NoNewPrivs 1 Seccomp 2 '
exec 7</payloads/hello.bin # the monitor must close it
start -c 2 -i /payloads/hello.bin /payloads/spin.bin
exec 7<&-
is 'every thread has given up all' "$(given_up $pid)" "$all"
is 'no thread sees a file' "$(find /proc/$pid/task/*/root/ -mindepth 1)" ''
is 'three threads' "$(find /proc/$pid/task -maxdepth 1 -mindepth 1 | wc -l)" 3
is 'no descriptor but those in use' "$(find /proc/$pid/fd -type l -exec readlink {} \; |
	sed 's/.*kvm-vcpu.*/vcpu/; s/.*\[\(.*\)\]/\1/; s/.*:\(kvm-[a-z]*\).*/\1/' | sort | tr '\n' ' ')" \
	"$(printf '%s\n' /dev/kvm /dev/null /payloads/hello.bin /payloads/spin.bin /tmp/err /tmp/out eventfd \
		signalfd timerfd kvm-arm kvm-vm vcpu vcpu | sort | tr '\n' ' ')"
is 'no page is writable and executable' "$(grep -c ' .wx' /proc/$pid/maps)" 0
is 'every stack has a guard page below' "$(awk '$2 == "rw-p" && before ~ /---p/ { n++ }
	{ before = $2 } END { print n }' /proc/$pid/maps)" 2
first=$(sed 's/-.*//;q' /proc/$pid/maps)
# GICv3 has one more than are in use here, its interrupt translation service's.
is 'no core, no more files' "$(awk '/core file/ { print $5 } /open files/ { print $4 }' /proc/$pid/limits |
	tr '\n' ' ')" '0 14 '
stop
start /payloads/spin.bin
is 'it lies at another address each time' "$([ "$(sed 's/-.*//;q' /proc/$pid/maps)" != "$first" ]; echo $?)" 0
stop
start --no-sandbox /payloads/spin.bin
is '--no-sandbox' "$(sed -n 's/^Seccomp:\t//p' /proc/$pid/status)" 0
stop
chmod 666 /dev/kvm
start-stop-daemon -S -b -c nobody -x /bin/nestling -- /payloads/spin.bin
for _ in $(seq 1000); do # waits until it has come so far
	pid=$(pidof nestling) && [ "$(given_up "$pid")" = "$all" ] && break
done
is 'of a user who is not root, files apart' "$(given_up "$pid")" "$all"
kill -9 "$pid"

/payloads/fault 'a forbidden call kills' -f /bin/nestling -c 2 hello
