#!/bin/sh
# SPDX-License-Identifier: MIT
# Lines for pack.sh, for what a kernel takes to mount an ext4 on a virtio disk: disk-modules.sh DIRECTORY, which is its
# package's lib/modules/VERSION.
exec "$(dirname "$0")/modules.sh" "$1" virtio_mmio virtio_blk crc32c_generic ext4
