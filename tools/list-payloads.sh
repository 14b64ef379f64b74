#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints a line for every payload of the tree: its claim, and whether it ends by itself. Both are
# sentences of the comment at the start of its source: "Claim: ..." and "Never ends by itself...".
set -eu

cd "$(dirname "$0")/../payloads"
for source in *.c; do
	name=${source%.c} awk '
		sub(/.*Claim: /, "") { inside = 1 }
		inside { sub(/^ \* /, ""); text = text $0 " " }
		inside && sub(/ *\*\/ *$/, "", text) { exit }
		END {
			count = split(text, sentences, /\. +|\.$/)
			for (i = 1; i <= count; i++)
				if (i == 1 || sentences[i] ~ /^Never ends by itself/)
					line = line " " sentences[i] "."
			if (inside)
				printf "%-8s%s\n", ENVIRON["name"], line
		}' "$source"
done
