#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs an initramfs from a list: pack.sh OUTPUT < LIST. The same input gives the same bytes.
# A line of the list is "file NAME SOURCE" or "link NAME TARGET"; "#" starts a comment. Missing
# directories are created; SOURCE and TARGET may contain blanks.
set -eu

output=$(realpath -m "$1")
mkdir -p "$(dirname "$output")"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

while read -r kind name rest; do
	case $kind in '' | '#'*) continue ;; esac
	mkdir -p "$stage/$(dirname "$name")"
	case $kind in
	file) cp "$rest" "$stage/$name" ;;
	link) ln -s "$rest" "$stage/$name" ;;
	*)
		echo "pack.sh: unknown line: $kind $name $rest" >&2
		exit 1
		;;
	esac
done
cd "$stage"
chmod -R 755 .
find . -exec touch -h -d @0 {} +
find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
	cpio -o --quiet -H newc --reproducible --owner=0:0 >"$output"
