#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints what vmm/bundle.S includes: bundle.sh MANIFEST FILE...; an empty MANIFEST is none.
# A line of the manifest: "NAME OPTION...", quoted as for a shell; "#" starts a comment. NAME is a
# FILE's, without its directory and ".bin".
set -eu

fail() {
	echo "bundle.sh: $*" >&2
	exit 1
}

manifest=$1
shift
[ -z "$manifest" ] || [ -r "$manifest" ] || fail "$manifest: cannot be read"

# The words of a payload's options as the assembler's strings, and an empty one behind them.
strings() {
	words=$(printf '%s' "$1" | xargs -r -n1 printf '%s\n') || fail "$manifest: cannot be parsed: $1"
	[ -z "$1" ] || ! printf '%s\n' "$words" | grep -qx '' || fail "$manifest: an empty word in: $1"
	printf '%s\n' "$words" '' | sed '/./!{$!d}; s/[\\"]/\\&/g; s/.*/"&"/' | paste -sd,
}

names=" "
for file; do
	name=$(basename "$file" .bin)
	case $names in *" $name "*) fail "two payloads are named $name: rename one" ;; esac
	names="$names$name "
	options=
	if [ -n "$manifest" ]; then
		options=$(sed -n "s/^${name}[[:space:]][[:space:]]*//p" "$manifest" | head -n 1)
	fi
	options=$(strings "$options") || exit
	printf 'payload "%s", "%s", %s\n' "$name" "$file" "$options"
done

[ -z "$manifest" ] || while read -r name _; do
	case $name in '' | '#'*) continue ;; esac
	case $names in *" $name "*) ;; *) fail "$manifest: $name is no payload of$names" ;; esac
done <"$manifest"
