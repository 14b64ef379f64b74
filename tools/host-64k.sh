#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds a kernel for the host with pages of 64 KiB, which no Debian package has: host-64k.sh DIRECTORY
# The source is Debian's linux-source-6.1; of its configuration only what nestling and its tests need is there.
# It takes 20 minutes or more, so that no test depends on it. Uses CROSS_COMPILE.
set -eu
cd "$(dirname "$0")/.."

tools/need.sh make:make bison:bison flex:flex bc:bc xz:xz-utils
root=$(realpath -m "$1")
rm -rf "$root"
mkdir -p "$root"
cd "$root"
echo "Fetching linux-source-6.1, and building it" >&2
apt-get -o APT::Sandbox::User=root download linux-source-6.1 >log 2>&1 || {
	cat log >&2
	exit 1
}
dpkg-deb --fsys-tarfile linux-source-6.1_*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz | tar -xJ

# What is not named here is off, but for what these select or the architecture has on always.
cat >wanted <<END
# the kernel and the CPUs
CONFIG_ARM64_64K_PAGES=y
CONFIG_ARM64_VA_BITS_48=y
CONFIG_SMP=y
CONFIG_NR_CPUS=16
CONFIG_HIGH_RES_TIMERS=y
CONFIG_NO_HZ_IDLE=y
CONFIG_SCHED_HRTICK=y
CONFIG_ARM64_PTR_AUTH=y
CONFIG_ARM64_BTI=y
CONFIG_ARM64_SVE=y
CONFIG_PERF_EVENTS=y
CONFIG_ARM_PMU=y
CONFIG_HW_PERF_EVENTS=y
CONFIG_PARAVIRT=y
CONFIG_RANDOMIZE_BASE=y
CONFIG_VIRTUALIZATION=y
CONFIG_KVM=y
# what nestling calls
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_GZIP=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_MODULES=y
CONFIG_MULTIUSER=y
CONFIG_NAMESPACES=y
CONFIG_PID_NS=y
CONFIG_POSIX_TIMERS=y
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_EVENTFD=y
CONFIG_SHMEM=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_MEMBARRIER=y
CONFIG_FILE_LOCKING=y
CONFIG_AIO=y
CONFIG_KALLSYMS=y
CONFIG_SYSVIPC=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_NET=y
CONFIG_PACKET=y
CONFIG_UNIX=y
CONFIG_INET=y
CONFIG_NETDEVICES=y
CONFIG_NET_CORE=y
CONFIG_TUN=y
# file systems of the tests
CONFIG_DEVTMPFS=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_TMPFS=y
CONFIG_EXT4_FS=y
# the devices of QEMU's machine
CONFIG_PRINTK=y
CONFIG_TTY=y
CONFIG_UNIX98_PTYS=y
CONFIG_SERIAL_AMBA_PL011=y
CONFIG_SERIAL_AMBA_PL011_CONSOLE=y
CONFIG_PCI=y
CONFIG_PCI_HOST_GENERIC=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_PCI=y
CONFIG_BLOCK=y
CONFIG_BLK_DEV_NVME=y
CONFIG_RTC_CLASS=y
CONFIG_RTC_DRV_PL031=y
CONFIG_RTC_HCTOSYS=y
CONFIG_HW_RANDOM=y
CONFIG_EFI=y
CONFIG_GPIOLIB=y
CONFIG_INPUT=y
CONFIG_POWER_RESET=y
END
build() {
	MAKEFLAGS='' nice -n 15 make -C linux-source-6.1 -s -j"$(nproc)" ARCH=arm64 CROSS_COMPILE="${CROSS_COMPILE-aarch64-linux-gnu-}" "$@" \
		</dev/null >>log 2>&1 || {
		tail -n 30 log >&2
		exit 1
	}
}
build KCONFIG_ALLCONFIG="$root/wanted" allnoconfig
while read -r line; do
	case $line in
	CONFIG_*) grep -qxF "$line" linux-source-6.1/.config || {
		echo "host-64k.sh: $line: is not in the kernel's configuration" >&2
		exit 1
	} ;;
	esac
done <wanted
build Image
cp linux-source-6.1/arch/arm64/boot/Image vmlinuz
rm -rf linux-source-6.1 linux-source-6.1_*.deb
