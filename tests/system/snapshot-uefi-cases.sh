#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs, whose kernel gives the physical timer's state: EDK2 is saved at its shell, and
# before it has taken a kernel from fw_cfg. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
mkfifo keys
truncate -s 1M vars

# begins ARGUMENT...: a guest with a FIFO for keys.
begins() {
	rm -f got
	/bin/nestling "$@" <keys >got 2>errors &
	exec 3>keys
}

# waits COUNT TEXT: until it was printed so often, or the guest has ended.
waits() {
	until [ "$(grep -o "$2" got | wc -l)" -ge "$1" ]; do
		kill -0 $! 2>/dev/null || break
		usleep 10000
	done
}

# enters TEXT: not faster than EDK2's shell reads.
enters() {
	rest=$1
	while [ -n "$rest" ]; do
		printf %.1s "$rest" >&3
		rest=${rest#?}
		usleep 20000
	done
	printf '\r' >&3
}

# shows NAME WORD: the variable x, which EDK2's shell keeps among its own, is the word.
shows() {
	enters 'set x'
	waits 1 'Shell> '
	is "$1" "$(grep -c "$2" got)" 1
}

ends() {
	kill $!
	wait $!
	exec 3>&-
}

begins -m 128 --firmware /payloads/QEMU_EFI.fd --variables vars --save w.snap --save-at=end
waits 1 'any other key'
printf '\033' >&3
waits 1 'Shell> '
enters 'set x morning'
waits 2 'Shell> '
kill -USR1 $!
wait $!
is 'EDK2 is saved at its shell' "$? $(grep -c '^nestling: saved' errors)" '0 1'
exec 3>&-

begins --verify --variables vars w.snap
shows 'it goes on, with its variables' morning
enters 'set x evening'
waits 2 'Shell> '
ends
is 'it keeps them in their file' "$(tr -d '\0' <vars | grep -c evening)" 1
got=$(nestling --variables vars w.snap 2>&1 </dev/null)
is 'which has changed then' "$? ${got##*: the disk }" \
	'64 vars was written after the guest was saved; take it as it was, or --force (for a reset: ,volatile or --on-reset=boot)'
begins w.snap
shows 'without it they are those of the snapshot' morning
ends
truncate -s 2M vars
got=$(nestling --force --variables vars w.snap 2>&1 </dev/null)
is 'another size' "$? $got" '64 nestling: --variables vars: has 2097152 bytes, and had 1048576'

begins -m 256 --firmware /payloads/QEMU_EFI.fd --save k.snap --save-at=end -i /payloads/guest-rootfs.cpio \
	-a 'console=ttyAMA0 quiet cryptomgr.notests rcupdate.rcu_expedited=1' /payloads/vmlinuz*
waits 1 'UEFI firmware'
kill -USR1 $!
wait $!
is 'EDK2 is saved before it starts Linux' "$? $(grep -c '^nestling: saved' errors) $(grep -c Linux got)" '0 1 0'
exec 3>&-
begins k.snap
waits 1 '/ #'
is 'it starts Linux, which is in the snapshot' "$(grep -o '/ #' got)" '/ #'
ends
