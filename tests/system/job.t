#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# nestling as a job that a shell stops and lets go on: the terminal is the guest's again.
source [file dirname [info script]]/tap.tcl

set prompt "/ # "
set sandboxed "grep -qs Seccomp:.2 /proc/\$(pidof nestling | cut -d' ' -f1)/status"

start --shell
see "the host boots" $prompt
# Both processes at once, as from a shell; the parent alone, which takes the other along.
foreach {signal which} {STOP cat TSTP {tr " " "\n" | sort -n | head -n 1}} {
	send "(until $sandboxed; do :; done; sleep 1; kill -$signal \$(pidof nestling | $which)) & nestling /payloads/echo.bin\r"
	see "SIG$signal: stops it" ready Stopped $prompt
	# As shells do that edit their command line themselves.
	send "stty sane; echo sa\\ne\r"
	see "SIG$signal: the shell has the terminal" "\nsane" $prompt
	send "fg %nestling\r"
	see "SIG$signal: fg" "nestling /payloads/echo.bin"
	# Without a newline nobody would get to read that from a terminal that is not raw.
	send \001h
	see "SIG$signal: fg: the terminal is raw" "send Ctrl-A"
	send "a\003b\032c\r"
	see "SIG$signal: fg: every key is the guest's" "a\003b\032c"
	send \004
	see "SIG$signal: fg: the guest's end" $prompt
}
send "exit 5\r"
end "the host ends well" 5
plan
