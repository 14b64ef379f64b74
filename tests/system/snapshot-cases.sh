#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the host, in the test rootfs: guests are saved and resumed. Prints "ok NAME" or "not ok NAME".
# shellcheck source=cases.sh
. /payloads/cases.sh
resign=/payloads/resign
truncate -s 1M disk
printf q >key
mkdir small
mount -t tmpfs -o size=20k none small
echo old >small/w.snap

# saved NAME ARGUMENT...: the guest's own wish; w.snap is it.
saved() {
	name=$1
	shift
	is "$name" "$(nestling --save w.snap "$@" <key 2>errors; echo $?)" "asks
saved
0"
	is "$name: nothing but one line" "$(sed 's/: .*//; s/to w.*//' errors)" nestling
	is "$name: no other file" "$(echo ./*.part)" './*.part'
}

# resumes NAME WANTED KEYS ARGUMENT...: what it prints, and its status.
resumes() {
	name=$1 wanted=$2 keys=$3
	shift 3
	is "$name" "$(printf %s "$keys" | nestling "$@" 2>&1; echo $?)" "$wanted"
}

# refused NAME STATUS PATTERN ARGUMENT...: before the guest has done anything, with one line.
refused() {
	name=$1 status=$2 pattern=$3
	shift 3
	output=$(nestling "$@" 2>&1 </dev/null)
	got=$?
	# shellcheck disable=SC2254 # it is a pattern
	case $got:$output in
	$status:"nestling: "$pattern) report 0 "$name" ;;
	*) is "$name" "$got $output" "$status $pattern" ;;
	esac
}

# changed NAME STATUS PATTERN OFFSET SIZE VALUE [ARGUMENT...]: the snapshot, with another value in it.
changed() {
	name=$1 status=$2 pattern=$3
	cp w.snap c.snap
	$resign c.snap "$4" "$5" "$6" || report 1 "$name: can be changed"
	shift 6
	refused "$name" "$status" "$pattern" "$@" c.snap
}

# ---- the guest's own wish; its claims are those of payloads/warm.c ----

all='1 4'
[ "$(nproc)" -eq 1 ] || all=4
for cpus in $all; do
	saved "it asks, -c $cpus" -m 16 -c "$cpus" /payloads/warm.bin
	resumes "it goes on, -c $cpus" "resumed
0" q w.snap
	resumes "its reset takes it back, -c $cpus" "resumed
resumed
resumed
0" rrq w.snap
	resumes "its reset ends it, -c $cpus" "resumed
76" r --no-reboot w.snap
	resumes "all of it is right, -c $cpus" "resumed
0" q --verify w.snap
	resumes "traced, -c $cpus" "resumed
0" q --trace=kvm --trace-file=trace w.snap
	# Held before its first instruction it is saved once more: all that may differ is the time of that, in the
	# shape, and the checksum.
	nestling --gdb="unix:line$cpus" --gdb-wait --save v.snap w.snap 2>/dev/null &
	until [ -e "line$cpus" ]; do usleep 1000; done
	until [ -e v.snap ]; do
		killall -USR1 nestling 2>/dev/null
		usleep 1000
	done
	killall nestling
	wait
	is "saved again it is the same, -c $cpus" \
		"$(cmp -l w.snap v.snap | awk '!($1 > 40 && $1 <= 48 || $1 > 112 && $1 <= 128)')" ''
	rm -f v.snap
done

# ---- while it runs: as it was at one instant; the claims are those of payloads/live.c ----

# begins MIB ARGUMENT...: a guest that writes so many MiB all the time.
begins() {
	mib=$1
	shift
	rm -f keys got
	mkfifo keys
	/bin/nestling -m 128 -a "$mib" "$@" /payloads/live.bin <keys >got 2>errors &
	exec 3>keys
	until grep -qs writes got; do usleep 1000; done
}

# asks COUNT: for another one, and waits until so many are done.
asks() {
	kill -USR1 $!
	until [ "$(grep -c '^nestling: ' errors)" -eq "$1" ]; do usleep 1000; done
}

# ends NAME WANTED: by a key. What it has printed, and what the messages say.
ends() {
	printf q >&3
	exec 3>&-
	wait $!
	is "$1" "$? $(cat got) $(sed 's/.*\(saved to\|has ended\|ENOSPC\).*/\1/' errors)" "$2"
}

begins 1 -c 4 --save w.snap
asks 1
asks 2
ends "saved while it writes, twice" "0 writes
over saved to
saved to"
resumes "it goes on as it was" "resumed
0" q --verify w.snap
passes=$(sed 's/.* in \([0-9]*\) passes.*/\1/; 1q' errors)
[ "$passes" -gt 1 ]
report $? "in $passes passes"

# ---- an LPI is pending; the claims are those of payloads/its.c ----

is 'its tables are saved' "$(nestling --save its.snap -m 16 /payloads/its.bin 2>/dev/null; echo $?)" 'ok
0'
if [ -e its.snap ]; then # on GICv2 it does not ask
	resumes 'its tables are read again' 'resumed
0' '' its.snap
fi

# ---- the guest suspends; the claims are those of payloads/suspend.c ----

# Before Linux 5.19 KVM does not pass it on.
for cpus in 1 2; do
	is "it suspends and wakes up, -c $cpus" \
		"$(nestling --save w.snap -m 16 -c $cpus /payloads/suspend.bin 2>/dev/null; echo $?)" "$((cpus - 1)) is awake
0"
	resumes "it wakes up elsewhere, -c $cpus" "$((cpus - 1)) is resumed
0" '' --verify w.snap
done

# ---- in the middle of something; the claims are those of payloads/middle.c ----

# halfway NAME NUMBER WANTED ARGUMENT...: saved and ended there, resumed: what it prints in all.
halfway() {
	name=$1 number=$2 wanted=$3
	shift 3
	got=$(nestling --save w.snap --save-at=end -m 16 -a "$number" "$@" /payloads/middle.bin 2>errors)
	is "$name" "$got$(nestling --verify w.snap 2>/dev/null; echo $?)" "$wanted
0"
}

halfway 'a CPU that is being switched on' 1 'on and off' -c 2
printf x >typed
halfway 'a key in the FIFO' 2 'waitsx came' <typed
halfway 'half of a line, and an interrupt' 3 'half of a line'
halfway 'no SError' 4 'none'
$resign w.snap 20=64+0 1 1
is 'an SError that is pending is saved again' "$(nestling --save v.snap --save-at=end w.snap 2>&1 | sed 's/:.*//'
	nestling --describe v.snap | grep -c 'CPU 0 events.0. = 0x.*1$')" "nestling
1"
resumes 'and taken' "an SError
0" '' v.snap

nestling --save w.snap --save-at=end -m 16 -a 5 /payloads/middle.bin 2>/dev/null
nestling --save v.snap --save-at=end w.snap 2>/dev/null
# Of time there are counters, timers, and the second in which the RTC was looked at last.
is 'two snapshots differ in what has run between, and in time' "$(nestling --diff w.snap v.snap |
	grep -vE 'saved|counter =|timer =|seen =|stolen|CPU 0 (x[0-9]*|pc) =')" 'memory 0x40600000+4K differs'

# ---- a thousand resets: nothing grows ----

# holds: descriptors, mappings, and resident KiB of the monitor, whose pages smaps counts exactly (proc(5)).
holds() {
	echo "$(find /proc/$!/fd -type l | wc -l) $(wc -l </proc/$!/maps) $(awk '/^Rss/ { n += $2 } END { print n }' /proc/$!/smaps)"
}

# reset_often COUNT: waits until the guest has come back so often.
reset_often() {
	came=$((came + $1))
	for _ in $(seq "$1"); do printf r; done >&3
	until [ "$(grep -c interrupt got)" -gt $came ]; do usleep 10000; done
}

rounds=${rounds:-3} resets=${resets:-30}
nestling --save w.snap -m 16 /payloads/clone.bin <key >/dev/null 2>&1
rm -f keys
mkfifo keys
/bin/nestling w.snap <keys >got 2>errors &
exec 3>keys
came=0
reset_often 10
before=$(holds)
reset_often "$resets"
is "after $resets resets it holds what it held" "$(holds)" "$before"
printf q >&3
exec 3>&-
wait $!
is 'and ends' "$? $(cat errors)" '0 '

# ---- in the middle of input and output ----

# Two go on from one file.
rm -f keys
mkfifo keys
nestling --save w.snap --save-at=end -m 16 /payloads/poll.bin <keys >got 2>/dev/null &
exec 3>keys
printf hello >&3
until grep -qs hello got; do usleep 1000; done
killall -USR1 nestling
wait $!
is 'SIGUSR1 saves, and --save-at=end ends' "$? $(cat got)" '0 ready
hello'
exec 3>&-
for i in 1 2; do
	printf 'world\004' | nestling w.snap >got$i &
done
wait
is 'two go on from one file' "$(cat got1 got2)" worldworld

[ "$(nproc)" -eq 1 ] || exit 0 # the rest is the same there

# ---- its time, of which the claims are those of payloads/clock.c ----

rm -f keys
mkfifo keys
nestling --save w.snap --save-at=end -m 16 /payloads/clock.bin <keys >got 2>/dev/null &
exec 3>keys
until grep -qs looking got; do usleep 1000; done
killall -USR1 nestling
wait
exec 3>&-
sleep 40
# gap ARGUMENT...: the longest that the guest has seen, in tens of seconds.
gap() {
	echo $(($({ sleep 1; echo; } | nestling "$@" w.snap 2>&1 | sed "s, ms$,,") / 10000))
}
is 'its time has stood still, or has gone on with --clock=real' "$(gap) $(gap --clock=real)" '0 4'

# ---- in the middle of a save, whose first pass takes several times as long as the guest takes to look for a key ----

middle() {
	echo old >w.snap
	begins 8 --save w.snap
	kill -USR1 $!
	until [ -e w.snap.part ]; do usleep 100; done
	printf %s "$1" >&3
}
middle ''
ends 'the end comes' "0 writes
over has ended"
is 'and the old file stays' "$(cat w.snap) $(echo ./*.part)" 'old ./*.part'
middle r
until [ "$(grep -c writes got)" -eq 2 ]; do usleep 1000; done
is 'a reset comes, and the old file stays' "$(cat w.snap) $(echo ./*.part)" 'old ./*.part'
asks 2
ends 'after it the guest can be saved' "0 writes
writes
over has ended
saved to"
middle s
until grep -qs saved errors; do usleep 1000; done
ends "the guest asks for one" "0 writes
saved
over saved to"
resumes 'which is of that instruction' "again
resumed
0" q --verify w.snap
begins 2 --save small/w.snap
asks 1
ends 'a full disk is said, and the guest goes on' "0 writes
over ENOSPC"

# ---- what does not fit ----

cp w.snap old.snap
saved 'for what is refused' -m 16 -d disk,serial=one --balloon /payloads/warm.bin
disk=-ddisk,serial=one
resumes 'with its disk' "resumed
0" q "$disk" w.snap
refused 'no disk' 64 '*slot 0*--disk*' w.snap
refused 'another serial number' 64 '*serial*' -d disk,serial=two w.snap
refused 'a read-only one' 64 '*another device*' "$disk,ro" w.snap
refused 'one disk more' 64 '*fewer devices*' "$disk" -d disk2 w.snap
truncate -s 2M disk2
refused 'another size' 64 '*4096 sectors*had 2048*' -d disk2,serial=one w.snap
refused 'other RAM' 64 '*--memory*16 MiB*' -m 32 "$disk" w.snap
refused 'other CPUs' 64 '*--cpus*1 CPUs*' -c 2 "$disk" w.snap
refused 'bootargs' 64 '*boots*' -a x "$disk" w.snap
gic=$(nestling "$disk" --trace=kvm w.snap 2>&1 <key | grep -c VGIC_V3)
# Of the shape: memory 0, CPUs 8, GIC 12, features 16, frequency 24.
[ "$gic" -gt 0 ] || changed 'another GIC' 69 '*no vGICv3*' 1+12 4 3 "$disk"
changed 'more CPUs than there can be here' 75 '*cpus*at most*' 1+8 4 512 "$disk"
changed 'more memory than addresses reach' 75 '*address bits*' 1+0 8 0x4000000000000000 "$disk"
changed 'a feature that is not here' 75 '*CPUs have scalable vectors*' 1+16 4 3 "$disk"
changed 'another counter' 75 '*counter runs at 12345 Hz*' 1+24 8 12345 "$disk"
changed 'another CPU' 75 '*CPUs are others*' 5+0 4 0x1234 "$disk"
changed 'no machine at all' 65 '*machine that cannot be*' 1+8 4 0 "$disk"
changed 'a newer version' 65 '*newer version*' 8 4 2 "$disk"
changed 'a register that no CPU has' 75 '*cannot be set*' 18+-16 8 0x6030000000139999 "$disk"
changed 'a value that a device cannot have' 65 '*device at 0x9000000*' 4+100 8 -1 "$disk"
for size in 0 7 8 47 48 1000 5000 66000 200000; do
	head -c $size w.snap >c.snap
	output=$(nestling "$disk" c.snap 2>&1 </dev/null)
	is "cut to $size" "$?$(echo "$output" | grep -c '^nestling: ')" 651
done
cp w.snap c.snap
printf x | dd of=c.snap bs=1 seek=150000 conv=notrunc 2>/dev/null
refused '--verify finds a change of RAM' 65 '*RAM*damaged*' --verify "$disk" c.snap

# ---- disks ----

# says NAME WANTED KEYS ARGUMENT...: what the guest and nestling print, with spaces for line feeds, and the status.
says() {
	name=$1 wanted=$2 keys=$3
	shift 3
	got=$(printf %s "$keys" | nestling "$@" 2>&1; echo $?)
	# shellcheck disable=SC2254 # it is a pattern
	case $(echo "$got" | tr '\n' ' ') in
	$wanted) report 0 "$name" ;;
	*) is "$name" "$got" "$wanted" ;;
	esac
}

one='write 5: ok ' two='read 5: one write 5: ok read 5: two ' changed='nestling: w.snap: the disk d* was written after *'
# save_disk HOW: a guest that has written to its disk, and will do so again; it goes on with status 0.
save_disk() {
	truncate -s 1M d
	rm -f w.snap
	says "saved with a disk$1" "${one}nestling: saved*0 " '' --save w.snap --save-at=end -m 16 -a 'w5=one s r5 w5=two r5 q' -d "d$1" \
		/payloads/disk.bin
}
save_disk ''
cp d before
says 'a disk that is as it was' "${two}0 " q -d d w.snap
says 'that has changed since' "$changed--force*64 " q -d d w.snap
says '--force' 'read 5: two write 5: ok read 5: two 0 ' q --force -d d w.snap
cp before d
says 'a copy of what it was does not say so' "${changed}64 " q -d d w.snap
save_disk ''
mv d other
says 'its name does not matter' "${two}0 " q -d other w.snap
save_disk ''
says 'the guest goes back, but its disk does not' "$two$changed--on-reset=boot*64 " rq -d d w.snap
save_disk ''
says 'with --force it is told nothing' "${two}read 5: two write 5: ok read 5: two 0 " rq --force -d d w.snap
save_disk ''
says 'a volatile disk goes back, too' "$two$two${two}0 " rrq -d d,volatile w.snap
says 'and is as it was' "${two}0 " q -d d w.snap

save_disk ,volatile,serial=s
cp w.snap v.snap
changed 'of the disk a part is not there' 65 '*slot 0 is not whole*' 6+8 8 65536
rm d
says 'what was volatile is in the snapshot' "$two$two${two}0 " rrq --verify v.snap
says 'and need not be named' '*fewer devices*64 ' q -d before v.snap
rm -f v.snap w.snap
truncate -s 1M d
says 'a volatile disk' 'write 5: ok *0 ' '' --save v.snap --save-at=end -m 16 -a 'w5=one s r5 w5=two s r5 r6' \
	-d d,volatile /payloads/disk.bin
says 'saved, resumed,' 'read 5: one write 5: ok *0 ' '' --save w.snap --save-at=end v.snap
says 'saved, resumed' 'read 5: two read 6:  0 ' '' w.snap
dd if=/dev/urandom of=d bs=64k count=9 2>/dev/null
truncate -s 3000001 d
printf end | dd of=d bs=512 seek=5859 conv=notrunc 2>/dev/null
nestling --save s.snap --save-at=end -m 16 -a 's r5859 r1151 r1152 r9999' -d d,volatile,ro /payloads/disk.bin >/dev/null 2>&1
nestling -m 16 -a 'r5859 r1151 r1152 r9999' -d d,volatile,ro /payloads/disk.bin >want 2>&1
rm d
size=$(du -k s.snap | cut -f 1) # before somebody reads what is in no memory yet
[ "$size" -lt 2900 ]
report $? "zeros take no space: $size KiB"
is 'all of it is there' "$(nestling --verify s.snap 2>&1)" "$(cat want)"
printf x | dd of=s.snap bs=1 seek=$(($(stat -c %s s.snap) - 100000)) conv=notrunc 2>/dev/null
refused '--verify finds a change of a disk' 65 '*disk is damaged*' --verify s.snap

# ---- what becomes of a reset ----

saved 'for its reset' -m 16 /payloads/warm.bin
resumes 'it boots' 'resumed
asks
nestling: the guest cannot be saved: --save names no file
saved
0' rq --on-reset=boot w.snap /payloads/warm.bin
resumes 'with its own bootargs' 'resumed
42' r --on-reset=boot -a 42 w.snap /payloads/status.bin
resumes 'it goes back' 'resumed
resumed
0' rq --on-reset=snapshot w.snap
refused 'boots what' 64 '*behind the snapshot*' --on-reset=boot w.snap
refused 'not another snapshot' 64 '*behind the snapshot*' --on-reset=boot w.snap w.snap
refused 'two payloads' 64 '*named already*' w.snap hello
refused 'three' 64 '*named already*' --on-reset=boot w.snap hello hello
refused 'there is no snapshot' 64 '*no snapshot*' --on-reset=snapshot hello

# ---- firmware ----

# It prints a byte of the kernel from fw_cfg, has itself saved, prints the finisher's register, the kernel's next byte and
# the variables' first byte, programs an 'a' there, prints that, and ends. Instructions without their line feeds:
# mov x1, UART; mov x2, finisher; mov x3, fw_cfg; mov x4, second bank; mov w0, 0x1100; strh w0, [x3, 8]; ldrb w0, [x3]; strb w0, [x1]
# mov w0, 0x6666; str w0, [x2]; ldr w0, [x2]; add w0, w0, '0'; strb w0, [x1]; ldrb w0, [x3]; strb w0, [x1]; ldrb w0, [x4]
# strb w0, [x1]; mov w0, 0x40; str w0, [x4]; mov w0, 0xffffff61; str w0, [x4]; mov w0, 0xff; str w0, [x4]; ldrb w0, [x4]
# strb w0, [x1]; mov w0, 0x5555; str w0, [x2]
for word in d2a12001 d2a121e2 d2a12043 d2a08004 52822000 79001060 39400060 39000020 \
	528cccc0 b9000040 b9400040 1100c000 39000020 39400060 39000020 39400080 \
	39000020 52800800 b9000080 128013c0 b9000080 52801fe0 b9000080 39400080 \
	39000020 528aaaa0 b9000040; do
	# shellcheck disable=SC2059 # it is made here
	printf "$(echo $word | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/')"
done >fw
printf MZ >kernel
# save_firmware WANTED ARGUMENT...: what it prints until it has ended.
save_firmware() {
	wanted=$1
	shift
	printf c >vars
	truncate -s 1M vars
	says "firmware is saved, $*" "$wanted" '' --save w.snap -m 16 --firmware fw "$@" kernel
}
save_firmware 'M0Zcanestling: saved*0 ' --variables vars
says 'it goes on, with kernel and variables' '1Zca0 ' '' --verify w.snap
says 'their file has changed' 'nestling: w.snap: the disk vars was written after *64 ' '' --variables vars w.snap
says '--force' '1Zca0 ' '' --variables vars --force w.snap
save_firmware 'M*saved*0 ' --variables vars --save-at=end
says 'the file that it was goes on, too' '1Zca0 ' '' --variables vars w.snap
is 'and has the new one' "$(head -c 1 vars)" a
truncate -s 2M vars
says 'another size' 'nestling: --variables vars: has 2097152 bytes, and had 1048576 64 ' '' --force --variables vars w.snap
changed "a file of fw_cfg longer than its extent" 65 '*fw_cfg of*' 7+-16 8 65537
changed "a file of fw_cfg that there is not" 65 '*fw_cfg of*' 7+-20 4 3
is 'described' "$(nestling --describe w.snap | grep -cE "^fw_cfg's file 0, 2 bytes|^variables' file\[1\] = 0x100000\$")" 2
save_firmware "M0Z$(printf '\377')anestling: saved*0 "
says 'no variables, no file of theirs' 'nestling: --variables: *had none* 64 ' '' --variables vars w.snap

# ---- a guest that is told ----

printf x >one
is 'the one that goes on has its identity' \
	"$(nestling --save w.snap -m 16 /payloads/clone.bin 2>/dev/null <key; echo $?)" 'the same, no interrupt
0'
resumes 'one that is resumed has another, each time' 'another, an interrupt
another, an interrupt
0' rq w.snap

# ---- where to ----

refused 'a device that is none' 64 '*neither*' --save /dev/null hello
refused 'no such directory' 75 '*--save none/w*ENOENT*' --save none/w hello
is 'a full disk is said when the guest asks, and it goes on' \
	"$(nestling --save small/w.snap -m 16 /payloads/warm.bin 2>errors <key; echo $?) $(grep -c ENOSPC errors)" "asks
saved
0 1"
is 'the old file stays' "$(ls small) $(cat small/w.snap)" 'w.snap old'
is 'without --save' "$(nestling -m 16 /payloads/warm.bin 2>&1 <key)" 'asks
nestling: the guest cannot be saved: --save names no file
saved'
nestling --save t.snap -m 16 /payloads/timer.bin >/dev/null 2>&1
is 'nobody asks: there is no file' "$(echo t.snap*)" 't.snap*'

# A device of 64 KiB, which is known before anything on it is changed.
dd if=old.snap of=/dev/nvme0n1 2>/dev/null
is 'a full device is said, and the guest goes on' \
	"$(nestling --save /dev/nvme0n1 -m 16 /payloads/warm.bin 2>errors <key; echo $?) $(grep -c ENOSPC errors)" "asks
saved
0 1"
is 'what was there stays' "$(head -c 65536 old.snap | cmp - /dev/nvme0n1 2>&1)" ''

# ---- a later save writes what has changed: of 4 MiB that stay and 1 MiB that the guest writes all the time ----

head -c 4194304 /dev/urandom >initrd
# writes NAME WANTED: of each save, whether that is all (three passes write what the guest writes).
writes() {
	is "$1" "$(sed -n 's/.*which \([0-9]*\) KiB.*/\1/p' errors | while read -r kib; do
		[ "$kib" -lt 4096 ] && printf little, || printf all,
	done)" "$2"
}
begins 1 -i initrd --save /dev/nvme0n2
for i in 1 2 3; do asks $i; done
printf s >&3
until [ "$(grep -c '^nestling: saved' errors)" -eq 4 ]; do usleep 1000; done
ends 'saved to a device again and again' "0 writes
saved
over $(for i in 1 2 3 4; do echo saved to; done)"
writes 'the later ones write little' all,little,little,little,
head -c "$(od -An -tu8 -j24 -N8 /dev/nvme0n2 | tr -d ' ')" /dev/nvme0n2 >later.snap
resumes 'the last one is whole' "again
resumed
0" q --verify later.snap
rm later.snap

insmod /payloads/libcrc32c.ko
insmod /payloads/xfs.ko
mkdir xfs
mount -t xfs /dev/nvme0n3 xfs
begins 1 -i initrd --save xfs/w.snap
asks 1
cp xfs/w.snap first.snap
asks 2
cp first.snap xfs/w.snap
asks 3
ends 'saved to a file again, which somebody else has written to' "0 writes
over saved to
saved to
saved to"
writes 'what is in the file counts' all,little,all,
resumes 'the last one is whole' "resumed
0" q --verify xfs/w.snap

# ---- killed while it saves ----

# spins FILE: a guest that can be saved there. The initrd makes that last longer.
spins() {
	rm -f got errors
	/bin/nestling --save "$1" -m 16 -i initrd /payloads/spin.bin >got 2>errors &
	until grep -qs spinning got || ! kill -0 $!; do usleep 1000; done
}
# now: hundredths of a second.
now() {
	cut -d ' ' -f 1 /proc/uptime | tr -d .
}
spins c.snap
start=$(now)
kill -USR1 $!
until grep -qs saved errors; do usleep 1000; done
most=$((($(now) - start + 2) * 10000))
kill -KILL $!
wait $! 2>/dev/null
# Odd rounds kill the monitor, even ones the process that makes the file, at moments from the signal on that a
# generator chooses, in microseconds, up to a bit more than a save takes.
seed=1
bad=0 old=0
for round in $(seq "$rounds"); do
	cp old.snap k.snap
	spins k.snap
	victim=$!
	[ $((round % 2)) -eq 1 ] || victim=$(xargs </proc/$!/task/$!/children)
	random $most
	kill -USR1 $!
	usleep "$random"
	kill -KILL "$victim"
	usleep 1000
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
	if cmp -s old.snap k.snap; then
		old=$((old + 1))
	else
		nestling --check --verify k.snap || bad=$((bad + 1))
	fi
done
is "killed $rounds times: the old file or the new one, whole" $bad 0
if [ "$rounds" -ge 50 ]; then
	[ $old -gt 0 ] && [ $old -lt "$rounds" ]
	report $? "in a save of $most us, of which $old were the old one"
fi
is 'it saves where one was killed' \
	"$(nestling --save k.snap -m 16 /payloads/warm.bin 2>/dev/null <key; echo $?) $(echo k.snap*)" "asks
saved
0 k.snap"
