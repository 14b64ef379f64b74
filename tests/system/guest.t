#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest's machine, on every kind of host: guest-cases.sh in one boot of each.
. "$(dirname "$0")/tap.sh"

for gic in 2 3; do
	for cpu in cortex-a57 max,pauth-impdef=on; do
		HOST_GIC=$gic HOST_CPU=$cpu boot --script tests/system/guest-cases.sh
		is "GICv$gic, $cpu: the host ends well" "$status$stderr" 0
		cases "$stdout" "GICv$gic, ${cpu%%,*}: "
	done
done

plan
