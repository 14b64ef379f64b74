#!/bin/bash
# SPDX-License-Identifier: MIT
# The scripts around the build: what they do where they may not, or cannot.
. "$(dirname "$0")/tap.sh"

# A machine on which nobody is root and nothing is installed but a shell.
mkdir "$work/bin"
ln -s "$(command -v sh)" "$work/bin/sh"
printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
chmod +x "$work/bin/id"

got=$(PATH=$work/bin tools/need.sh sh:dash 2>&1)
is 'nothing is missing: silence' "$? $got" '0 '
got=$(PATH=$work/bin tools/need.sh no-such:one /no/such:two no-such-either:one sh:dash 2>&1)
is 'may not install: fails' $? 1
like 'and prints the one command' "$got" \
	'apt-get update && apt-get install -y --no-install-recommends one two$'

got=$(echo 'nonsense a b' | rootfs/pack.sh "$work/x.cpio" 2>&1)
is 'a list with a wrong line is refused' "$? $got" '1 pack.sh: unknown line: nonsense a b'

token=0123456789abcdef
filter() {
	printf '%b' "$1" | tools/host-console.pl $token 2>/dev/null
	echo "<$?>"
}
is 'console: the final line is swallowed' "$(filter "out\n\036nestling: $token exit status 3\nx")" 'out
<3>'
is 'console: also behind a line without end' "$(filter "out\036nestling: $token exit status 255\r\n")" \
	'out<255>'
is 'console: what only begins like it passes' "$(filter "\036nestling: $token exit")" \
	$'\036'"nestling: $token exit<70>"
is 'console: a line without a number is none' "$(filter "\036nestling: $token exit status x\n")" \
	$'\036'"nestling: $token exit status x
<70>"
is 'console: byte by byte' "$(for c in o k n e s $'\036'"nestling: ${token:0:3}" "${token:3}" \
	' exit status 9'; do printf '%s' "$c"; done | tools/host-console.pl $token; echo "<$?>")" 'oknes<9>'
head -c 100000 /dev/urandom >"$work/in"
tools/host-console.pl $token <"$work/in" >"$work/out" 2>/dev/null
cmp -s "$work/in" "$work/out"
report $? 'console: any byte passes'

plan
