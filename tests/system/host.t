#!/bin/bash
# SPDX-License-Identifier: MIT
# nestling as an ordinary program: options, statuses and messages; host-cases.sh in one boot.
. "$(dirname "$0")/tap.sh"

try_cases host-cases.sh ''

plan
