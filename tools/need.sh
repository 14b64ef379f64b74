#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages of commands or files that are missing: need.sh THING:PACKAGE...
# A THING is a command in PATH, or a file if it starts with "/". Prints nothing if none is missing.
set -eu

packages=
for pair; do
	thing=${pair%%:*}
	case $thing in
	/*) [ -e "$thing" ] && continue ;;
	*) command -v "$thing" >/dev/null && continue ;;
	esac
	case " $packages " in
	*" ${pair#*:} "*) ;;
	*) packages="$packages ${pair#*:}" ;;
	esac
done
[ -n "$packages" ] || exit 0

# The command that installs them, for root; words are split on purpose.
install="apt-get install -y --no-install-recommends$packages"
root=
if [ "$(id -u)" -ne 0 ]; then
	root=sudo
	# sudo can ask for the password only if there is a terminal.
	if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
		root=none
	fi
fi
if ! command -v apt-get >/dev/null || [ "$root" = none ]; then
	echo "Packages are missing, and may not be installed from here. As root, run:" >&2
	echo "  apt-get update && $install" >&2
	exit 1
fi
echo "Installing$packages" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log" "$log.failed"' EXIT
trap 'exit 143' TERM
# If apt-get waits for another one's lock, its first message about that is printed at once.
# shellcheck disable=SC2086
{
	{ $root apt-get -q update && $root apt-get -q -o DPkg::Lock::Timeout=300 ${install#apt-get }; } ||
		: >"$log.failed"
} </dev/null 2>&1 | tee "$log" | sed -un '/^Waiting/ { p; :rest; n; b rest; }' >&2
if [ -e "$log.failed" ]; then
	cat "$log" >&2
	echo "That failed. As root, run: apt-get update && $install" >&2
	exit 1
fi
