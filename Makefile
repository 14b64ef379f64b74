# SPDX-License-Identifier: MIT
# Builds nestling, its initramfs and its tests. `make help` says what there is to make.

VERSION := 0.1.0
# Prefix of an Arm GNU toolchain; empty for this machine's own gcc. That one and Debian's cross
# compiler are installed if they are what is named and missing.
CROSS_COMPILE ?= aarch64-linux-gnu-

MAKEFLAGS += --no-builtin-rules -j$(shell nproc)
# A rule's command is shown as one short line; V=1 shows it whole.
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $@;)
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDEXPANSION:
.DEFAULT_GOAL := all

ifneq ($(words $(CURDIR)),1)
$(error There are blanks in the path of this directory, $(CURDIR): make cannot deal with them)
endif

# ---- what there is ----

CRT := start string print random thread
DEVICES := finisher flash fw_cfg pci pl011 pl031 pl061 state virtio/balloon virtio/block virtio/console virtio/entropy virtio/mmio virtio/net \
	virtio/offload virtio/queue vmgenid
HOST := clock disk event_loop failure init interface net rtc sandbox saver stream terminal worker
KVM := dirty gic_registers kvm_state registers system vcpu vm
MACHINE := bus console device_tree disks exits flash_file inspect load_store machine memory nets no_syndrome page_walk power run serve stray stuck uart_fast \
	virtio_fast watchdog
LOAD := boot elf firmware flat gzip image inflate load payload
SNAPSHOT := format passes resume save save_disks
DEBUG := breakpoints describe dump gdb gdb_line probe snapshot_text stats trace
VMM := commands devices main options outlet pages report wake $(HOST:%=host/%) $(KVM:%=kvm/%) $(MACHINE:%=machine/%) $(LOAD:%=load/%) $(SNAPSHOT:%=snapshot/%) $(DEBUG:%=debug/%)
CLAIMS := abort clock clone debug decode disk echo el fault flash forge fw_cfg gic gpio hello initrd its lines live memory middle pair place poll power print reset ring rtc shell silence smp \
	spin status steal storm suspend timer uart warm
# What they share; a payload links what of it it uses.
GUEST := guest irq mmu script start vectors virtio
UNIT_TESTS := balloon block bus clock console describe device_tree disk disks entropy event_loop exits failure finisher flash flash_file format fw_cfg gdb \
	inflate load_store memory mmio nets no_syndrome offload options page_walk passes pci pl011 pl031 pl061 power print queue random report rtc run sandbox serve \
	snapshot_text state stream string stuck uart_fast virtio_console virtio_fast virtio_net vmgenid watchdog
SYSTEM_TESTS := appliance binary budget console demo differential disk disk-linux ends fault gdb guest host hostile init job kernels linux load moments nested net pl011 \
	place power print proof run snapshot time tools trace uefi virtio
# Programs of the bench, for the host and for the guest.
BENCH := $(addprefix build/,bench/floor bench/measure bench/packets bench/disk.cpio bench/net.cpio bench/prompt.cpio payloads/first.bin payloads/exits.bin payloads/again.bin)

# Each is tests/fuzz/NAME.c, and a corpus in tests/fuzz/NAME/.
FUZZ := arguments debugger decode devices loaders snapshot tree virtio

# Of the program, but for what is bundled into it.
OBJECTS := $(CRT:%=build/crt/%.o) $(DEVICES:%=build/devices/%.o) $(VMM:%=build/vmm/%.o)

.PHONY: appliance bench bench-update coverage all host-64k thorough run test test-quick unit system check check-format check-c \
	check-shell format clean help tools-build \
	tools-run tools-test tools-check tools-fuzz fuzz $(FUZZ:%=fuzz-%)

all: build/rootfs.cpio $(CLAIMS:%=build/payloads/%.bin) ## nestling, its initramfs, payloads

# make's own status is 2, whatever a command's is.
run: ## boot a host in QEMU, and a guest that says hello in it
	@./qemu-run.sh || { status=$$?; echo "./qemu-run.sh ended with status $$status" >&2; exit $$status; }

help: ## this text
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

clean: ## remove what was built, but not what was fetched
	rm -rf $(filter-out $(SYSROOT) $(GUESTS) $(HOSTS) $(HOST_64K) $(DISK_PROGRAMS) $(NETWORK) $(FIRMWARE) $(RIVAL) $(NESTED) $(XEN),$(wildcard build/*))

# ---- what it takes: packages are installed when something of them is missing ----

# What runs nestling itself on this machine, to check options and files: nothing where it is native.
EMULATOR := $(if $(filter aarch64,$(shell uname -m)),,qemu-aarch64)
HOST_TOOLS := dtc:device-tree-compiler cpio:cpio
ifeq ($(CROSS_COMPILE),)
HOST_TOOLS += gcc:gcc
else ifeq ($(CROSS_COMPILE),aarch64-linux-gnu-)
HOST_TOOLS += aarch64-linux-gnu-gcc:$(if $(EMULATOR),gcc-aarch64-linux-gnu,gcc)
endif

RUN_TOOLS := qemu-system-aarch64:qemu-system-arm /sbin/mke2fs:e2fsprogs mformat:mtools $(if $(EMULATOR),$(EMULATOR):qemu-user)
TEST_TOOLS := gcc:gcc /usr/include/stdio.h:libc6-dev /usr/include/libfdt.h:libfdt-dev \
	/usr/include/cmocka.h:libcmocka-dev /usr/include/zlib.h:zlib1g-dev prove:perl \
	expect:expect gdb-multiarch:gdb-multiarch spin:spin /sbin/mkfs.xfs:xfsprogs
FUZZ_TOOLS := clang:clang /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux:libclang-rt-14-dev
CHECK_TOOLS := clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck

# All that the goals will take is asked for at once: one command installs it.
CHECKING := $(filter check format,$(MAKECMDGOALS))
TESTING := $(CHECKING)$(filter test test-quick unit coverage thorough,$(MAKECMDGOALS))
RUNNING := $(TESTING)$(filter tools-run system appliance bench bench-update,$(MAKECMDGOALS))
tools-build:
	@tools/need.sh $(HOST_TOOLS) $(if $(RUNNING),$(RUN_TOOLS)) $(if $(TESTING),$(TEST_TOOLS)) \
		$(if $(CHECKING),$(CHECK_TOOLS))
	@command -v $(REALGCC) >/dev/null || \
		{ echo "CROSS_COMPILE=$(CROSS_COMPILE): there is no $(REALGCC) in PATH" >&2; exit 1; }
	@case $$($(REALGCC) -dumpmachine) in aarch64-*) ;; *) echo "CROSS_COMPILE=$(CROSS_COMPILE):" \
		"$(REALGCC) makes programs for $$($(REALGCC) -dumpmachine), not for aarch64" >&2; exit 1 ;; esac
tools-run: tools-build
	@tools/need.sh $(RUN_TOOLS)
tools-test: tools-run
	@tools/need.sh $(TEST_TOOLS)
tools-fuzz: tools-test
	@tools/need.sh $(FUZZ_TOOLS)
tools-check: tools-test
	@tools/need.sh $(CHECK_TOOLS)

# musl's headers and gcc driver, the kernel's headers, libfdt, busybox and a kernel, all for arm64.
SYSROOT := build/sysroot
$(SYSROOT)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(SYSROOT) musl-dev linux-libc-dev libfdt-dev busybox-static \
		linux-image-cloud-arm64
	@touch $@

# Guests for the tests, which skip what is not there.
GUESTS := build/guests
$(GUESTS)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(GUESTS) linux-image-arm64 linux-image-rt-arm64 u-boot-qemu \
		debian-installer-12-netboot-arm64 && touch $@ || \
		echo "tests that need these will be skipped" >&2

# Newer kernels for the host, one of them with pages of 16 KiB, for a test that skips what is not there.
HOSTS := build/hosts
$(HOSTS)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(HOSTS) linux-image-cloud-arm64/trixie linux-image-cloud-arm64/trixie-backports \
		linux-image-arm64-16k/trixie-backports && touch $@ || \
		echo "tests of newer kernels will be skipped" >&2

# A kernel for the host with pages of 64 KiB. No test needs it, because it takes long to build.
HOST_64K := build/host-64k
host-64k: $(HOST_64K)/vmlinuz ## a host kernel with pages of 64 KiB, which `make thorough` tries then, too: 20 minutes
$(HOST_64K)/vmlinuz: tools/host-64k.sh | tools-build
	@tools/host-64k.sh $(HOST_64K)

# Programs that guests have on a disk, with the libraries that they take: one that tests disks, and a compiler.
DISK_PROGRAMS := build/disk-programs
$(DISK_PROGRAMS)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(DISK_PROGRAMS) fio+ tcc+ && touch $@ || echo "tests that need these will be skipped" >&2

# Programs for guests and the host that load a network, and one for its other end, with the libraries that they take.
NETWORK := build/network
$(NETWORK)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(NETWORK) iperf3+ iputils-ping+ passt+ && touch $@ || echo "tests that need these will be skipped" >&2

# QEMU for the host, which the bench compares with; without it that column is empty.
RIVAL := build/qemu
$(RIVAL)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(RIVAL) qemu-system-arm+ && touch $@ || echo "the bench goes without QEMU" >&2

# Firmware for the tests, and a boot manager that it starts; those that need them are skipped without. Zeros that fill
# banks become holes, where the file system has them.
FIRMWARE := build/firmware
$(FIRMWARE)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(FIRMWARE) qemu-efi-aarch64 systemd-boot-efi && touch $@ && \
		{ find $(FIRMWARE) -name '*.fd' -exec fallocate -d {} \; || :; } || \
		echo "tests that need these will be skipped" >&2

# For guests with EL2: a QEMU that emulates FEAT_NV2, with all its libraries, and a kernel for the host.
NESTED := build/nested
$(NESTED)/.complete: tools/sysroot.sh | tools-build
	@echo "Fetching 48 MB of packages for guests with EL2, 212 MB unpacked in $(NESTED)" >&2
	@ARCH=$$(dpkg --print-architecture) tools/sysroot.sh $(NESTED)/qemu qemu-system-arm+/trixie-backports && \
		tools/sysroot.sh $(NESTED)/host linux-image-cloud-arm64/trixie-backports && touch $@ || \
		echo "tests of guests with EL2 will be skipped" >&2

# A hypervisor for guests with EL2, of `make thorough`.
XEN := build/xen
$(XEN)/.complete: tools/sysroot.sh | tools-build
	@tools/sysroot.sh $(XEN) xen-hypervisor-4.20-arm64/trixie && touch $@ || echo "the test that needs it will be skipped" >&2

# ---- the program ----

export REALGCC := $(CROSS_COMPILE)gcc
MUSL_GCC := $(SYSROOT)/usr/bin/aarch64-linux-musl-gcc

# What the program refers to lies within 1 MiB: an address takes one instruction. Freestanding, gcc may yet
# know what memcpy and the like do: small ones need no call. Functions like printf need save no vectors.
OPTIMIZE := -Os -fbuiltin -flto=auto -flto-partition=one -fipa-pta -mcmodel=tiny -mgeneral-regs-only \
	-fomit-frame-pointer -fsanitize=bounds -fsanitize-undefined-trap-on-error
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wmissing-prototypes -Wstrict-prototypes -Werror
# The C dialect and the headers, for the compiler and for the checkers.
INCLUDES := -I. -idirafter $(SYSROOT)/usr/include -idirafter $(SYSROOT)/usr/include/aarch64-linux-gnu
DIALECT := -std=gnu11 -ffreestanding -DVERSION='"$(VERSION)"' $(INCLUDES)
CFLAGS = $(DIALECT) $(WARNINGS) $(OPTIMIZE) -g -fPIE -fvisibility=hidden -fno-common \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
	-fstack-protector-strong -mbranch-protection=standard -mno-outline-atomics
LDFLAGS := $(OPTIMIZE) -static-pie -nostdlib -nostartfiles -Wl,--no-dynamic-linker -Wl,-z,text -Wl,-z,norelro \
	-Wl,--gc-sections -Wl,--fatal-warnings -Wl,-T,crt/program.lds

build/%.o: %.c Makefile | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CC)$(MUSL_GCC) $(CFLAGS) -MMD -MP -c $< -o $@

# libfdt's own loops need no help from gcc to become calls of memcpy; string.c's must not.
build/crt/string.o: CFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns
# What assembly and gcc's own code call stays out of link-time optimization, which sees no such calls.
build/crt/start.o build/crt/string.o: CFLAGS += -fno-lto

# What is bundled: into nestling hello, into an appliance what its maker says.
build/vmm/load/bundle.inc: build/payloads/hello.bin tools/bundle.sh
	@mkdir -p $(@D)
	@tools/bundle.sh '' $< >$@

build/%/bundle.o: vmm/load/bundle.S build/%/bundle.inc build/machine.dtb
	$(call say,AS)$(MUSL_GCC) -I. -Wa,-I$(@D) -c $< -o $@

build/machine.dtb: vmm/machine/machine.dts vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,DTC)$(CROSS_COMPILE)cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp -P $< | \
		dtc -I dts -O dtb -o $@ -

build/nestling.debug: build/vmm/load/bundle.o
build/appliance/nestling.debug: build/appliance/bundle.o
build/nestling.debug build/appliance/nestling.debug: $(OBJECTS) crt/program.lds Makefile
	$(call say,LD)$(MUSL_GCC) $(LDFLAGS) $(filter %.o,$^) $(SYSROOT)/usr/lib/aarch64-linux-gnu/libfdt.a -o $@

build/thread-test.debug: build/tests/system/thread-test.o $(CRT:%=build/crt/%.o) crt/program.lds
	$(call say,LD)$(MUSL_GCC) $(LDFLAGS) $(filter %.o,$^) -o $@

# Helpers of the tests, with libc.
build/fault build/hold-vm build/inherit build/journal build/listen build/moment build/resign: build/%: tests/system/%.c crt/sys.h Makefile | $(SYSROOT)/.complete
	$(call say,CC)$(MUSL_GCC) -std=gnu11 $(WARNINGS) $(INCLUDES) -Os -static $< -o $@

build/nestling build/appliance/nestling build/thread-test: %: %.debug tools/relr.pl tools/cut-elf.pl
	$(call say,STRIP)$(CROSS_COMPILE)objcopy -O binary -j .rela.dyn $< $@.rela
	@tools/relr.pl <$@.rela >$@.relr
	@$(CROSS_COMPILE)objcopy --strip-all --update-section .rela.dyn=$@.relr $< $@
	@tools/cut-elf.pl $@
	@rm $@.rela $@.relr

# ---- an appliance: the same program with payloads of the user's own, in a file of its own ----

# PAYLOADS are the files that are bundled; the first is what runs if none is named. MANIFEST, if there is
# one, gives each its options: lines of "NAME OPTION...". OUT is the program, OUT.cpio its initramfs.
ifneq ($(filter appliance,$(MAKECMDGOALS)),)
ifeq ($(and $(OUT),$(PAYLOADS)),)
$(error Say what goes into the appliance, and where: make appliance OUT=FILE PAYLOADS="FILE..." [MANIFEST=FILE])
endif
ifneq ($(filter $(addprefix $(CURDIR)/build/,nestling rootfs test-rootfs guest-rootfs),$(abspath $(OUT))),)
$(error OUT=$(OUT): that is one of the files that make itself builds; give another name)
endif
else ifneq ($(PAYLOADS)$(MANIFEST),)
$(error PAYLOADS and MANIFEST are for: make appliance OUT=FILE PAYLOADS="FILE..." [MANIFEST=FILE])
endif

# Made anew each time: what it was made from before is not known.
.PHONY: build/appliance/bundle.inc
build/appliance/bundle.inc: $(PAYLOADS) $(MANIFEST)
	@mkdir -p $(@D)
	@tools/bundle.sh '$(MANIFEST)' $(PAYLOADS) >$@

# Checked from an empty directory: what is not bundled is not there. The first payload has to start
# without a word on the command line, the others if the manifest has options for them.
appliance: build/appliance/nestling tools-run ## a program with PAYLOADS="FILE..." MANIFEST=FILE in it: OUT, and OUT.cpio
	@rm -rf build/appliance/empty; mkdir build/appliance/empty
	@for name in '' $$(awk '$$1 !~ /^#/ && NF { print $$1 }' $(MANIFEST) </dev/null); do \
		env -C build/appliance/empty $(EMULATOR) $(CURDIR)/$< --check $$name </dev/null || \
			{ echo "$(or $(MANIFEST),PAYLOADS): $${name:-$(notdir $(firstword $(PAYLOADS)))} is refused" >&2; exit 1; }; \
	done
	@cp $< '$(OUT)'
	@echo 'file linuxrc $<' | rootfs/pack.sh '$(OUT).cpio'

# ---- what runs in the guest ----

PAYLOAD_CFLAGS := -I. -std=gnu11 -ffreestanding $(WARNINGS) -Os -g -fno-pie -fno-stack-protector \
	-ffunction-sections -fdata-sections -mgeneral-regs-only -mstrict-align \
	-mno-outline-atomics

build/payloads/%.o: payloads/%.c payloads/guest.h payloads/virtio.h vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CC)$(MUSL_GCC) $(PAYLOAD_CFLAGS) -c $< -o $@

build/payloads/%.o: payloads/%.S payloads/guest.h vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,AS)$(MUSL_GCC) -I. -c $< -o $@

# The bench's.
build/payloads/%.o: tests/bench/%.c payloads/guest.h vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CC)$(MUSL_GCC) $(PAYLOAD_CFLAGS) -c $< -o $@

build/payloads/%.o: tests/bench/%.S payloads/guest.h vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,AS)$(MUSL_GCC) -I. -c $< -o $@

build/payloads/guest.a: $(GUEST:%=build/payloads/%.o)
	$(call say,AR)rm -f $@; $(CROSS_COMPILE)ar rcs $@ $^

build/payloads/payload.lds: payloads/payload.lds vmm/machine/map.h | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CPP)$(CROSS_COMPILE)cpp -I. -P -x assembler-with-cpp $< -o $@

link = $(CROSS_COMPILE)ld -static --gc-sections --undefined=_start $(1) -T build/payloads/payload.lds \
	$(filter %.o %.a,$^) -o $@
build/payloads/%.elf: build/payloads/%.o build/payloads/guest.a build/payloads/payload.lds
	$(call say,LD)$(link)

# place, linked for places that images made for `virt` are linked for.
PLACES := 0x40000000 0x40080000 0x40100000 0x40280000
build/payloads/place-%.elf: build/payloads/place.o build/payloads/guest.a build/payloads/payload.lds
	$(call say,LD)$(call link,--defsym=link_address=$*)

# The same as firmware, which starts at the beginning of the flash.
build/payloads/%.fd: payloads/firmware.S build/payloads/%.bin | $(SYSROOT)/.complete
	$(call say,AS)$(MUSL_GCC) -I. -DPAYLOAD='"build/payloads/$*.bin"' -c $< -o $@.o
	@$(CROSS_COMPILE)objcopy -O binary -j .text $@.o $@
	@rm $@.o

build/payloads/%.bin: build/payloads/%.elf
	$(call say,OBJCOPY)$(CROSS_COMPILE)objcopy -O binary $< $@

# ---- tests ----

HEADERS := $(wildcard tests/unit/*.h crt/*.h devices/*.h devices/*/*.h vmm/*.h vmm/*/*.h)
# The same sources natively, under sanitizers; crt's get a prefix, the machine's libc is their oracle.
UNIT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARNINGS) -Wno-unused-function -I. \
	-fsanitize=address,undefined -fno-sanitize-recover=all
CRT_UNIT_CFLAGS := $(UNIT_CFLAGS) -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns \
	-include tests/unit/rename.h

build/unit/crt-%.o: crt/%.c crt/crt.h crt/sys.h tests/unit/rename.h Makefile | tools-test
	@mkdir -p $(@D)
	$(call say,CC)gcc $(CRT_UNIT_CFLAGS) -c $< -o $@

build/unit/crt.a: build/unit/crt-print.o build/unit/crt-string.o
	$(call say,AR)ar rcs $@ $^

# A test links the source that it is about; what else that needs is a stand-in in the test.
unit_source = $(firstword $(wildcard vmm/$(1).c vmm/*/$(1).c devices/$(1).c devices/*/$(1).c) build/unit/crt.a)
$(UNIT_TESTS:%=build/unit/%.t): build/unit/%.t: tests/unit/%.c $$(call unit_source,%) \
		$(HEADERS) Makefile | tools-test $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CC)gcc -MMD -MP -MT $@ -MF $@.d $(UNIT_CFLAGS) $($*_CFLAGS) $(filter %.c %.a,$^) -o $@ -lcmocka -lfdt -lz

# KVM's interface is another one on every architecture: the guest's, not the developer's.
console_CFLAGS = $(kvm_CFLAGS)
describe_CFLAGS = $(kvm_CFLAGS)
exits_CFLAGS = $(kvm_CFLAGS)
flash_file_CFLAGS = $(kvm_CFLAGS)
gdb_CFLAGS = $(kvm_CFLAGS)
gdb_SOURCES := vmm/kvm/registers.c vmm/outlet.c $(patsubst %,vmm/machine/%.c,inspect page_walk) \
	$(patsubst %,vmm/debug/%.c,breakpoints gdb gdb_line)
no_syndrome_CFLAGS = $(kvm_CFLAGS)
power_CFLAGS = $(kvm_CFLAGS)
run_CFLAGS = $(kvm_CFLAGS)
no_syndrome_SOURCES := $(patsubst %,vmm/kvm/%.c,gic_registers registers) \
	$(patsubst %,vmm/machine/%.c,inspect load_store page_walk)
load_store_CFLAGS := -DOBJDUMP='"$(CROSS_COMPILE)objdump"'
memory_CFLAGS := -Dgetauxval=test_getauxval
passes_CFLAGS = -Dgetauxval=test_getauxval $(kvm_CFLAGS)
serve_CFLAGS = $(kvm_CFLAGS)
snapshot_text_CFLAGS = $(kvm_CFLAGS) -Ddprintf=test_dprintf
stuck_CFLAGS = $(kvm_CFLAGS)
uart_fast_CFLAGS = $(kvm_CFLAGS)
virtio_fast_CFLAGS = $(kvm_CFLAGS)
watchdog_CFLAGS = $(kvm_CFLAGS)
kvm_CFLAGS := -isystem $(SYSROOT)/usr/include/aarch64-linux-gnu -isystem $(SYSROOT)/usr/include

build/unit/console.t build/unit/uart_fast.t: devices/pl011.c
build/unit/console.t: vmm/commands.c vmm/outlet.c vmm/host/terminal.c $(patsubst %,devices/virtio/%.c,console mmio net offload queue)
build/unit/describe.t build/unit/snapshot_text.t build/unit/state.t: $(DEVICES:%=devices/%.c)
build/unit/passes.t: vmm/snapshot/format.c
build/unit/disk.t build/unit/disks.t build/unit/flash_file.t build/unit/passes.t: vmm/pages.c
build/unit/power.t: devices/pl061.c
build/unit/stuck.t: vmm/kvm/registers.c
build/unit/snapshot_text.t: vmm/snapshot/format.c vmm/kvm/registers.c vmm/debug/describe.c
build/unit/bus.t: vmm/machine/stray.c
build/unit/block.t build/unit/mmio.t build/unit/virtio_fast.t: devices/virtio/queue.c
build/unit/block.t build/unit/virtio_fast.t: devices/virtio/mmio.c
build/unit/flash_file.t: vmm/host/disk.c
build/unit/disks.t: vmm/host/disk.c devices/virtio/queue.c
build/unit/balloon.t build/unit/entropy.t build/unit/virtio_console.t build/unit/virtio_net.t: devices/virtio/mmio.c devices/virtio/queue.c
build/unit/virtio_console.t: devices/virtio/console.c
build/unit/virtio_net.t: $(patsubst %,devices/virtio/%.c,net offload)
build/unit/nets.t: vmm/host/stream.c $(patsubst %,devices/virtio/%.c,mmio net offload queue)
build/unit/exits.t: vmm/kvm/vcpu.c
build/unit/no_syndrome.t: $(no_syndrome_SOURCES)
build/unit/console.t build/unit/flash.t build/unit/fw_cfg.t build/unit/pci.t build/unit/vmgenid.t: devices/state.c
build/unit/random.t: crt/random.c
build/unit/report.t: vmm/outlet.c
build/unit/gdb.t: $(filter-out vmm/debug/gdb.c,$(gdb_SOURCES))

# Those that take longest come first.
LONG_TESTS := net virtio ends linux snapshot disk-linux hostile print guest demo fault kernels gdb console appliance run
test_files = $(1:%=tests/system/%.t)
UNIT_FILES := $(UNIT_TESTS:%=build/unit/%.t) tests/fuzz/replay.t
RUN_TESTS := CMOCKA_MESSAGE_OUTPUT=tap tests/run.pl

# Of the two the checks come first: they are quicker.
test: $(filter check,$(MAKECMDGOALS))
test: unit coverage system $(NESTED)/.complete ## all tests, in one TAP summary
	$(RUN_TESTS) $(call test_files,$(LONG_TESTS)) $(UNIT_FILES) \
		$(call test_files,$(filter-out $(LONG_TESTS),$(SYSTEM_TESTS)))

thorough: system $(NESTED)/.complete $(XEN)/.complete ## tests with more kinds of hosts and guests, and more repetitions
	THOROUGH=1 $(RUN_TESTS) $(call test_files,demo disk-linux gdb guest hostile linux moments nested net snapshot uefi virtio)

QUICK_TESTS := ends trace hostile disk console guest load place init print linux gdb host job moments power binary
test-quick: unit system ## each area once, within two minutes
	QUICK=1 $(RUN_TESTS) $(call test_files,$(QUICK_TESTS)) $(UNIT_FILES)

# Of devices/, by their unit tests alone.
coverage: tools-test ## line coverage of devices/ by its unit tests: 95 % at least
	@rm -rf build/coverage; mkdir -p build/coverage
	@cd build/coverage && for device in $(DEVICES); do \
		gcc $(UNIT_CFLAGS:-I.=-I../..) --coverage -c ../../devices/$$device.c || exit 1; done
	@for device in $(notdir $(DEVICES)); do \
		test=tests/unit/virtio_$$device.c; [ -f $$test ] || test=tests/unit/$$device.c; \
		gcc $(UNIT_CFLAGS) --coverage build/coverage/*.o -x c $$test \
			-o build/coverage/$$device -lcmocka && \
		build/coverage/$$device >/dev/null 2>&1 || exit 1; \
	done
	@cd build/coverage && gcov -n $(patsubst %,%.gcda,$(notdir $(DEVICES))) | awk -F '[:%]' \
		"/^File '.*devices.*c'/ { file = \$$0 } \
		/^Lines/ && file { print file \": \" \$$0; low += \$$2 < 95; file = \"\" } END { exit low }"

unit: $(UNIT_TESTS:%=build/unit/%.t) $(FUZZ:%=build/fuzz/%.t) build/machine.dtb
system: tools-run all $(GUESTS)/.complete $(FIRMWARE)/.complete $(HOSTS)/.complete $(DISK_PROGRAMS)/.complete $(NETWORK)/.complete build/test-rootfs.cpio build/guest-rootfs.cpio build/fault \
	build/inherit build/journal build/listen build/moment build/resign \
	$(PLACES:%=build/payloads/place-%.elf) build/payloads/fw_cfg.fd $(BENCH)

# ---- bench ----

# With libc, as small as that lets them be.
build/bench/%: tests/bench/%.c tests/bench/counter.h vmm/machine/map.h Makefile | $(SYSROOT)/.complete
	@mkdir -p $(@D)
	$(call say,CC)$(MUSL_GCC) -std=gnu11 $(WARNINGS) $(INCLUDES) -Os -s -static \
		-Wl,-z,max-page-size=4096,-z,norelro $< -o $@

# The initramfs of the guest whose disk is measured.
build/bench/disk.cpio: tests/bench/disk-init rootfs/disk-modules.sh rootfs/modules.sh rootfs/pack.sh build/bench/requests
	$(call say,PACK){ echo "file init tests/bench/disk-init"; echo "file bin/requests build/bench/requests"; \
		echo "file bin/busybox $(SYSROOT)/bin/busybox"; rootfs/disk-modules.sh $(SYSROOT)/lib/modules; } | rootfs/pack.sh $@

build/bench/net.cpio: tests/bench/net-init rootfs/modules.sh rootfs/pack.sh build/bench/packets
	$(call say,PACK){ echo "file init tests/bench/net-init"; echo "file bin/packets build/bench/packets"; \
		echo "file bin/busybox $(SYSROOT)/bin/busybox"; \
		rootfs/modules.sh $(SYSROOT)/lib/modules virtio_mmio virtio_net; } | rootfs/pack.sh $@

build/bench/prompt.cpio: tests/bench/prompt-init rootfs/test-init rootfs/modules.sh rootfs/pack.sh | $(SYSROOT)/.complete
	$(call say,PACK){ echo "file init tests/bench/prompt-init"; echo "file bin/busybox $(SYSROOT)/bin/busybox"; \
		echo "link bin/sh busybox"; echo "file bin/test-init rootfs/test-init"; \
		rootfs/modules.sh $(SYSROOT)/lib/modules virtio_mmio virtio_balloon; } | rootfs/pack.sh $@

bench: ## what everything costs, in instructions, beside a floor and QEMU
bench-update: ## the same, and its results become those that docs/ and the budget test hold
bench bench-update: tools-run all build/test-rootfs.cpio build/guest-rootfs.cpio $(BENCH) $(RIVAL)/.complete
	tests/bench/bench.pl $(if $(filter bench-update,$@),--update)
# An assignment in the recipe would need a shell, and a signal to make would end that, but not bench.pl.
bench bench-update: export READELF := $(CROSS_COMPILE)readelf

# ---- fuzzing ----

# The sources that each is about.
devices_SOURCES := $(DEVICES:%=devices/%.c) vmm/machine/bus.c vmm/machine/stray.c
tree_SOURCES := vmm/machine/device_tree.c
virtio_SOURCES := devices/state.c $(patsubst %,devices/virtio/%.c,balloon block console entropy mmio net offload queue)
loaders_SOURCES := vmm/pages.c $(patsubst %,vmm/machine/%.c,device_tree memory) $(patsubst %,vmm/load/%.c,$(filter-out firmware,$(LOAD)))
loaders_CFLAGS = $(kvm_CFLAGS)
snapshot_SOURCES := vmm/pages.c $(patsubst %,vmm/snapshot/%.c,format resume) $(patsubst %,vmm/debug/%.c,describe snapshot_text) \
	$(patsubst %,vmm/machine/%.c,bus memory) vmm/kvm/registers.c $(DEVICES:%=devices/%.c)
snapshot_CFLAGS = $(kvm_CFLAGS) -Ddprintf=test_dprintf
arguments_SOURCES := vmm/options.c
debugger_SOURCES := $(gdb_SOURCES)
debugger_CFLAGS = $(kvm_CFLAGS)
decode_CFLAGS = $(kvm_CFLAGS)
decode_SOURCES := vmm/machine/no_syndrome.c $(no_syndrome_SOURCES)
FUZZ_CFLAGS := $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(UNIT_CFLAGS)) -O2 \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
fuzz_sources = tests/fuzz/$(1).c $($(1)_SOURCES)

SECONDS ?= 60
FUZZ_LIMIT ?= -max_total_time=$(SECONDS)
fuzz: $(FUZZ:%=fuzz-%) ## fuzz devices, virtio, debugger, instructions, loaders, snapshots, options and device tree for SECONDS=60 each

# New inputs that reach new code are kept in build/, what breaks in the directory of the sources. The lines
# that all of them together reach are counted by the replay.
$(FUZZ:%=fuzz-%): fuzz-%: build/fuzz/% build/fuzz/%.t
	@mkdir -p build/fuzz/$*.corpus tests/fuzz/$*
	build/fuzz/$* $(FUZZ_LIMIT) -timeout=10 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=tests/fuzz/$*/ build/fuzz/$*.corpus tests/fuzz/$* 2>&1 | sed 's/^/$*: /'; \
		exit $${PIPESTATUS[0]}
	@rm -f build/fuzz/$*.t-*.gcda; build/fuzz/$*.t build/fuzz/$*.corpus tests/fuzz/$* >/dev/null
	@gcov -n $(patsubst %,build/fuzz/$*.t-%.gcda,$(basename $(notdir $($*_SOURCES)))) | awk -F "'" \
		"/^File '(devices|vmm)/ { file = \$$2 } /^Lines/ && file { print \"$*: \" file \": \" \$$0; file = \"\" }"
$(FUZZ:%=fuzz-%): SHELL := /bin/bash

$(FUZZ:%=build/fuzz/%): build/fuzz/%: $$(call fuzz_sources,%) tests/fuzz/fuzz.h \
		$(HEADERS) build/machine.dtb Makefile | tools-fuzz
	@mkdir -p $(@D)
	$(call say,CC)clang $(FUZZ_CFLAGS) $($*_CFLAGS) $(call fuzz_sources,$*) -o $@ -lfdt

# The same without a fuzzer, on what the corpus holds.
$(FUZZ:%=build/fuzz/%.t): build/fuzz/%.t: $$(call fuzz_sources,%) tests/fuzz/replay.c tests/fuzz/fuzz.h \
		$(HEADERS) build/machine.dtb Makefile | tools-test
	@mkdir -p $(@D)
	@rm -f $@-*.gcda
	$(call say,CC)gcc $(UNIT_CFLAGS) --coverage $($*_CFLAGS) $(call fuzz_sources,$*) tests/fuzz/replay.c -o $@ -lfdt

# ---- checks ----

C_FILES := $(wildcard crt/*.[ch] devices/*.[ch] devices/*/*.[ch] vmm/*.[ch] vmm/*/*.[ch] payloads/*.[ch] tests/*/*.[ch])
KVM_TESTS := $(patsubst %,tests/unit/%.c,describe exits flash_file gdb no_syndrome passes run snapshot_text stuck uart_fast virtio_fast)
VMM_FILES := $(VMM:%=vmm/%.c)
SHELL_SCRIPTS := qemu-run.sh .ci/run $(wildcard tools/*.sh rootfs/*.sh rootfs/*-init tests/*/*.sh tests/system/disk-init tests/system/login-init tests/system/net-init) \
	$(filter-out %/demo.t %/ends.t %/gdb.t %/job.t %/linux.t %/net.t %/uefi.t %/virtio.t,$(wildcard tests/*/*.t))
TIDY_FLAGS := --target=aarch64-linux-gnu -nostdinc -isystem $(SYSROOT)/usr/include/aarch64-linux-musl

# Each file is a target of its own, so that they are checked side by side.
PROGRAM_FILES := $(CRT:%=crt/%.c) $(DEVICES:%=devices/%.c) $(VMM_FILES)
HOST_FILES := $(PROGRAM_FILES) $(patsubst %,tests/system/%.c,fault hold-vm inherit journal listen moment resign thread-test) $(wildcard tests/bench/[fmpr]*.c)
GUEST_FILES := $(wildcard payloads/*.c tests/bench/[ae]*.c)
UNIT_SOURCES := $(wildcard tests/unit/*.c tests/fuzz/*.c)
TIDY_TARGETS := $(patsubst %,tidy/%,$(HOST_FILES) $(GUEST_FILES) $(UNIT_SOURCES))
$(HOST_FILES:%=tidy/%): FLAGS = $(TIDY_FLAGS) $(DIALECT)
$(GUEST_FILES:%=tidy/%): FLAGS = -I. $(TIDY_FLAGS) -std=gnu11 -ffreestanding
$(UNIT_SOURCES:%=tidy/%): FLAGS = -std=gnu11 -D_GNU_SOURCE -I.
$(patsubst %,tidy/%,$(KVM_TESTS) $(wildcard tests/fuzz/*.c)): FLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(kvm_CFLAGS)

# It counts what it suppresses; that is of no interest.
$(TIDY_TARGETS): tidy/%: % | tools-check $(SYSROOT)/.complete
	$(call say,TIDY)found=$$(clang-tidy --quiet $< -- $(FLAGS) 2>&1) || { echo "$$found"; exit 1; }

$(PROGRAM_FILES:%=analyze/%): analyze/%: % | tools-check $(SYSROOT)/.complete
	$(call say,ANALYZE)$(MUSL_GCC) $(DIALECT) -Werror -O2 -fanalyzer -S -o /dev/null $<

check-format: tools-check
	clang-format --dry-run --Werror $(C_FILES)

check-c: tools-check
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--std=c11 -I. -DVERSION='""' crt devices vmm payloads

check-shell: tools-check
	shellcheck -x -P SCRIPTDIR $(SHELL_SCRIPTS)

# Which directory may include what of which.
check-arrows:
	tools/arrows.sh

# cppcheck takes longest: it comes first.
check: check-arrows check-c $(TIDY_TARGETS) $(PROGRAM_FILES:%=analyze/%) check-format check-shell ## format, clang-tidy, gcc's analyzer, cppcheck, shellcheck

format: tools-check ## bring the C files into form
	clang-format -i $(C_FILES)

# ---- initramfs ----

build/rootfs.cpio: rootfs/nestling.list rootfs/pack.sh build/nestling
	$(call say,PACK)rootfs/pack.sh $@ <$<

build/guest-rootfs.cpio: rootfs/guest.list rootfs/test-init rootfs/pack.sh | $(SYSROOT)/.complete
	$(call say,PACK)rootfs/pack.sh $@ <$<

build/disk-rootfs.cpio: rootfs/disk.list rootfs/disk-init rootfs/disk-modules.sh rootfs/modules.sh rootfs/pack.sh | $(SYSROOT)/.complete
	$(call say,PACK){ cat $<; rootfs/disk-modules.sh $(SYSROOT)/lib/modules; } | rootfs/pack.sh $@

build/net-rootfs.cpio: rootfs/net.list rootfs/net-init rootfs/modules.sh rootfs/pack.sh | $(SYSROOT)/.complete
	$(call say,PACK){ cat $<; rootfs/modules.sh $(SYSROOT)/lib/modules virtio_mmio virtio_net; } | rootfs/pack.sh $@

build/demo-disk.cpio: rootfs/demo-disk.list rootfs/demo-init rootfs/pack.sh | $(SYSROOT)/.complete
	$(call say,PACK)rootfs/pack.sh $@ <$<

build/test-rootfs.cpio: rootfs/test.list rootfs/test-init rootfs/pack.sh build/nestling \
		build/hold-vm build/thread-test $(CLAIMS:%=build/payloads/%.bin)
	$(call say,PACK)rootfs/pack.sh $@ <$<

-include $(OBJECTS:.o=.d) $(wildcard build/unit/*.d)
.PRECIOUS: build/%.o build/payloads/%.o build/payloads/%.elf
