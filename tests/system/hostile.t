#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest that is an enemy, and a monitor that dies: hostile-cases.sh in one boot. Figures of the long runs go
# to standard error.
. "$(dirname "$0")/tap.sh"

boot --script tests/system/hostile-cases.sh build/fault tests/system/is.sh
is 'the host ends well' "$status$stderr" 0
cases "$stdout" ''
grep '^# long' <<<"$stdout" >&2

plan
