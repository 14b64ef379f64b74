#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# nestling as a job that a shell suspends and resumes: the terminal is raw again.
source [file dirname [info script]]/tap.tcl
choose_quick_host

set prompt "/ # "
set sandboxed "grep -qs Seccomp:.2 /proc/\$(pidof nestling | cut -d' ' -f1)/status"

# later SIGNAL WHICH PAYLOAD: runs nestling in the foreground, which gets the signal when its guest has had a second.
# Not from a child of the shell's: busybox's shell drops what it prints at the moment when one ends.
proc later {signal which payload} {
	global sandboxed
	send "((until $sandboxed; do :; done; sleep 1; kill -$signal \$(pidof nestling | $which)) &); nestling $payload\r"
}

start --shell
see "the host boots" $prompt
# The signal is sent to both processes, as from a shell, or to the parent alone, which then suspends the monitor.
foreach {signal which} {STOP cat TSTP {tr " " "\n" | sort -n | head -n 1}} {
	later $signal $which /payloads/echo.bin
	see "SIG$signal: stops it" ready Stopped $prompt
	# Sets a mode as shells do that edit their command line themselves.
	send "stty sane; echo sa\\ne\r"
	see "SIG$signal: the shell has the terminal" "\nsane" $prompt
	send "fg %nestling\r"
	see "SIG$signal: fg" "nestling /payloads/echo.bin"
	# With a newline, without which a terminal that is not raw would deliver nothing.
	send \001h
	see "SIG$signal: fg: the terminal is raw" "send Ctrl-A"
	send "a\003b\032c\r"
	see "SIG$signal: fg: every key is the guest's" "a\003b\032c"
	send \004
	see "SIG$signal: fg: the guest's end" $prompt
}
# Ended while in the background: the terminal keeps the shell's mode, and no process is suspended again.
foreach {how commands} {
	"SIGTERM, then SIGCONT" "kill -TERM \$both; kill -CONT \$both"
	"bg, then SIGTERM" "bg; kill -TERM \$both"
} {
	later STOP cat /payloads/spin.bin
	see "stopped, $how: stopped" spinning "Stopped (signal)" $prompt
	send "stty sane; mode=\$(stty -g); both=\$(pidof nestling); $commands; until jobs >/tmp/jobs; \
		grep -qE '(Done\\(|tty output).*nestling /' /tmp/jobs; do :; done\r"
	see "stopped, $how: something comes of it" $prompt
	send "cat /tmp/jobs; \[ \$(stty -g) = \$mode \] && echo sa\\me\r"
	see "stopped, $how: ends, and the terminal is as it was" "Done(143)" "\nsame" $prompt
	send "kill -KILL \$both 2>/dev/null; wait; echo go\\ne\r"
	see "stopped, $how: is gone" "\ngone" $prompt
}
send "exit 5\r"
end "the host ends well" 5
plan
