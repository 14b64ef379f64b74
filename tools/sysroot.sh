#!/bin/sh
# SPDX-License-Identifier: MIT
# Unpacks Debian's arm64 packages into a directory of their own: sysroot.sh DIRECTORY PACKAGE...
# apt keeps its lists for arm64 beside it: the machine itself gets no foreign architecture.
# "linux-image-..." metapackages stand for the kernel they depend on, found as DIRECTORY/vmlinuz.
# "NAME+" is the package with all that it depends on.
set -eu

root=$1
shift
apt=$(realpath -m "$root.apt")
rm -rf "$root.new"
mkdir -p "$root.new" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
: >"$apt/status"
options="-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
	-o Dir::State::Lists=$apt/lists -o Dir::State::status=$apt/status -o Dir::Cache=$apt/cache"

quietly() {
	"$@" </dev/null >"$apt/log" 2>&1 || {
		cat "$apt/log" >&2
		echo "sysroot.sh: failed: $*" >&2
		exit 1
	}
}

echo "Fetching arm64 packages: $*" >&2
# shellcheck disable=SC2086
quietly apt-get $options update
names=
for package; do
	case $package in
	linux-image-*)
		# shellcheck disable=SC2086
		package=$(apt-cache $options show --no-all-versions "$package" |
			sed -n 's/^Depends: \(linux-image-[^ ]*\).*/\1/p')
		;;
	*+)
		# shellcheck disable=SC2086
		package=$(apt-get $options -s --no-install-recommends install "${package%+}" |
			sed -n "s/^Inst \([^ ]*\).*/\1/p")
		;;
	esac
	[ -n "$package" ] || {
		echo "sysroot.sh: the lists name nothing that is wanted; is there a network?" >&2
		exit 1
	}
	names="$names $package"
done
rm -f "$apt/packages"/*
# shellcheck disable=SC2086
(cd "$apt/packages" && quietly apt-get $options download $names)
for package in "$apt/packages"/*.deb; do
	dpkg-deb -x "$package" "$root.new"
done
# Only now: what was there is not lost if anything above failed.
rm -rf "$root"
mv "$root.new" "$root"
rm -rf "$apt"

# musl's gcc driver names its own directories: make them the ones under here. They stay as relative as
# DIRECTORY is, so that a tree can be moved.
wrapper=$root/usr/bin/aarch64-linux-musl-gcc
if [ -f "$wrapper" ]; then
	sed -i "s| \"/usr/lib/| \"$root/usr/lib/|" "$wrapper"
	sed -i "s#/usr/\(lib\|include\)/aarch64-linux-musl#$root&#g" \
		"$root/usr/lib/aarch64-linux-musl/musl-gcc.specs"
fi
for kernel in "$root"/boot/vmlinuz-*; do
	[ ! -f "$kernel" ] || ln -sf "${kernel#"$root"/}" "$root/vmlinuz"
done
