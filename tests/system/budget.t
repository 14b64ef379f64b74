#!/bin/sh
# SPDX-License-Identifier: MIT
# What nestling costs, in instructions, is what it did cost: the ratios in tests/bench/budget.
exec "$(dirname "$0")/../bench/bench.pl" --budget
