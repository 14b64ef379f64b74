# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For scripts that run in the host and report to `cases` of tap.sh. Packed along, and sourced there.

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		echo "ok $1"
	else
		echo "not ok $1"
		printf 'got: %s\nwanted: %s\n' "$2" "$3" | head -c 1000 | sed 's/^/# /'
	fi
}
