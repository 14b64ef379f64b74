#!/bin/bash
# SPDX-License-Identifier: MIT
# What guests print, with the UART's fast path and without; and how soon it shows, counted in instructions.
# QUICK: with the fast path, on one CPU of the host's.
. "$(dirname "$0")/tap.sh"

# On two CPUs of the host's the guest's are at it at once. Seeds, of which each three have every end and every pace
# of typing; without seeds it is about a terminal that stalls: see print-cases.sh.
while read -r option cpus seeds; do
	echo "options='$option' seeds='$seeds'" >"$work/settings"
	HOST_SMP=$cpus try_cases print-cases.sh "$option, $cpus CPUs: " "$work/settings"
	[ -z "${QUICK-}" ] || {
		plan
		exit
	}
done <<-END
	--uart=fast 1 0 1 2
	--uart=fast 2 4 5 6
	--uart=plain 1
	--uart=plain 2 5
END

# Under the emulator's instruction count, where a nanosecond is an instruction. Ended right behind their last byte are
# those with the fast path: without, the last bytes are not even written in a millisecond.
cat >"$work/listen.sh" <<-'END'
	for option in --uart=fast --uart=plain; do
		echo "$option"
		/payloads/listen delay nestling $option /payloads/silence.bin </dev/null
		echo status $?
	done
	{ seq 1500; head -c 600 /dev/zero | tr '\0' .; } >wanted
	for seed in 3 7 11 15; do
		printf '\004' | /payloads/listen kill 6823 nestling --uart=fast -a $seed /payloads/print.bin >out
		echo "$seed: $? $(cmp out wanted 2>&1)"
	done
END
on_quick_host boot_counting --script "$work/listen.sh" build/listen
for option in --uart=fast --uart=plain; do
	said=$(grep -A 3 -e "^$option" <<<"$stdout")
	delay=$(sed -n 's/ us$//p' <<<"$said")
	comment "$delay us"
	[ "${delay:-10000}" -lt 10000 ]
	report $? "$option: a byte shows within 10 ms"
	is "$option: idle, no thread of it is ever switched to" "$(sed -n 's/ switches$//p' <<<"$said")" 0
	is "$option: and it can be ended" "$(grep status <<<"$said")" 'status 0'
done
for seed in 3 7 11 15; do
	is "--uart=fast: ended right behind its last byte, $seed" "$(grep "^$seed:" <<<"$stdout")" "$seed: 143 "
done

plan
