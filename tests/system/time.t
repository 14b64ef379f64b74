#!/bin/bash
# SPDX-License-Identifier: MIT
# Time as the guest sees it, and guests that print nothing: time-cases.sh in one boot.
. "$(dirname "$0")/tap.sh"

# Without counting instructions, because guests are busy for seconds here.
on_quick_host boot --script tests/system/time-cases.sh tests/system/cases.sh
is 'the host ends well' "$status$stderr" 0
cases "$stdout" ''

plan
