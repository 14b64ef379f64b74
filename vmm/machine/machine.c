// SPDX-License-Identifier: MIT
/*
 * One guest's machine: which devices it has and where, and how it is created and reset.
 *
 * Who calls it: main. Touches struct machine and, through the layers of KVM, the host.
 */
#include "machine.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "map.h"
#include "serve.h"
#include "devices/virtio/block.h"
#include "vmm/host/clock.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <sys/mman.h>

/* Memory slots, beside RAM_SLOT. */
#define STEAL_SLOT 2
#define FIRST_FLASH_SLOT 3 /* one per block; slot 1 is UART_FAST_SLOT */

/* The table of devices: their guest-physical range, and the offset of their struct in struct
 * machine. */
#define IN_MACHINE(name) offsetof(struct machine, name)
static const struct {
	const struct device_ops *ops;
	uint64_t base, size;
	size_t device;
	unsigned spi; /* 0: none */
} devices[] = {
	{ &flash_ops, FLASH_BASE, FLASH_BANK_SIZE, IN_MACHINE(banks[0].flash), 0 },
	{ &flash_ops, FLASH_BASE + FLASH_BANK_SIZE, FLASH_BANK_SIZE, IN_MACHINE(banks[1].flash),
	  0 },
	{ &pl011_ops, UART_BASE, UART_SIZE, IN_MACHINE(uart), UART_SPI },
	{ &pl031_ops, RTC_BASE, RTC_SIZE, IN_MACHINE(rtc), RTC_SPI },
	{ &fw_cfg_ops, FW_CFG_BASE, FW_CFG_SIZE, IN_MACHINE(fw_cfg), 0 }, /* --firmware */
	{ &pl061_ops, GPIO_BASE, GPIO_SIZE, IN_MACHINE(gpio), GPIO_SPI },
	{ &vmgenid_ops, VMGENID_BASE, VMGENID_SIZE, IN_MACHINE(vmgenid), VMGENID_SPI },
	{ &finisher_ops, FINISHER_BASE, FINISHER_SIZE, IN_MACHINE(finisher), 0 },
};

const struct device_ops *machine_device(uint64_t base)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].base == base)
			return devices[i].ops;
	return NULL;
}

/* The finisher's wire. A failure code that is no exit status becomes 255, so that it is never 0. */
static void finish(void *machine, enum finish how, uint16_t code)
{
	struct run *run = &((struct machine *)machine)->run;

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
	case FINISH_SAVE:
		machine_ask_save(machine, true);
		break;
	}
}

/* ---- flash ---- */

_Static_assert(SIZE_OF_FIELD(struct vmgenid, id) == VMGENID_SIZE, "the map has all of it");
_Static_assert(FLASH_BANK == FLASH_BANK_SIZE && FLASH_SIZE == 2 * FLASH_BANK_SIZE,
	       "the map's banks are those of the device");

static unsigned flash_slot(const struct flash_bank *bank, uint64_t offset)
{
	return FIRST_FLASH_SLOT + (unsigned)((bank->base - FLASH_BASE + offset) / FLASH_BLOCK);
}

/* The wires of a bank, called with its lock held. Most guests never read their flash. */
static bool map_flash_block(void *opaque, uint64_t offset, uint8_t *bytes)
{
	struct flash_bank *bank = opaque;
	struct machine *machine = bank->machine;

	if (!bytes && machine->erased[0] == 0)
		memset(machine->erased, 0xff, FLASH_BLOCK);
	return vm_add_rom(&machine->vm, flash_slot(bank, offset), GPA(bank->base + offset),
			  bytes ? bytes : machine->erased, FLASH_BLOCK);
}

static void unmap_flash_block(void *opaque, uint64_t offset)
{
	struct flash_bank *bank = opaque;

	vm_remove_memory(&bank->machine->vm, flash_slot(bank, offset));
}

static void init_flash(struct machine *machine)
{
	for (unsigned i = 0; i < ARRAY_SIZE(machine->banks); i++) {
		struct flash_bank *bank = &machine->banks[i];

		bank->machine = machine;
		bank->base = FLASH_BASE + (uint64_t)i * FLASH_BANK;
		bank->flash = (struct flash){
			.storage = machine->flash_storage + (size_t)i * FLASH_BANK,
			.written = &bank->written,
			.map = map_flash_block,
			.unmap = unmap_flash_block,
			.listener = bank,
		};
	}
	if (machine->variables) {
		struct flash_bank *bank = &machine->banks[1];

		flash_fill(bank, machine->variables->name, machine->variables->fd, NULL,
			   machine->variables->size);
		bank->flash.keep = flash_keep;
	}
}

void machine_map_flash(struct machine *machine, uint64_t size)
{
	if (machine->flash_image.size) {
		size = machine->flash_image.size;
		memcpy(machine->flash_storage, machine->flash_image.host, size);
		memory_destroy(&machine->flash_image);
	}
	for (uint64_t offset = 0; offset < size; offset += FLASH_BLOCK) {
		struct flash_bank *bank = &machine->banks[offset / FLASH_BANK];

		bank->written |= 1u << offset / FLASH_BLOCK % FLASH_BLOCKS;
		if (!flash_map_block(&bank->flash, offset % FLASH_BANK))
			die(STATUS_HOST, "the guest runs in flash, for which this host has no "
					 "read-only memory; take another host");
	}
}

_Static_assert(LOOP_NEVER == TIMER_OFF, "a device's timer is one of the event loop's");

static void add_timer(struct machine *machine, unsigned number, const struct device_ops *ops,
		      void *device, struct lock *lock)
{
	struct loop_timer *timer = &machine->timers[number];

	timer->expire = ops->expire;
	timer->day_set = ops->day_set;
	timer->context = device;
	timer->lock = lock;
	loop_add_timer(&machine->run.loop, timer);
}

_Static_assert(ARRAY_SIZE(devices) <= MACHINE_DEVICES &&
		       MACHINE_DEVICES + VIRTIO_SLOTS < BUS_REGIONS,
	       "a region for each device");

/* Sets the wires that only one device has; reset_devices later sets their state. */
static void init_devices(struct machine *machine)
{
	machine->uart = (struct pl011){
		.transmit = uart_fast_transmit,
		.request_input = uart_fast_request_input,
		.idle = uart_fast_idle,
		.page_changed = uart_fast_page_changed,
		.remove_page = uart_fast_remove_page,
		.stop_coalescing = uart_fast_stop_coalescing,
		.line = &machine->fast,
		.clock = UART_CLOCK,
	};
	machine->gpio = (struct pl061){ .pins = 0 };
	machine->rtc = (struct pl031){ .seconds = clock_realtime_seconds };
	random_bytes(machine->vmgenid.id, VMGENID_SIZE);
	machine->finisher = (struct finisher){ .finish = finish, .listener = machine };
	init_flash(machine);
}

/* Maps a device and sets its common wires. */
static struct bus_region *place(struct machine *machine, const struct device_ops *ops, void *device,
				uint64_t base, uint64_t size, unsigned spi)
{
	unsigned number = machine->timer_count;
	struct bus_region *region = bus_add(&machine->bus, GPA(base), size, ops, device);

	region->spi = spi;
	*(struct wires *)device = (struct wires){
		.irq = { .set = vm_set_irq, .controller = &machine->vm, .number = spi },
		.timer = { .set = loop_set_timer,
			   .left = loop_timer_left,
			   .clock = ops->expire ? &machine->timers[number] : NULL },
		.dma = { .map = memory_dma_map,
			 .written = memory_dma_written,
			 .memory = ops == &flash_ops ? &machine->flash : &machine->memory },
	};
	if (ops->expire) {
		add_timer(machine, number, ops, device, &region->lock);
		machine->timer_count++;
	}
	return region;
}

/* A struct run's `at_pause`. */
static bool at_pause(void *opaque)
{
	struct machine *machine = opaque;
	const struct machine_saver *saver = &machine->saver;

	if (saver->at_pause && !saver->at_pause(saver->context))
		return false;
	virtio_fast_begin(&machine->virtio_fast);
	return true;
}

static void place_devices(struct machine *machine)
{
	machine->timer_count = 0;
	machine->bus = (struct bus){ .on_stray = stray_access, .stray = &machine->stray };
	virtio_fast_create(&machine->virtio_fast, &machine->run, &machine->vm, machine->is_traced);
	machine->run.at_pause = at_pause;
	machine->run.at_pause_context = machine;
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].ops != &fw_cfg_ops || machine->options->firmware ||
		    machine->options->has_fw_cfg)
			place(machine, devices[i].ops, (char *)machine + devices[i].device,
			      devices[i].base, devices[i].size, devices[i].spi);
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
		struct virtio_slot *slot = &machine->virtio[i];
		struct bus_region *region;

		if (!slot->device)
			*slot = (struct virtio_slot){ &virtio_empty_ops, &machine->empty, NULL };
		region = place(machine, slot->ops, slot->device, VIRTIO_BASE + i * VIRTIO_SLOT,
			       VIRTIO_SLOT, VIRTIO_SPI + i);
		region->slot = (int)i;
		slot->device->slot = i;
		slot->device->observe = machine->observe;
		virtio_fast_add(&machine->virtio_fast, i, slot->device, &region->lock);
		if (slot->backend_lock)
			*slot->backend_lock = &region->lock;
	}
	/* Where a host's guests have no such addresses, it is never found. */
	place(machine, &pci_ops, &machine->pci, PCI_CONFIG_BASE, PCI_CONFIG_SIZE, 0);
}

/* With each device's lock held, because its backend may be working on another thread. */
static void reset_devices(struct machine *machine)
{
	for (unsigned i = 0; i < machine->bus.count; i++) {
		struct bus_region *region = &machine->bus.regions[i];

		lock_acquire(&region->lock);
		region->ops->reset(region->device);
		lock_release(&region->lock);
	}
}

void machine_add_virtio(struct machine *machine, const struct device_ops *ops,
			struct virtio *device, struct lock **backend_lock)
{
	machine->virtio[machine->virtio_count++] =
		(struct virtio_slot){ ops, device, backend_lock };
}

static struct lock *lock_of(struct machine *machine, uint64_t base)
{
	return &bus_find(&machine->bus, GPA(base), 4)->lock;
}

/*
 * Connects the UART's fast path and the check for stuck guests, both in the state after power-on.
 */
static void connect_helpers(struct machine *machine)
{
	uart_fast_connect(&machine->fast, &machine->run.vcpus[0], &machine->vm, machine->console,
			  &machine->virtio_fast,
			  (struct timer_line){ .set = loop_set_timer,
					       .clock = &machine->timers[UART_FAST_TIMER] },
			  machine->uart_is_plain);
	add_timer(machine, UART_FAST_TIMER, &uart_fast_ops, &machine->fast,
		  lock_of(machine, UART_BASE));
	machine->stuck = (struct stuck){
		.run = &machine->run,
		.console = machine->console,
		.timer = { .set = loop_set_timer,
			   .left = loop_timer_left,
			   .clock = &machine->timers[STUCK_TIMER] },
	};
	add_timer(machine, STUCK_TIMER, &stuck_ops, &machine->stuck, &machine->stuck.lock);
}

static void choose_features(struct machine *machine)
{
	const struct options *options = machine->options;
	int fd = machine->vm.fd;
	bool e2h0 = options->el2 == EL2_E2H0;

	if (options->el2 && !kvm_capability(fd, e2h0 ? KVM_CAP_ARM_EL2_E2H0 : KVM_CAP_ARM_EL2))
		die(STATUS_NO_KVM,
		    "--el2%s: this host's KVM has no such EL2 for guests; it takes FEAT_NV2, "
		    "and Linux 6.16 with kvm-arm.mode=nested",
		    e2h0 ? "=e2h0" : "");
	if (options->el2 && machine->vm.gic != 3)
		die(STATUS_USAGE, "--el2: a guest with EL2 needs a GICv3; leave --gic=2 out");
	machine->features = (struct cpu_features){
		.pmu = !options->no_pmu && kvm_capability(fd, KVM_CAP_ARM_PMU_V3),
		.sve = !options->no_sve && kvm_capability(fd, KVM_CAP_ARM_SVE),
		.pauth = !options->no_pauth && kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) &&
			 kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_GENERIC),
		.el2 = options->el2,
		.e2h0 = e2h0,
	};
}

#define STEAL_ENTRY 64 /* bytes per CPU */

/*
 * Does the host have fewer CPUs than the guest? If it does not tell, it is assumed to have enough.
 */
static bool has_fewer_cpus(unsigned cpus)
{
	uint8_t mask[128] = { 0 }; /* of 1,024 CPUs: a host with more refuses */
	unsigned count = 0;

	if (sys_sched_getaffinity(0, sizeof mask, mask) < 0)
		return false;
	for (unsigned i = 0; i < 8 * sizeof mask && count < cpus; i++)
		count += mask[i / 8] >> i % 8 & 1;
	return count < cpus;
}

/*
 * Stolen time: a guest with more CPUs than its host needs it to tell a CPU that waits from one that
 * hangs. Other guests go without, because KVM's update at every entry makes an exit a sixteenth
 * slower. The guest finds the memory by SMCCC.
 */
static void add_stolen_time(struct machine *machine)
{
	if (!machine->needs_stolen_time || !kvm_capability(machine->vm.fd, KVM_CAP_STEAL_TIME))
		return;
	machine->stolen_time = pages_take(STEAL_SIZE, 0, "stolen time");
	vm_add_memory(&machine->vm, STEAL_SLOT, GPA(STEAL_BASE), machine->stolen_time, STEAL_SIZE);
	for (unsigned i = 0; i < machine->run.cpus; i++)
		vcpu_set_stolen_time(&machine->run.vcpus[i], GPA(STEAL_BASE + i * STEAL_ENTRY));
}

static void remove_stolen_time(struct machine *machine)
{
	if (machine->stolen_time)
		sys_munmap((uintptr_t)machine->stolen_time, STEAL_SIZE);
	machine->stolen_time = NULL;
}

static void create_cpus(struct machine *machine)
{
	struct run *run = &machine->run;
	unsigned max = vm_max_cpus(&machine->vm);

	if (run->cpus > max)
		die(STATUS_HOST,
		    "--cpus %u: this host's guests have at most %u with GICv%u; take fewer",
		    run->cpus, max, machine->vm.gic);
	for (unsigned i = 0; i < run->cpus; i++) {
		vcpu_create(&run->vcpus[i], machine->kvm, &machine->vm, i, &machine->features,
			    &machine->bus, &machine->memory, run);
		run->vcpus[i].fast = &machine->fast;
	}
	if (machine->features.el2)
		vm_set_maintenance(&machine->vm);
	vm_start_gic(&machine->vm);
	for (unsigned i = 0; machine->features.pmu && i < run->cpus; i++)
		vcpu_start_pmu(&run->vcpus[i]);
	add_stolen_time(machine);
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
	connect_helpers(machine);
	reset_devices(machine);
}

static void power_off(struct machine *machine)
{
	reset_devices(machine); /* no device accesses the guest's memory after this */
	for (unsigned i = 0; i < machine->run.cpus; i++)
		vcpu_destroy(&machine->run.vcpus[i]);
	vm_destroy(&machine->vm);
	remove_stolen_time(machine);
	memory_destroy(&machine->memory);
	machine->flash_image.size = 0;
}

/* Sizes of the outlets' queues. Ctrl-A d prints some 5 KiB per vCPU. A vCPU that is held has
 * completed the instruction that exited, including its messages. */
#define TEXT_HELD 32768
#define TEXT_SIZE(cpus) (65536 + 8192 * (cpus))
#define CONSOLE_SIZE(cpus) (CONSOLE_OUTPUT + CONSOLE_SPARE * (cpus) + CONSOLE_CHUNK)
#define INPUT_SIZE (CONSOLE_INPUT * sizeof(uint16_t))
#define RINGS_SIZE(cpus) (CONSOLE_SIZE(cpus) + 2 * TEXT_SIZE(cpus))

static void add_outlets(struct machine *machine, uint8_t *rings)
{
	unsigned cpus = machine->run.cpus;
	const struct {
		struct outlet *outlet;
		unsigned size, hold_at;
		uint32_t by;
	} outputs[] = {
		{ &machine->console->terminal.output, CONSOLE_SIZE(cpus), CONSOLE_OUTPUT,
		  HELD_BY_CONSOLE },
		{ report_outlet(), TEXT_SIZE(cpus), TEXT_HELD, HELD_BY_MESSAGES },
		{ machine->trace, TEXT_SIZE(cpus), TEXT_HELD, HELD_BY_TRACE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(outputs) && outputs[i].outlet; i++) {
		serve_outlet(&machine->run, &machine->outputs[i], outputs[i].outlet,
			     (struct outlet_room){ .ring = rings,
						   .size = outputs[i].size,
						   .hold_at = outputs[i].hold_at,
						   .by = outputs[i].by });
		rings += outputs[i].size;
	}
}

void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options, struct outlet *trace)
{
	unsigned cpus = (unsigned)options->cpus;
	/* Mapped, because the size depends on the number of CPUs. Pages that are never needed, of
	 * the erased block and the queues, are never touched. */
	size_t size = FLASH_BLOCK + cpus * sizeof(struct vcpu);
	uint8_t *memory = pages_take(size + INPUT_SIZE + RINGS_SIZE(cpus), 0, "--cpus");

	*machine = (struct machine){
		.kvm = kvm,
		.options = options,
		.console = console,
		.trace = trace,
		.uart_is_plain = options->uart & UART_PLAIN,
		.erased = memory,
		.run = { .vcpus = (struct vcpu *)(memory + FLASH_BLOCK), .cpus = cpus, .core = -1 },
	};
	machine->stray.strict = options->strict ? &machine->run : NULL;
	machine->flash_storage = pages_take(FLASH_SIZE, MAP_NORESERVE, "flash");
	machine->flash = (struct guest_memory){ .base = GPA(FLASH_BASE),
						.size = FLASH_SIZE,
						.host = machine->flash_storage };
	machine->needs_stolen_time = has_fewer_cpus(cpus);
	vcpu_on_continue(run_was_continued, &machine->run);
	loop_create(&machine->run.loop);
	console_attach(console, &machine->run.loop, (uint16_t *)(memory + size));
	add_outlets(machine, memory + size + INPUT_SIZE);
}

void machine_connect(struct machine *machine)
{
	init_devices(machine);
	place_devices(machine);
	console_connect(machine->console, &machine->uart, lock_of(machine, UART_BASE),
			&machine->run);
	power_connect(&machine->power, &machine->gpio, lock_of(machine, GPIO_BASE));
}

void machine_run(struct machine *machine)
{
	if (!machine->run.debugger) /* a debugger's user would see it anyway */
		stuck_start(&machine->stuck);
	run_start(&machine->run);
	watchdog_start(&machine->watchdog);
	serve_run(&machine->run, machine->console);
	run_finish(&machine->run);
	power_finish(&machine->power);
	uart_fast_take(&machine->fast);
	console_finish_virtio(machine->console);
}

void machine_ask_save(struct machine *machine, bool now)
{
	if (machine->saver.ask)
		machine->saver.ask(machine->saver.context, now);
	else
		report("the guest cannot be saved: --save names no file");
}

static bool is_settled(struct bus_region *region)
{
	bool is_idle = true;

	if (region->ops != &virtio_block_ops)
		return true;
	lock_acquire(&region->lock);
	is_idle = block_is_idle(region->device);
	lock_release(&region->lock);
	return is_idle;
}

bool machine_settle(struct machine *machine)
{
	bool result = true;

	uart_fast_take(&machine->fast);
	for (unsigned i = 0; i < machine->bus.count; i++)
		result = is_settled(&machine->bus.regions[i]) && result;
	return result;
}

void machine_reset(struct machine *machine)
{
	power_off(machine);
	machine_power_on(machine);
}
