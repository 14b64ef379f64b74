#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a disk with an EFI system partition, from which systemd-boot starts a kernel, without root:
# efi-disk.sh IMAGE KERNEL INITRD COMMAND-LINE
set -eu
cd "$(dirname "$0")/.."
image=$1
partition=$(mktemp)
trap 'rm -f "$partition"' EXIT

# mcopy's -o: never ask.
put() {
	mcopy -o -i "$partition" "$1" "::$2"
}
megabytes=$(($(cat "$2" "$3" | wc -c) / 1048576 + 8))
truncate -s "${megabytes}M" "$partition"
mformat -i "$partition" -v EFI ::
mmd -i "$partition" ::EFI ::EFI/BOOT ::loader ::loader/entries
put build/firmware/usr/lib/systemd/boot/efi/systemd-bootaa64.efi EFI/BOOT/BOOTAA64.EFI
put "$2" linux
put "$3" initrd
printf 'timeout 0\n' | put - loader/loader.conf
printf 'title Linux\nlinux /linux\ninitrd /initrd\noptions %s\n' "$4" | put - loader/entries/linux.conf

# One partition of type 0xef from 1 MiB on, in an MBR (UEFI 2.10, 5.2.1).
perl -e 'print pack "x446 x4 Cx3 VV x48 v", 0xef, 2048, $ARGV[0] << 11, 0xaa55' "$megabytes" >"$image"
truncate -s 1M "$image"
cat "$partition" >>"$image"
