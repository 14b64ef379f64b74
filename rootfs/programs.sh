#!/bin/sh
# SPDX-License-Identifier: MIT
# Lines for pack.sh, for programs of packages that are unpacked in a directory, with the libraries that they need:
# programs.sh DIRECTORY PROGRAM...
set -eu

root=$1
shift
libraries=lib/aarch64-linux-gnu
while [ $# -gt 0 ]; do
	echo "file $1 $root/$1"
	for name in $(readelf -d "$root/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		case $name in
		ld-linux-*) file=lib/$name ;;
		*) [ -e "$root/$libraries/$name" ] && file=$libraries/$name || file=usr/$libraries/$name ;;
		esac
		case " $* " in *" $file "*) ;; *) set -- "$@" "$file" ;; esac
	done
	shift
done | sort -u
