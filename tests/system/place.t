#!/bin/bash
# SPDX-License-Identifier: MIT
# Device tree and initrd lie where QEMU's `virt` machine has them: it is started with the same.
. "$(dirname "$0")/tap.sh"

mkdir "$work/qemu"
wanted=$(cd "$work/qemu" && "$OLDPWD/tests/system/place-cases.sh" "$OLDPWD/build/payloads")
boot --script tests/system/place-cases.sh build/payloads/place-0x*.elf
is 'the host ends well' "$status$stderr" 0
mapfile -t wanted <<<"$wanted"
mapfile -t got <<<"$stdout"
for i in "${!wanted[@]}"; do
	is "${wanted[i]%%: *}" "${got[i]-}" "${wanted[i]}"
done
is 'no case more' "${#got[@]}" "${#wanted[@]}"

plan
