#!/bin/bash
# SPDX-License-Identifier: MIT
# What the corpora hold, every past finding among it, under sanitizers and without a fuzzer.
. "$(dirname "$0")/../system/tap.sh"

for corpus in tests/fuzz/*/; do
	name=$(basename "$corpus")
	output=$(build/fuzz/"$name".t "$corpus" 2>&1)
	report $? "$name: $(sed -n 's/^ok 1 - //p' <<<"$output")"
	[ "${output#ok}" != "$output" ] || comment "$(head -n 30 <<<"$output")"
done

plan
