#!/bin/bash
# SPDX-License-Identifier: MIT
# Lines for pack.sh, for modules of a kernel: modules.sh DIRECTORY MODULE..., of which DIRECTORY is its package's
# lib/modules/VERSION. They are packed, with those that they depend on, as modules/NN-MODULE.ko, to be loaded in the
# order of these names. What the kernel has built in is not there. Those that are packed with xz are unpacked into
# the directory $UNPACKED.
set -euo pipefail

directory=$1
shift
number=10 done=' '

# add MODULE: behind those that it depends on, by its own section .modinfo (depmod(8) does the same).
add() {
	local file depends module
	[[ $done != *" $1 "* ]] || return 0
	done+="$1 "
	file=$(find "$directory" -name "${1//[-_]/[-_]}.ko" -o -name "${1//[-_]/[-_]}.ko.xz")
	[ -n "$file" ] || return 0
	if [[ $file == *.xz ]]; then
		xz -dc "$file" >"${UNPACKED:?is needed for $file}/$1.ko"
		file=$UNPACKED/$1.ko
	fi
	depends=$(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p')
	for module in ${depends//,/ }; do
		add "$module"
	done
	echo "file modules/$number-$1.ko $file"
	number=$((number + 1))
}

for module; do
	add "$module"
done
