#!/bin/bash
# SPDX-License-Identifier: MIT
# Time as the guest sees it, and guests that show nothing: time-cases.sh in one boot.
. "$(dirname "$0")/tap.sh"

boot --script tests/system/time-cases.sh tests/system/is.sh
is 'the host ends well' "$status$stderr" 0
cases "$stdout" ''

plan
