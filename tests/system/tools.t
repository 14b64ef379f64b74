#!/bin/bash
# SPDX-License-Identifier: MIT
# The scripts around the build, where they lack rights or tools.
. "$(dirname "$0")/tap.sh"

# A machine with nothing but a shell, for a user who is not root.
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

# A fake arm64 machine: an empty CROSS_COMPILE means its own compiler.
mkdir "$work/native"
for tool in cat dirname make nproc sh; do
	ln -s "$(command -v $tool)" "$work/native/$tool"
done
ln -s "$work/bin/id" "$work/native/id"
for tool in cpio dtc; do
	ln -s /bin/true "$work/native/$tool"
done
printf '#!/bin/sh\necho aarch64\n' >"$work/native/uname"
printf '#!/bin/sh\necho aarch64-linux-gnu\n' >"$work/native/gcc"
chmod +x "$work/native/uname" "$work/native/gcc"
got=$(PATH=$work/native make -s CROSS_COMPILE= tools-build 2>&1)
is 'CROSS_COMPILE= asks for no cross compiler' "$? $got" '0 '
got=$(PATH=$work/native make -nB CROSS_COMPILE= build/nestling build/payloads/hello.bin 2>&1)
is 'and uses none' "$? $(grep -E 'aarch64-linux-gnu-[a-z]' <<<"$got")" '0 '
for tool in 'ld -static' 'ar rcs' 'cpp -nostdinc' 'objcopy -O binary' 'objcopy --strip-all'; do
	like "but $tool" "$got" "(^|;) ?$tool"
done
is 'the driver of musl gets gcc' "$(make -s --eval "show: ; @echo \$\$REALGCC" CROSS_COMPILE= show)" gcc
rm "$work/native/gcc"
got=$(PATH=$work/native make -s CROSS_COMPILE= tools-build 2>&1)
like 'without gcc: that is what is missing' "$? $got" 'apt-get install -y --no-install-recommends gcc$'
printf '#!/bin/sh\necho x86_64-linux-gnu\n' >"$work/native/gcc"
chmod +x "$work/native/gcc"
got=$(PATH=$work/native make -s CROSS_COMPILE= tools-build 2>&1)
like 'a gcc for another CPU is refused' "$? $got" \
	'CROSS_COMPILE=: gcc makes programs for x86_64-linux-gnu, not for aarch64'
got=$(PATH=$work/native make -s CROSS_COMPILE=no-such- tools-build 2>&1)
like 'and so is one that is not there' "$? $got" 'CROSS_COMPILE=no-such-: there is no no-such-gcc in PATH'

# A machine on which another process holds apt's lock.
mkdir "$work/root"
printf '#!/bin/sh\necho 0\n' >"$work/root/id"
cat >"$work/root/apt-get" <<-'END'
	#!/bin/sh
	echo "Reading $*"
	case $* in
	*good) echo 'Waiting for cache lock: held by 1.' && echo 'Waiting for cache lock: held by 1.' ;;
	*bad) echo 'E: no good' >&2 && exit 100 ;;
	esac
END
chmod +x "$work/root"/*
got=$(PATH=$work/root:$PATH tools/need.sh no-such:good 2>&1)
is 'installs: says what it waits for, once' "$? $got" '0 Installing good
Waiting for cache lock: held by 1.'
got=$(PATH=$work/root:$PATH tools/need.sh no-such:bad 2>&1)
like 'cannot install: fails, and says why' "$? $(tr '\n' ' ' <<<"$got")" \
	'^1 Installing bad .*E: no good That failed. As root, run: apt-get update'

got=$(echo 'nonsense a b' | rootfs/pack.sh "$work/x.cpio" 2>&1)
is 'a list with a wrong line is refused' "$? $got" '1 pack.sh: unknown line: nonsense a b'

token=0123456789abcdef
ready="\036nestling: $token ready\n"
mkfifo "$work/keys" "$work/console" "$work/messages"
: >"$work/in"
: >"$work/said"
# filter: prints host-console.pl's output for standard input as the console, and its status. QEMU gets what is
# written to $work/in, and sends $work/said on its other line; standard error is $work/stderr.
filter() {
	cat >"$work/console" 3<"$work/keys" <&0 &
	cat "$work/keys" >"$work/typed" &
	cat "$work/said" >"$work/messages" &
	timeout -k 5 60 tools/host-console.pl $token "$work/keys" "$work/console" "$work/messages" \
		<"$work/in" 2>"$work/stderr"
	echo "<$?>"
	wait
}
show() {
	printf '%b' "$ready$1" | filter
}
is 'console: the final line is swallowed' "$(show "out\n\036nestling: $token exit status 3\nx")" 'out
<3>'
is 'console: also behind a line without end' "$(show "out\036nestling: $token exit status 255\r\n")" \
	'out<255>'
is 'console: what only begins like it passes' "$(show "\036nestling: $token exit")" \
	$'\036'"nestling: $token exit<70>"
is 'console: a line without a number is none' "$(show "\036nestling: $token exit status x\n")" \
	$'\036'"nestling: $token exit status x
<70>"
is 'console: byte by byte' "$(for c in "$(printf '%b.' "$ready")" o k n e s $'\036'"nestling: ${token:0:3}" "${token:3}" \
	' exit status 9'; do printf '%s' "$c"; done | filter)" '.oknes<9>'
head -c 100000 /dev/urandom >"$work/bytes"
{ printf '%b' "$ready" && cat "$work/bytes"; } | filter >"$work/out"
printf '<70>\n' >>"$work/bytes"
is 'console: any byte passes' "$(cmp "$work/bytes" "$work/out" 2>&1)" ''
is "console: before the line that says that it is ready it is the host's, on standard error" \
	"$(printf '%b' "panic\r\n${ready}guest\n\036nestling: $token exit status 0\n" | filter)$(cat "$work/stderr")" \
	$'guest\n<0>panic\r'
echo 'a trace' >"$work/said"
is 'messages: go to standard error' "$(show "out\n\036nestling: $token exit status 0\n")$(cat "$work/stderr")" \
	$'out\n<0>a trace'
: >"$work/said"

head -c 100000 /dev/urandom >"$work/in"
is 'keys: none before the host is ready' "$(printf '%b' "\036nestling: $token exit status 0\n" |
	filter)$(wc -c <"$work/typed")" '<0>0'
# typed: waits until all keys have arrived.
typed() {
	for _ in {1..100000}; do [ "$(stat -c %s "$work/typed")" -ne 100000 ] || break; done
}
is 'keys: the line that says so is swallowed' "$({
	printf 'a\036nestling: %s ready\r\nb' $token
	typed
} | filter)" 'b<70>'
is 'keys: then all of them come' "$(cmp "$work/in" "$work/typed" 2>&1)" ''

# Standard output stalls.
mkfifo "$work/stalled"
exec 5<>"$work/stalled"
echo 'a trace' >"$work/said"
: >"$work/typed"
{ printf '%b' "$ready" && exec cat /dev/zero; } >"$work/console" 3<"$work/keys" &
host=$!
cat "$work/keys" >"$work/typed" &
cat "$work/said" >"$work/messages" &
timeout -k 5 60 tools/host-console.pl $token "$work/keys" "$work/console" "$work/messages" \
	<"$work/in" >"$work/stalled" 2>"$work/stderr" &
console=$!
typed
is 'keys: come through while standard output stalls' "$(cmp "$work/in" "$work/typed" 2>&1)" ''
kill $host
kill $console
wait $console
is 'a signal ends it, though standard output stalls' "$?" 143
is 'messages: come through while standard output stalls' "$(cat "$work/stderr")" 'a trace'
exec 5>&-
wait

# ---- the tests' own runner ----

printf '%s\n' '#!/bin/sh' 'echo not ok 1 - a claim' 'echo "# why"' 'echo ok 2 - another' 'echo "# what"' 'echo 1..2' >"$work/a.t"
chmod +x "$work/a.t"
out=$(tests/run.pl "$work/a.t" 2>&1)
is 'run.pl: a test that failed, and why, is there once more at the end' \
	"$? $(sed -n '/^What failed/,/^$/p' <<<"$out" | grep -E 'a.t|#')" "1 $work/a.t: not ok 1 - a claim
    # why"

# ---- the bench ----

mkdir "$work/qemu" "$work/tmp"
printf '%s\n' '#!/bin/sh' 'echo $$ >&5' 'exec sleep 600 5>&-' >"$work/qemu/qemu-system-aarch64"
chmod +x "$work/qemu/qemu-system-aarch64"
mkfifo "$work/begun"
PATH=$work/qemu:$PATH TMPDIR=$work/tmp tests/bench/bench.pl --budget >"$work/out" 2>&1 5>"$work/begun" &
read -r host <"$work/begun"
kill $!
wait $!
for _ in {1..300}; do kill -0 "$host" 2>"$work/stderr" || break; sleep 0.1; done
like 'bench.pl: a signal ends its host, too' "$(cat "$work/stderr")" 'No such process'
is 'and it leaves nothing behind' "$(ls "$work/tmp")" ''

plan
