#!/bin/bash
# SPDX-License-Identifier: MIT
# nestling as an ordinary program: host-cases.sh runs in one boot of the test rootfs and prints TAP.
. "$(dirname "$0")/tap.sh"

boot --script tests/system/host-cases.sh
printf '%s\n' "$stdout"
comment "$stderr"
# Without a plan prove would not miss what never ran.
[ "$status" -eq 0 ] || echo "Bail out! the host ended with status $status"
