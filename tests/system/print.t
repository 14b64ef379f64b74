#!/bin/bash
# SPDX-License-Identifier: MIT
# What guests print, with the UART's shortcuts and without; and how soon it shows, counted in
# instructions.
. "$(dirname "$0")/tap.sh"

for option in --uart=fast --uart=plain; do
	echo "$option" >"$work/options"
	# CPUs of the host's: on two the guest's are at it at once.
	for cpus in $([ $option = --uart=plain ] || echo 1) 2; do
		HOST_SMP=$cpus try_cases print-cases.sh "$option, $cpus CPUs: " build/listen "$work/options"
	done

	# Under the emulator's instruction count, where a nanosecond is an instruction.
	cat >"$work/listen.sh" <<-END
		/payloads/listen delay nestling $option /payloads/silence.bin </dev/null
		echo status \$?
		{ seq 1500; head -c 600 /dev/zero | tr '\0' .; } >wanted
		for seed in 3 7 11 15; do
			printf '\004' | /payloads/listen kill 6823 nestling $option -a \$seed /payloads/print.bin >out
			echo "\$seed: \$? \$(cmp out wanted 2>&1)"
		done
	END
	boot_counting --script "$work/listen.sh" build/listen
	delay=$(sed -n 's/ us$//p' <<<"$stdout")
	comment "$delay us"
	[ "${delay:-10000}" -lt 10000 ]
	report $? "$option: a byte shows within 10 ms"
	is "$option: idle, no thread of it is ever switched to" "$(sed -n 's/ switches$//p' <<<"$stdout")" 0
	is "$option: and it can be ended" "$(grep status <<<"$stdout")" 'status 0'
	# Without shortcuts the last bytes are not even written in a millisecond.
	[ $option = --uart=fast ] || continue
	for seed in 3 7 11 15; do
		is "$option: ended right behind its last byte, $seed" "$(grep "^$seed:" <<<"$stdout")" "$seed: 143 "
	done
done

plan
