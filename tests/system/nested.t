#!/bin/bash
# SPDX-License-Identifier: MIT
# Guests with EL2: payloads there, and a hypervisor, which is Linux with nestling in it. THOROUGH fetches what that takes.
. "$(dirname "$0")/tap.sh"

if [ ! -e build/nested/.complete ]; then
	skip 'guests with EL2' 'QEMU with FEAT_NV2 and a kernel for it are not there; make thorough fetches them'
	plan
	exit
fi

export HOST_NESTED=1
boot --demo nested
is 'nestling in nestling: status' "$status$stderr" 0
like 'the innermost guest is at EL1' "$stdout" '^Hello from the guest, at EL1\.'
like 'the one around it ends well' "$stdout" '^nestling: exit status 0'
if [ "${THOROUGH-}" ]; then
	boot --script tests/system/nested-cases.sh tests/system/cases.sh
	is 'the host ends well' "$status$stderr" 0
	cases "$stdout" ''
fi

plan
