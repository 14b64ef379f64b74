#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the QEMU in build/nested, which has FEAT_NV2, with its own libraries: nested-qemu.sh ARGUMENT...
root=$(dirname "$(realpath "$0")")/../build/nested/qemu
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
QEMU_MODULE_DIR=$libraries/qemu exec "$libraries"/ld-linux-*.so.* --library-path "$libraries" \
	"$root/usr/bin/qemu-system-aarch64" -L "$root/usr/share/qemu" "$@"
