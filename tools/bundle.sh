#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the list of payloads that vmm/load/bundle.S includes: bundle.sh MANIFEST FILE...; MANIFEST may
# be empty. A line of the manifest is "NAME OPTION...", quoted as for a shell; "#" starts a comment.
# NAME is a FILE's, without its directory, and with or without ".bin". The options are not checked
# here: nestling does that (--check) when an appliance is made.
set -eu

fail() {
	echo "bundle.sh: $*" >&2
	exit 1
}

manifest=$1
shift
[ -z "$manifest" ] || [ -r "$manifest" ] || fail "$manifest: cannot be read"
! grep -q "$(printf '\r')" "${manifest:-/dev/null}" || fail "$manifest: has carriage returns: take them out"

# options_of NAME: the manifest's options for this payload, unparsed.
options_of() {
	name=$1 awk '$1 == ENVIRON["name"] || $1 == ENVIRON["name"] ".bin" { sub(/^[ \t]*[^ \t]+[ \t]*/, ""); print; lines++ }
		END { exit lines > 1 }' "${manifest:-/dev/null}" || fail "$manifest: two lines for $1"
}

# strings OPTIONS: the words of these options as strings for the assembler, ended by an empty one.
strings() {
	words=$(printf '%s\n' "$1" | xargs -r -n1 printf '%s.\n') || fail "$manifest: cannot be parsed: $1"
	! printf '%s\n' "$words" | grep -qx '\.' || fail "$manifest: an empty word in: $1"
	printf '%s\n' "$words" . | sed '/./!d; s/\.$//; s/[\\"]/\\&/g; s/.*/"&"/' | paste -sd,
}

names=" "
for file; do
	name=$(basename "$file" .bin)
	case $names in *" $name "*) fail "two payloads are named $name: rename one" ;; esac
	names="$names$name "
	options=$(options_of "$name") || exit
	options=$(strings "$options") || exit
	align=16
	[ "$(head -c 8 "$file" | tr -d '\0')" != NSTLsnap ] || align=65536 # a snapshot is mapped: the largest page
	printf 'payload "%s", "%s", %d, %s\n' "$name" "$file" $align "$options"
done

awk '$1 !~ /^#/ && NF { print $1 }' "${manifest:-/dev/null}" | while read -r name; do
	case $names in *" ${name%.bin} "*) ;; *) fail "$manifest: $name is no payload of$names" ;; esac
done
