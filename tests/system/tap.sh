# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# TAP for the system tests, and a bound on every QEMU they start. Sourced; the test ends with `plan`.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
unset MAKEFLAGS MAKELEVEL # of the make that runs the tests
tests=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report STATUS NAME: one line of TAP, good if STATUS is 0.
report() {
	tests=$((tests + 1))
	[ "$1" -eq 0 ] && echo "ok $tests - $2" || echo "not ok $tests - $2"
}

# skip NAME WHY
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

comment() {
	[ -z "$1" ] || printf '# %s\n' "${1//$'\n'/$'\n'# }"
}

# is NAME GOT WANTED
is() {
	[ "$2" = "$3" ]
	report $? "$1"
	[ "$2" = "$3" ] || comment "got: $2"$'\n'"wanted: $3"
}

# like NAME GOT REGULAR-EXPRESSION
like() {
	grep -qE -- "$3" <<<"$2"
	local status=$?
	report $status "$1"
	[ $status -eq 0 ] || comment "got: $2"$'\n'"wanted a match of: $3"
}

plan() {
	echo "1..$tests"
}

# cases OUTPUT PREFIX: reports every "ok NAME" and "not ok NAME" in what a script printed in the host.
cases() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) report 0 "$2${line#ok }" ;;
		'not ok '*) report 1 "$2${line#not ok }" ;;
		*) comment "$line" ;;
		esac
	done <<<"$1"
}

# What prints nothing for so many seconds hangs: ten times what the longest case takes on a slow machine.
silence=300

# bounded COMMAND...: the command, ended when it hangs.
bounded() {
	tests/system/limit.pl $silence "$@"
}

# own_tree: goes on in a copy of the tree. For a test that builds in it, which others must not see. Packages that
# have been fetched are not copied.
own_tree() {
	local tree=$PWD entry
	mkdir -p "$work/own/build"
	for entry in * .[!.]* build/*; do
		if [ -e "$entry/.complete" ]; then
			ln -s "$tree/$entry" "$work/own/build/"
		elif [ "$entry" != build ] && [ "$entry" != .git ]; then
			cp -a "$entry" "$work/own/$entry"
		fi
	done
	cd "$work/own" || exit 1
}

# boot ARGUMENT...: qemu-run.sh, bounded; sets `status`, `stdout` and `stderr`.
# shellcheck disable=SC2034 # for the tests
boot() {
	status=0
	bounded ./qemu-run.sh "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || status=$?
	stdout=$(cat "$work/stdout")
	# Whether it has to wait for that of another test depends on when that came.
	sed -i '/^qemu-run.sh: waits for another one/d' "$work/stderr"
	stderr=$(cat "$work/stderr")
}

# on_quick_host COMMAND...: with a host that takes QEMU a third of the time. An address space identifier that changes
# makes it forget all translations, and isolation of the kernel's page tables changes it at each system call; a CPU
# without VHE makes KVM do more of the like. What nestling does is the same; guest.t tries the other kinds of host.
on_quick_host() {
	HOST_CPU=${HOST_CPU:-cortex-a76} HOST_APPEND='quiet loglevel=1 mitigations=off' "$@"
}

# boot_counting ARGUMENT...: the same on a host whose clock counts instructions, one a nanosecond, and skips
# what all of it sleeps through: its times, its time of day, and limits by them, do not depend on how busy this machine
# is.
boot_counting() {
	QEMU_EXTRA="-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01T00:00:00,clock=vm ${QEMU_EXTRA-}" boot "$@"
}

# on_qemu PAYLOAD SEED ARGUMENT...: what the payload prints on QEMU's own `virt` machine goes to $work/theirs. The
# arguments are QEMU's.
on_qemu() {
	bounded "${QEMU:-qemu-system-aarch64}" -machine virt -cpu cortex-a57 -nographic -nic none \
		-kernel "build/payloads/$1.bin" -append "$2" "${@:3}" </dev/null >"$work/qemu" 2>"$work/stderr"
	is "$1, seed $2: QEMU ends well" "$?$(cat "$work/stderr")" 0
	tr -d '\r' <"$work/qemu" >"$work/theirs"
}

# try_cases SCRIPT PREFIX FILE...: boots a host that runs the script, and reports its cases.
try_cases() {
	local script=$1 prefix=$2
	shift 2
	if [ "${HOST_SMP:-1}" = 1 ]; then
		on_quick_host boot_counting --script "tests/system/$script" tests/system/cases.sh "$@"
	else # their clock is that of this machine, for only so do they run at the same time
		on_quick_host boot --script "tests/system/$script" tests/system/cases.sh "$@"
	fi
	is "${prefix}the host ends well" "$status$stderr" 0
	[ "$status" = 0 ] || comment "last: ${stdout##*$'\n'}"
	cases "$stdout" "$prefix"
}

# Debian's newer kernels for the host, where their packages could be fetched.
# shellcheck disable=SC2034 # for the tests
newer_kernels=(build/hosts/boot/vmlinuz-* build/hosts/usr/lib/modules/*/vmlinuz)

# page_size IMAGE: in KiB, from bits 1 and 2 of its header's flags (Documentation/arch/arm64/booting.rst).
page_size() {
	local flags
	flags=$(od -An -j24 -N1 -tu1 "$1")
	echo $((1 << 2 * (flags >> 1 & 3)))
}

# cpu_for IMAGE: a host CPU with its size of pages. A Cortex-A57 has none of 16 KiB.
cpu_for() {
	if [ "$(page_size "$1")" = 16 ]; then echo max,pauth-impdef=on; else echo cortex-a57; fi
}
