#!/bin/sh
# SPDX-License-Identifier: MIT
# Unpacks Debian's arm64 packages into a directory of their own: sysroot.sh DIRECTORY PACKAGE...
# apt keeps its lists for arm64 beside it: the machine itself gets no foreign architecture.
# "linux-image-..." metapackages stand for the kernel they depend on; the last is found as DIRECTORY/vmlinuz.
# "NAME+" is the package with all that it depends on, "NAME/SUITE" and "NAME+/SUITE" the one of another suite of
# Debian's. ARCH=NAME stands for another architecture.
set -eu

root=$1
shift
apt=$(realpath -m "$root.apt")
rm -rf "$root.new"
mkdir -p "$root.new" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
: >"$apt/status"
ARCH=${ARCH:-arm64}
options="-o APT::Architecture=$ARCH -o APT::Architectures=$ARCH -o APT::Sandbox::User=root
	-o Dir::State::Lists=$apt/lists -o Dir::State::status=$apt/status -o Dir::Cache=$apt/cache"

quietly() {
	"$@" </dev/null >"$apt/log" 2>&1 || {
		cat "$apt/log" >&2
		echo "sysroot.sh: failed: $*" >&2
		exit 1
	}
}

# Where a suite is named, the lists are those of the suites that are, from where this machine has its own.
# Backports depend on what they were made for.
suites=$(printf '%s\n' "$@" | sed -n 's|.*/||p' | sed 'p; s/-backports$//' | sort -u)
if [ -n "$suites" ]; then
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # apt's own variable
	archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" | head -n 1)
	for suite in $suites; do
		echo "deb $archive $suite main"
	done >"$apt/sources.list"
	options="$options -o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=/dev/null"
fi

# dependency PACKAGE NAME: the package that it depends on whose name is NAME and a version.
dependency() {
	# shellcheck disable=SC2086
	apt-cache $options show --no-all-versions "$1" | sed -n "s/^Depends:.*\($2-[0-9][^ ,]*\).*/\1/p"
}

echo "Fetching $ARCH packages: $*" >&2
# shellcheck disable=SC2086
quietly apt-get $options update
names=
for package; do
	case $package in
	linux-image-*)
		package=$(dependency "$package" linux-image)
		# Newer ones have their modules in one package, the kernel in another.
		binary=$(dependency "$package" linux-binary)
		package=${binary:-$package}
		;;
	*+*)
		suite=${package#*+}
		# shellcheck disable=SC2086
		package=$(apt-get $options ${suite:+-t "${suite#/}"} -s --no-install-recommends install "${package%%+*}" |
			sed -n "s/^Inst \([^ ]*\) (\([^ ]*\).*/\1=\2/p")
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
for kernel in "$root"/boot/vmlinuz-* "$root"/usr/lib/modules/*/vmlinuz; do
	[ ! -f "$kernel" ] || ln -sf "${kernel#"$root"/}" "$root/vmlinuz"
done
