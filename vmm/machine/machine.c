// SPDX-License-Identifier: MIT
/*
 * One guest's machine: which devices it has and where, and how it starts and ends.
 *
 * Who calls it: main. Touches struct machine and, through the layers of KVM, the host.
 */
#include "machine.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "map.h"
#include "vmm/host/console.h"
#include "vmm/report.h"

#include <sys/mman.h>

/* Memory slots. */
#define RAM_SLOT 0
#define STEAL_SLOT 2
#define FIRST_FLASH_SLOT 3 /* one for each block; uart_fast.h has slot 1 */

/* After those of the table of devices. */
#define SHORTCUT_TIMER 2
#define STUCK_TIMER 3

/* The table of devices: where each lies in the guest, and where its struct lies in the machine. */
#define IN_MACHINE(name) offsetof(struct machine, name)
static const struct {
	const struct device_ops *ops;
	uint64_t base, size;
	size_t device, lock;
	int timer;    /* number in the event loop; -1: none */
	unsigned spi; /* 0: none */
} devices[] = {
	{ &pl011_ops, UART_BASE, UART_SIZE, IN_MACHINE(uart), IN_MACHINE(uart_lock), 0, UART_SPI },
	{ &pl031_ops, RTC_BASE, RTC_SIZE, IN_MACHINE(rtc), IN_MACHINE(rtc_lock), 1, RTC_SPI },
	{ &finisher_ops, FINISHER_BASE, FINISHER_SIZE, IN_MACHINE(finisher),
	  IN_MACHINE(finisher_lock), -1, 0 },
	{ &flash_ops, FLASH_BASE, FLASH_SIZE, IN_MACHINE(flash), IN_MACHINE(flash_lock), -1, 0 },
	{ &virtio_mmio_ops, VIRTIO_BASE, VIRTIO_SIZE, IN_MACHINE(virtio_lock),
	  IN_MACHINE(virtio_lock), -1, 0 },
};

/* The finisher's wire. A failure never looks like success: what is no exit status becomes 255. */
static void finish(void *run, enum finish how, uint16_t code)
{
	switch (how) {
	case FINISH_PASS:
		run_end(run, ENDED, STATUS_PASS);
		break;
	case FINISH_FAIL:
		run_end(run, ENDED, code >= 1 && code <= 255 ? code : 255);
		break;
	case FINISH_RESET:
		run_end(run, RESET, 0);
		break;
	}
}

/* The flash's wire, under its lock. Called when a block is first touched: most guests never do. */
static bool show_flash(void *opaque, uint64_t offset)
{
	/* Behind what was loaded, one erased block is shown over and over; untouched till then. */
	static _Alignas(0x10000) uint8_t erased[FLASH_BLOCK];
	struct machine *machine = opaque;
	uint8_t *block = erased;

	if (offset < machine->flash_image.size)
		block = machine->flash_image.host + offset;
	else if (erased[0] == 0)
		memset(erased, 0xff, sizeof erased);
	return vm_add_rom(&machine->vm, FIRST_FLASH_SLOT + (unsigned)(offset / FLASH_BLOCK),
			  GPA(FLASH_BASE + offset), block, FLASH_BLOCK);
}

void machine_show_flash(struct machine *machine)
{
	for (uint64_t offset = 0; offset < machine->flash_image.size; offset += FLASH_BLOCK)
		if (!flash_show(&machine->flash, offset))
			die(STATUS_HOST,
			    "the payload lies in flash: this host has no read-only memory; link it "
			    "for RAM");
}

static void connect_wires(struct machine *machine)
{
	machine->uart = (struct pl011){
		.irq = { .set = vm_set_irq, .controller = &machine->vm, .number = UART_SPI },
		.timer = { .set = loop_set_timer,
			   .left = loop_timer_left,
			   .clock = &machine->loop,
			   .number = 0 },
		.transmit = shortcut_transmit,
		.empty = shortcut_empty,
		.idle = shortcut_idle,
		.shown = shortcut_shown,
		.hide = shortcut_hide,
		.unpost = shortcut_unpost,
		.line = &machine->shortcut,
		.clock = UART_CLOCK,
	};
	machine->rtc = (struct pl031){
		.irq = { .set = vm_set_irq, .controller = &machine->vm, .number = RTC_SPI },
		.timer = { .set = loop_set_timer,
			   .left = loop_timer_left,
			   .clock = &machine->loop,
			   .number = 1 },
		.seconds = clock_realtime_seconds,
	};
	machine->finisher = (struct finisher){ .finish = finish, .listener = &machine->run };
	machine->flash = (struct flash){ .show = show_flash, .listener = machine };
	console_connect(machine->console, &machine->uart, &machine->uart_lock, &machine->run);
	shortcut_connect(&machine->shortcut, &machine->run.vcpus[0], &machine->vm, machine->console,
			 (struct timer_line){ .set = loop_set_timer,
					      .clock = &machine->loop,
					      .number = SHORTCUT_TIMER },
			 machine->uart_is_plain);
	loop_add_timer(&machine->loop, SHORTCUT_TIMER, &shortcut_ops, &machine->shortcut,
		       &machine->uart_lock);
	machine->stuck = (struct stuck){
		.run = &machine->run,
		.console = machine->console,
		.timer = { .set = loop_set_timer,
			   .left = loop_timer_left,
			   .clock = &machine->loop,
			   .number = STUCK_TIMER },
	};
	loop_add_timer(&machine->loop, STUCK_TIMER, &stuck_ops, &machine->stuck,
		       &machine->stuck.lock);
}

static void create_devices(struct machine *machine, bool strict)
{
	machine->bus.strict = strict ? &machine->run : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		void *device = (char *)machine + devices[i].device;
		struct lock *lock = (void *)((char *)machine + devices[i].lock);

		if (devices[i].timer >= 0)
			loop_add_timer(&machine->loop, (unsigned)devices[i].timer, devices[i].ops,
				       device, lock);
		devices[i].ops->reset(device);
		bus_add(&machine->bus,
			(struct bus_region){ GPA(devices[i].base), devices[i].size, devices[i].ops,
					     device, lock, devices[i].spi });
	}
}

static void choose_features(struct machine *machine)
{
	const struct options *options = machine->options;
	int fd = machine->vm.fd;

	machine->features = (struct cpu_features){
		.pmu = !options->no_pmu && kvm_capability(fd, KVM_CAP_ARM_PMU_V3),
		.sve = !options->no_sve && kvm_capability(fd, KVM_CAP_ARM_SVE),
		.pauth = !options->no_pauth && kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) &&
			 kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_GENERIC),
	};
}

#define STEAL_ENTRY 64 /* bytes a CPU */

/* Fewer than the guest has? If the host does not say it has enough. */
static bool has_fewer_cpus(unsigned cpus)
{
	uint8_t mask[128] = { 0 }; /* of 1,024 CPUs: a host with more refuses */
	unsigned count = 0;

	if (sys_sched_getaffinity(0, sizeof mask, mask) < 0)
		return false;
	for (unsigned i = 0; i < 8 * sizeof mask; i++)
		count += mask[i / 8] >> i % 8 & 1;
	return count < cpus;
}

/*
 * Stolen time, which a guest with more CPUs than its host needs to tell a CPU that waits from one
 * that hangs. Others go without: KVM writes it at every entry, which makes an exit dearer by a
 * sixteenth. The guest finds it by SMCCC; the memory is of no other use.
 */
static void show_stolen_time(struct machine *machine)
{
	long memory;

	if (!machine->needs_stolen_time || !kvm_capability(machine->vm.fd, KVM_CAP_STEAL_TIME))
		return;
	memory =
		sys_mmap(0, STEAL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory < 0)
		die(STATUS_HOST, "stolen time: %s; free some memory on the host",
		    error_text((int)-memory));
	machine->stolen_time = (void *)memory;
	vm_add_memory(&machine->vm, STEAL_SLOT, GPA(STEAL_BASE), machine->stolen_time, STEAL_SIZE);
	for (unsigned i = 0; i < machine->run.cpus; i++)
		vcpu_show_stolen_time(&machine->run.vcpus[i], GPA(STEAL_BASE + i * STEAL_ENTRY));
}

static void hide_stolen_time(struct machine *machine)
{
	if (machine->stolen_time)
		sys_munmap((uintptr_t)machine->stolen_time, STEAL_SIZE);
	machine->stolen_time = NULL;
}

static void create_cpus(struct machine *machine)
{
	struct run *run = &machine->run;
	unsigned most = vm_most_cpus(&machine->vm);

	if (run->cpus > most)
		die(STATUS_HOST,
		    "--cpus %u: this host's guests have at most %u with GICv%u; take fewer",
		    run->cpus, most, machine->vm.gic);
	for (unsigned i = 0; i < run->cpus; i++) {
		vcpu_create(&run->vcpus[i], machine->kvm, &machine->vm, i, &machine->features,
			    &machine->bus, &machine->memory, run);
		run->vcpus[i].shortcut = &machine->shortcut;
	}
	vm_start_gic(&machine->vm);
	for (unsigned i = 0; machine->features.pmu && i < run->cpus; i++)
		vcpu_start_pmu(&run->vcpus[i]);
	show_stolen_time(machine);
}

void machine_power_on(struct machine *machine)
{
	const struct options *options = machine->options;

	vm_create(&machine->vm, machine->kvm, GPA(RAM_BASE + options->memory));
	memory_create(&machine->memory, GPA(RAM_BASE), options->memory);
	vm_add_memory(&machine->vm, RAM_SLOT, machine->memory.base, machine->memory.host,
		      machine->memory.size);
	vm_create_gic(&machine->vm, (unsigned)options->gic);
	choose_features(machine);
	create_cpus(machine);
	machine->bus.last = NULL;
	machine->bus.count = 0; /* what it has told once it does not tell again */
	connect_wires(machine);
	create_devices(machine, options->strict);
}

static void power_off(struct machine *machine)
{
	for (unsigned i = 0; i < machine->run.cpus; i++)
		vcpu_destroy(&machine->run.vcpus[i]);
	vm_destroy(&machine->vm);
	hide_stolen_time(machine);
	memory_destroy(&machine->memory);
	if (machine->flash_image.size)
		memory_destroy(&machine->flash_image);
	machine->flash_image.size = 0;
}

/*
 * Where output waits that its readers do not take. Messages: what Ctrl-A d says of a CPU takes some
 * 5 KiB. A CPU that is held has finished the instruction that exited, and said what there is to be
 * said of that.
 */
#define TEXT_HELD 32768
#define TEXT_SIZE(cpus) (65536 + 8192 * (cpus))
#define CONSOLE_SIZE(cpus) (CONSOLE_OUTPUT + CONSOLE_SPARE * (cpus))
#define RINGS_SIZE(cpus) (CONSOLE_SIZE(cpus) + 2 * TEXT_SIZE(cpus))

static void add_outlets(struct machine *machine, char *rings)
{
	struct loop *loop = &machine->loop;
	unsigned cpus = machine->run.cpus;

	loop_add_outlet(loop, report_outlet(), rings, TEXT_SIZE(cpus), TEXT_HELD, HELD_BY_MESSAGES);
	rings += TEXT_SIZE(cpus);
	if (machine->trace)
		loop_add_outlet(loop, machine->trace, rings, TEXT_SIZE(cpus), TEXT_HELD,
				HELD_BY_TRACE);
	rings += TEXT_SIZE(cpus);
	loop_add_outlet(loop, &machine->console->output, rings, CONSOLE_SIZE(cpus), CONSOLE_OUTPUT,
			HELD_BY_CONSOLE);
}

void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options, struct outlet *trace)
{
	unsigned cpus = (unsigned)options->cpus;
	/* A mapping, since how many there are is known only now. Of the rings pages that are not
	 * needed are never touched. */
	size_t size = cpus * sizeof(struct vcpu);
	long memory = sys_mmap(0, size + RINGS_SIZE(cpus), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory < 0)
		die(STATUS_HOST, "--cpus %u: %s; take fewer", cpus, error_text((int)-memory));
	*machine = (struct machine){
		.kvm = kvm,
		.options = options,
		.console = console,
		.trace = trace,
		.uart_is_plain = options->uart & UART_PLAIN,
		.run = { .vcpus = (struct vcpu *)memory,
			 .cpus = cpus,
			 .sandboxed = !options->no_sandbox,
			 .core = -1 },
	};
	machine->needs_stolen_time = has_fewer_cpus(cpus);
	vcpu_watch_stops(run_was_continued, &machine->run);
	loop_create(&machine->loop, &machine->run, console);
	add_outlets(machine, (char *)memory + size);
}

void machine_run(struct machine *machine)
{
	if (!machine->loop.gdb) /* a debugger's user sees it anyhow */
		stuck_start(&machine->stuck);
	run_start(&machine->run);
	loop_run(&machine->loop);
	run_stop(&machine->run);
	shortcut_take(&machine->shortcut);
}

void machine_reset(struct machine *machine)
{
	power_off(machine);
	machine_power_on(machine);
}
