#!/bin/sh
# SPDX-License-Identifier: MIT
# nestling's costs, in instructions, have not changed: ratios to the floor are those in tests/bench/budget.
exec "$(dirname "$0")/../bench/bench.pl" --budget
