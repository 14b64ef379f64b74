#!/bin/bash
# SPDX-License-Identifier: MIT
# Device tree and initrd are at the same addresses as on QEMU's `virt` machine, which runs the same cases.
. "$(dirname "$0")/tap.sh"

mkdir "$work/qemu"
wanted=$(cd "$work/qemu" && "$OLDPWD/tests/system/place-cases.sh" "$OLDPWD/build/payloads")
on_quick_host boot --script tests/system/place-cases.sh build/payloads/place-0x*.elf
is 'the host ends well' "$status$stderr" 0
mapfile -t wanted <<<"$wanted"
mapfile -t got <<<"$stdout"
for i in "${!wanted[@]}"; do
	is "${wanted[i]%%: *}" "${got[i]-}" "${wanted[i]}"
done
is 'no case more' "${#got[@]}" "${#wanted[@]}"

plan
