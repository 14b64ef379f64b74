#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest's terminal: within the host, and from outside of QEMU. QUICK: only the latter.
. "$(dirname "$0")/tap.sh"

[ -n "${QUICK-}" ] || try_cases console-cases.sh ''

# talk ARGUMENT...: starts qemu-run.sh with its keys on descriptor 3 and its screen on 4.
talk() {
	rm -f "$work/keys" "$work/screen"
	mkfifo "$work/keys" "$work/screen"
	bounded ./qemu-run.sh "$@" <"$work/keys" >"$work/screen" 2>&1 &
	exec 3>"$work/keys" 4<"$work/screen"
}

# expect NAME LINE: the next line of the screen is LINE.
expect() {
	local line=
	read -r -t $silence line <&4
	is "$1" "${line%$'\r'}" "$2"
}

# hang_up NAME STATUS
hang_up() {
	wait $!
	is "$1" $? "$2"
	exec 3>&- 4<&-
}

talk spin
expect 'spin runs' spinning
printf '\001x' >&3
hang_up 'Ctrl-A x ends it' 130

talk --memory 2M echo
expect 'echo runs' ready
text=$(head -c 3000 /dev/urandom | base64 -w 0)
printf '%s\n' "$text" >&3
expect 'a line of 4,000 bytes comes back' "$text"
printf 'a\001\001b\003c\032d\n' >&3
expect 'Ctrl-A Ctrl-A, Ctrl-C and Ctrl-Z reach the guest' $'a\001b\003c\032d'
printf '\001h' >&3
expect 'Ctrl-A h: a line of its own' ''
expect 'Ctrl-A h: help' 'Ctrl-A, and then:'
while read -r -t $silence line <&4 && [ "${line#Ctrl-A  send}" = "$line" ]; do :; done
printf '\001s' >&3
expect 'Ctrl-A s: a line of its own' ''
expect 'Ctrl-A s: statistics' 'nestling: statistics'
for row in 'console bytes from the guest' 'console bytes to it' 'CPU 0 KVM_EXIT_MMIO'; do
	read -r -t $silence line <&4
	like "Ctrl-A s: $row" "$line" "^ *$row: [1-9][0-9]*"
done
expect 'Ctrl-A s: what there could be' '--stats counts time and accesses to registers, too'
printf '\001r' >&3
expect 'Ctrl-A r: starts again' ready
printf 'typed ahead\n\004' >&3
expect 'and listens' 'typed ahead'
hang_up 'Ctrl-D: the guest ends' 0

text=$(head -c 3000 /dev/urandom | base64 -w 0)
is 'what comes while the host boots is kept for the guest' "$(printf '%s\004' "$text" |
	bounded ./qemu-run.sh echo 2>/dev/null | tr -d '\r')" "ready
$text"
# piped INPUT ARGUMENT...: prints qemu-run.sh's output and, on a line of its own, its status.
piped() {
	local input=$1
	shift
	# shellcheck disable=SC2059 # it has escapes
	printf "$input" | bounded ./qemu-run.sh "$@" 2>/dev/null | tr -d '\r'
	echo "status ${PIPESTATUS[1]}"
}

is 'a pipe, to a guest that polls' "$(piped 'some words\004' poll)" $'ready\nsome wordsstatus 0'
like 'a pipe, to Linux: it says hi and powers off' \
	"$(on_quick_host piped 'echo h""i; poweroff\n' --demo linux -a 'console=ttyAMA0 quiet' | tr '\n' ' ')" ' hi .*status 0'
uboot=build/guests/usr/lib/u-boot/qemu_arm64/u-boot.bin
if [ -f build/guests/.complete ]; then
	# Any key stops U-Boot's countdown, also after a reset; the rest of the input is then still there.
	like 'a pipe, to U-Boot: a command, a reset, another command' \
		"$(on_quick_host piped ' echo on""e\nreset\n echo tw""o\npoweroff\n' $uboot | tr '\n' ' ')" \
		'=> .* one .*Hit any key.*=> .* two .*status 0'
else
	skip 'a pipe, to U-Boot' 'its package could not be fetched'
fi
is 'standard input may be closed' "$(bounded ./qemu-run.sh -a 3 status <&- 2>&1; echo $?)" 3

plan
