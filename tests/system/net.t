#!/usr/bin/expect -f
# SPDX-License-Identifier: MIT
# Networks of Linux guests. One guest has three, a tap, an interface's wire and a socket to another guest, and exchanges
# files over all of them, both ways, while its cable is pulled and its devices are taken from their driver; then iperf3
# and a flood of pings leave them no pause; saved in the middle of it all it goes on; the other guest ends, and another one
# comes. Another guest has inherited a tap and a connection. Then U-Boot and --demo net, on QEMU's user network.
# THOROUGH: with larger files, more often, on more kinds of machines; and with passt at a socket's other end.
source [file dirname [info script]]/tap.tcl
choose_quick_host
match_max -d 100000

set work [exec mktemp -d]
set is_thorough [expr {[info exists env(THOROUGH)] && $env(THOROUGH) ne ""}]
set size [expr {$is_thorough ? 100 : 1}] ;# megabytes of each file
set megabytes [expr {$is_thorough ? 20 : 1}] ;# of each stream
set disturbances [expr {$is_thorough ? 50 : 3}]
if {$is_thorough} { set timeout 1200 } ;# get() in net-init tries again what has not come for 240
set host "/ # "
set guest "\nguest: \x1b\[6n" ;# behind that it prints nothing by itself
set kernel [exec realpath build/sysroot/vmlinuz]
set modules [glob build/sysroot/lib/modules/*]

# The guests' initramfs; the host has the same programs.
set programs {}
if {[file exists build/network/.complete]} {
	set programs {usr/bin/iperf3 bin/ping}
} else {
	skip "iperf3 and ping" "their packages could not be fetched"
}
exec sh -c {rootfs/programs.sh build/network $1 >$0/programs; cut -d " " -f 2 $0/programs |
	tar -chf $0/programs.tar -C build/network -T - 2>/dev/null; (echo file init tests/system/net-init
	echo file bin/busybox build/sysroot/bin/busybox; echo link bin/sh busybox; cat $0/programs
	rootfs/modules.sh $2 virtio_mmio virtio_net) | rootfs/pack.sh $0/guest.cpio} $work $programs $modules
if {$is_thorough && [file exists build/network/usr/bin/passt]} {
	exec sh -c {rootfs/programs.sh build/network usr/bin/passt | cut -d " " -f 2 | tar -chf $0/passt.tar -C build/network -T -} $work
}
foreach module {tun veth} { exec cp [exec find $modules -name $module.ko] $work/$module.ko }
exec cp tests/system/net-init $work/net-init

# type NAME COMMAND TEXT...: at the prompt of whoever has one, and what comes of it.
proc type {name command args} {
	send "$command\r"
	see $name {*}$args
}

# disturb NAME DEVICES: again and again the cable is pulled and plugged in, and a device is taken from its driver.
proc disturb {name devices} {
	for {set i 0} {$i < $::disturbances} {incr i} {
		send "rebind [expr {$i % $devices}]; echo re\\bound\r"
		foreach {key text} [list "" "\nrebound" "" $::guest \001l "is unplugged" \001l "is plugged in"] {
			send $key
			await "$name: is disturbed" $text
		}
	}
	report 1 "$name: is disturbed"
}

# memory MEGABYTES: of a guest that has a file, too; a file system takes half of it at most.
proc memory {megabytes} {
	return [expr {$megabytes + 2 * $::size}]M
}

# nestling ARGUMENTS BOOTARGS: a guest's command line.
proc nestling {arguments bootargs} {
	return "nestling $arguments /payloads/[file tail $::kernel] -i /payloads/guest.cpio -a 'console=ttyAMA0 quiet\
		loglevel=1 nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1 size=$::size $bootargs'"
}

# exchange NAME ARGUMENTS NETWORKS MORE: starts the guest that has the terminal, and exchanges files over its first networks.
proc exchange {name arguments networks more} {
	set fetched ""
	foreach i $networks { append fetched "fetched from 10.$i.0.1 " }
	type "$name: the guest" "{ for i in 1 2; do fetch 10.\$i.0.2; done >/tmp/host; >/tmp/www/fetched; } & [nestling $arguments {}] $more" $::guest
	send "fetch_all $networks\r"
	expect -ex $::guest
	disturb $name [llength $networks]
	type "$name: fetches a file over each network" ">/tmp/wanted; wait; sort /tmp/log | tr '\\n' ' '; echo al\\l" "${fetched}all" $::guest
	type "$name: the host has what it wants" "get http://10.1.0.1/fetched; echo do\\ne" "\ndone" $::guest
}

# stress NAME NETWORKS MEGABYTES
proc stress {name networks megabytes} {
	set stressed {}
	foreach i $networks { lappend stressed "stressed 10.$i.0.1" }
	type "$name: streams, datagrams and pings" "for i in $networks; do stress 10.\$i.0.1 $megabytes; done; echo al\\l" {*}$stressed "all" $::guest
}

# go_on NAME NETWORKS: in the middle of a transfer and a stream over each network the guest is saved, its run ends, and
# another one goes on with it, as the command line has it.
proc go_on {name networks} {
	set fetched ""
	foreach i $networks { append fetched "fetched from 10.$i.0.1 " }
	if {$::programs ne ""} {
		type "$name: streams flow" "for i in $networks; do stream \$i; done; for i in $networks; do flows \$i; done;\
			echo flo\\w" "\nflow" $::guest
	}
	type "$name: a part of each file is there" "for i in $networks; do fetch_slowly 10.\$i.0.1 >>/tmp/slow & done;\
		for i in $networks; do until \[ -e /tmp/begun.10.\$i.0.1 ]; do usleep 10000; done; done; echo be\\gun" "\nbegun" $::guest
	send \001w
	see "$name: the guest is saved" "saved to"
	if {$::programs ne ""} {
		type "$name: the streams flow on" "for i in $networks; do flows \$i; done; echo flo\\w" "\nflow" $::guest
	}
	type "$name: goes on, and has the rest" "touch /tmp/go; \[ ! -e /usr/bin/iperf3 ] || killall iperf3; wait; sort /tmp/slow | tr '\\n' ' '; echo al\\l" "${fetched}all" $::guest
}

# leave NAME NETWORKS: the guest ends; what the others have fetched from it.
proc leave {name networks} {
	set fetched ""
	foreach i $networks { append fetched "fetched from 10.$i.0.2 " }
	type "$name: counts frames" "exit" "virtio0 net frames sent: " "frames lost before the driver: " $::host
	type "$name: the others have fetched from it" "\[ -z \"\$peer\" ] || kill \$peer; wait; cat /tmp/host /tmp/peer | tr -d '\\r' | grep fetched | tr '\\n' ' ';\
		echo al\\l" "${fetched}all" $::host
}

# end_host NAME
proc end_host {name} {
	send "exit 7\r"
	end "$name: the host ends well" 7
}

# start_host NAME GIC [COMMAND]: with a tap, whose other end is its own, and a wire, which has another interface at its
# end. The command comes before it is set up.
proc start_host {name gic {command true}} {
	set ::env(HOST_GIC) $gic
	set ::env(HOST_MEMORY) [expr {1536 + 8 * $::size}]M
	uplevel start --shell $::kernel $::work/guest.cpio $::work/tun.ko $::work/veth.ko $::work/net-init build/inherit \
		[glob -nocomplain $::work/*.tar]
	see "$name: the host boots" $::host
	type "$name: a tap" "insmod /payloads/tun.ko; tunctl -t tap0; insmod /payloads/veth.ko; $command" $::host
	type "$name: its networks" "[expr {$::programs eq "" ? "" : "tar -x -f /payloads/programs.tar -C /;"}]\
		size=$::size; . /payloads/net-init; serve; mkdir /tmp/net; >/tmp/peer; ip link add wire type veth; ip addr add 10.1.0.1/24 dev tap0;\
		ip addr add 10.2.0.1/24 dev veth0; ip link set tap0 up; ip link set veth0 up; echo the\\re" "\nthere" $::host
}

# ---- one CPU, and a guest at a socket's other end, which ends; another comes in its place ----

set name "GICv2, CPUs: 1"
set socket unix=/tmp/net/socket
start_host $name 2
type "$name: another guest" "{ [nestling "-m [memory 192] -n $socket" peer=3]; exec nestling -n $socket /payloads/silence.bin; } </dev/null >/tmp/peer 2>&1 &\
	peer=\$!; until \[ -e /tmp/net/socket ]; do usleep 10000; done; echo list\\ens" "\nlistens" $host
set arguments "-m [memory 256] -n tap=tap0,mac=52:54:00:00:00:01 -n packet=wire -n $socket,mac=52:54:00:00:00:03"
exchange $name $arguments {1 2 3} "--save=/tmp/warm.snap --save-at=end;\
	nestling $arguments --stats --trace=virtio --trace-file=/tmp/trace /tmp/warm.snap"
if {$programs ne ""} { stress $name {1 2 3} $megabytes }
go_on $name {1 2 3}
type "$name: the other guest ends, and another one comes" "relink 2 stop 10.3.0.1" "\nis linked again" $guest
leave $name {1 2 3}
type "$name: each network's driver has announced itself, when it had gone on" \
	"grep -o 'virtio. net control -> ok' /tmp/trace | sort -u | wc -l" "\n3" $host
end_host $name

# ---- devices of version 1, a tap and a connection that are inherited; four CPUs; THOROUGH: the other kinds of machines ----

# The host has as many CPUs as the guest: QEMU does not trap WFE, so that with fewer a CPU that waits for a lock keeps the
# one that has it from running.

foreach {gic cpus} [expr {$is_thorough ? "3 4 2 4 3 1" : "3 4"}] {
	set name "GICv$gic, CPUs: $cpus, legacy"
	set env(HOST_SMP) $cpus
	start_host $name $gic "exec /payloads/inherit tap0 sh"
	type "$name: another guest" "{ [nestling "-m [memory 192] -n fd=4,legacy" peer=3]; } </dev/null >/tmp/peer 2>&1 & peer=" $host
	exchange $name "-m [memory 256] -c $cpus -n fd=3,legacy -n packet=wire,legacy -n fd=5,legacy" {1 2 3} --stats
	if {$programs ne ""} { stress $name {1 2 3} $megabytes }
	type "$name: the other guest ends" "stop 10.3.0.1; echo stop\\ped" "\nstopped" $guest
	leave $name {1 2 3}
	end_host $name
}

# ---- THOROUGH: a guest and passt, which gives it an address and connections to the host ----

if {$is_thorough && [file exists build/network/usr/bin/passt]} {
	set name "passt"
	set size 1
	start_host $name 3
	# It pivots its root, which has to be a file system that is mounted, and wants a user namespace, which nobody gets
	# whose root is not the whole tree's.
	type "$name: listens" "mkdir /passt; mount -t tmpfs none /passt; tar -x -f /payloads/passt.tar -C /passt; cd /passt;\
		mkdir proc tmp; mount -t proc none proc;\
		ip link set lo up; ip route add default via 10.2.0.254; unshare -m sh -c 'mount --move . /; exec chroot . /usr/bin/passt -f --runas 0 -s /tmp/socket' >/tmp/log 2>&1 &\
		until \[ -e /passt/tmp/socket ]; do usleep 10000; done; cd /; echo list\\ens" "\nlistens" $host
	type "$name: the guest" [nestling "-m 256M -n unix=/passt/tmp/socket" {}] $guest
	type "$name: leases an address" "lease 0" "leased 10.2.0.1/24 by 10.2.0.254" $guest
	type "$name: lets the guest fetch a file from the host" "fetch 10.2.0.254" "fetched from 10.2.0.254" $guest
	type "$name: the guest ends" "exit" $host
	end_host $name
} elseif {$is_thorough} {
	skip "passt" "its package could not be fetched"
}

# ---- on QEMU's user network, with the modules that the host needs ----

unset env(HOST_MEMORY) env(HOST_SMP)
set env(HOST_GIC) 2
start --demo net
see "demo: a lease" "has the address 10.0.2.15 on eth0, leased by 10.0.2.2"
see "demo: a page from this machine" "says: This page is served by the developer's machine."
see "demo: and one from the guest" "which was the guest's, says: This page is served by the guest, Linux"
end "demo: status" 0

if {[file exists $guests/.complete]} {
	start -n user $guests/usr/lib/u-boot/qemu_arm64/u-boot.bin
	see "U-Boot: runs" "Hit any key to stop autoboot"
	send " "
	see "U-Boot: prompt" "=> "
	type "U-Boot: dhcp" "setenv autoload no; dhcp" "DHCP client bound to address 10.0.2.15" "=> "
	type "U-Boot: ping" "ping 10.0.2.2" "host 10.0.2.2 is alive" "=> "
	send poweroff\r
	end "U-Boot: poweroff" 0
} else {
	skip "U-Boot" "its package could not be fetched"
}

# ---- a module that is compressed, with a host's kernel that unpacks it ----

if {[file exists build/hosts/.complete]} {
	set env(KERNEL) [glob build/hosts/boot/vmlinuz-*]
	start -i [exec find -L build/hosts -name tun.ko.xz] --module=/payloads/tun.ko.xz -n tap=tap0 hello
	see "a compressed module: makes the tap" "Hello from the guest"
	end "a compressed module: status" 0
} else {
	skip "a compressed module" "Debian's packages could not be fetched"
}

file delete -force $work
plan
