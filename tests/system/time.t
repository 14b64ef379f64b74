#!/bin/bash
# SPDX-License-Identifier: MIT
# Time as the guest sees it, and guests that show nothing: time-cases.sh in one boot.
. "$(dirname "$0")/tap.sh"

# Not counting instructions: guests are busy for seconds here.
boot --script tests/system/time-cases.sh tests/system/cases.sh
is 'the host ends well' "$status$stderr" 0
cases "$stdout" ''

plan
