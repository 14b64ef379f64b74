// SPDX-License-Identifier: MIT
/*
 * One guest's machine: which devices it has and where, and how it starts and ends.
 *
 * Who calls it: main. Touches struct machine and, through the layers of KVM, the host.
 */
#include "machine.h"

#include "console.h"
#include "crt.h"
#include "fdt.h"
#include "map.h"
#include "report.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <sys/mman.h>

/* Memory slots. */
#define RAM_SLOT 0
#define FIRST_FLASH_SLOT 1 /* one for each block */

#define DTB_ROOM 0x10000 /* bytes from the start of RAM that a device tree may take */

/* The table of devices: where each lies in the guest, and where its struct lies in the machine. */
#define FIELD(name) offsetof(struct machine, name)
static const struct {
	const struct device_ops *ops;
	uint64_t base, size;
	size_t device, lock;
	int timer; /* number in the event loop; -1: none */
} devices[] = {
	{ &pl011_ops, UART_BASE, UART_SIZE, FIELD(uart), FIELD(uart_lock), 0 },
	{ &pl031_ops, RTC_BASE, RTC_SIZE, FIELD(rtc), FIELD(rtc_lock), 1 },
	{ &finisher_ops, FINISHER_BASE, FINISHER_SIZE, FIELD(finisher), FIELD(finisher_lock), -1 },
	{ &flash_ops, FLASH_BASE, FLASH_SIZE, FIELD(flash), FIELD(flash_lock), -1 },
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

/*
 * The flash's wire. Made when first touched: most guests never do. Where the host has no read-only
 * memory each read stays an exit, with the same answer.
 */
static void show_flash(void *opaque, uint64_t offset)
{
	struct machine *machine = opaque;

	if (machine->erased.size == 0) {
		memory_create(&machine->erased, GPA(FLASH_BASE), FLASH_BLOCK);
		memset(machine->erased.host, 0xff, FLASH_BLOCK);
	}
	vm_add_rom(&machine->vm, FIRST_FLASH_SLOT + (unsigned)(offset / FLASH_BLOCK),
		   GPA(FLASH_BASE + offset), machine->erased.host, FLASH_BLOCK);
}

static void connect_wires(struct machine *machine, struct console *console)
{
	machine->uart = (struct pl011){
		.irq = { .set = vm_set_irq, .controller = &machine->vm, .number = UART_SPI },
		.timer = { .set = loop_set_timer, .clock = &machine->loop, .number = 0 },
		.transmit = console_transmit,
		.empty = console_empty,
		.line = console,
		.clock = UART_CLOCK,
	};
	machine->rtc = (struct pl031){
		.irq = { .set = vm_set_irq, .controller = &machine->vm, .number = RTC_SPI },
		.timer = { .set = loop_set_timer, .clock = &machine->loop, .number = 1 },
		.seconds = realtime_seconds,
	};
	machine->finisher = (struct finisher){ .finish = finish, .listener = &machine->run };
	machine->flash = (struct flash){ .show = show_flash, .listener = machine };
	console_connect(console, &machine->uart, &machine->uart_lock, &machine->run);
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
		bus_add(&machine->bus, (struct bus_region){ GPA(devices[i].base), devices[i].size,
							    devices[i].ops, device, lock });
	}
}

static void choose_features(struct machine *machine, const struct options *options)
{
	int fd = machine->vm.fd;

	machine->features = (struct cpu_features){
		.pmu = !options->no_pmu && kvm_capability(fd, KVM_CAP_ARM_PMU_V3),
		.sve = !options->no_sve && kvm_capability(fd, KVM_CAP_ARM_SVE),
		.pauth = !options->no_pauth && kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) &&
			 kvm_capability(fd, KVM_CAP_ARM_PTRAUTH_GENERIC),
	};
}

/* A mapping, since how many there are is known only now. */
static void create_cpus(struct machine *machine, const struct kvm_system *kvm, unsigned cpus)
{
	unsigned most = vm_most_cpus(&machine->vm);
	long mapping;

	if (cpus > most)
		die(STATUS_HOST,
		    "--cpus %u: this host's guests have at most %u with GICv%u; take fewer", cpus,
		    most, machine->vm.gic);
	mapping = sys_mmap(0, cpus * sizeof(struct vcpu), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapping < 0)
		die(STATUS_HOST, "--cpus %u: %s; take fewer", cpus, error_text((int)-mapping));
	machine->run.vcpus = (struct vcpu *)mapping;
	for (unsigned i = 0; i < cpus; i++)
		vcpu_create(&machine->run.vcpus[i], kvm, &machine->vm, i, &machine->features,
			    &machine->bus, &machine->memory, &machine->run);
	machine->run.cpus = cpus;
	vm_start_gic(&machine->vm);
	for (unsigned i = 0; machine->features.pmu && i < cpus; i++)
		vcpu_start_pmu(&machine->run.vcpus[i]);
}

void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options)
{
	*machine = (struct machine){ .run.end = RUNNING };
	vm_create(&machine->vm, kvm, GPA(RAM_BASE + options->memory));
	memory_create(&machine->memory, GPA(RAM_BASE), options->memory);
	vm_add_memory(&machine->vm, RAM_SLOT, machine->memory.base, machine->memory.host,
		      machine->memory.size);
	vm_create_gic(&machine->vm, (unsigned)options->gic);
	choose_features(machine, options);
	create_cpus(machine, kvm, (unsigned)options->cpus);
	loop_create(&machine->loop, &machine->run, console);
	connect_wires(machine, console);
	create_devices(machine, options->strict);
}

/* Every CPU's name in the device tree. */
static void read_affinities(const struct machine *machine, uint32_t *affinities)
{
	for (unsigned i = 0; i < machine->run.cpus; i++)
		affinities[i] = (uint32_t)vcpu_affinity(&machine->run.vcpus[i]);
}

/* Fresh for every start, as the bindings of /chosen want it. */
static void read_seed(uint8_t *seed, size_t size)
{
	long n = sys_getrandom(seed, size, 0);

	if (n != (long)size)
		die(STATUS_INTERNAL, "getrandom: %s", error_text(n < 0 ? (int)-n : EIO));
}

/* The tree that is filled in: the user's, or the bundled one for this interrupt controller. */
static const void *base_tree(const struct machine *machine, const struct options *options)
{
	struct payload file;

	if (!options->dtb)
		return machine->vm.gic == 2 ? bundled_dtb_gicv2 : bundled_dtb_gicv3;
	payload_open_file(&file, options->dtb);
	if (fdt_check_full(file.data, file.size) != 0)
		die(STATUS_PAYLOAD, "--dtb %.200s: is no device tree; make one with dtc",
		    options->dtb);
	return file.data;
}

#define PAGE                                                                                       \
	0x10000ull /* the largest a guest can have: what shares one with nothing else is aligned   \
		      so */

/* Puts the initrd, if there is one, at the end of RAM; its place goes to the values. */
static void load_initrd(const struct machine *machine, const struct options *options,
			struct placement payload, struct fdt_values *values)
{
	uint64_t ram_end = RAM_BASE + machine->memory.size;
	struct payload file;
	void *to = NULL;

	if (!options->initrd)
		return;
	payload_open_file(&file, options->initrd);
	if (file.size <= machine->memory.size) {
		values->initrd_start = (ram_end - file.size) & -PAGE;
		values->initrd_end = values->initrd_start + file.size;
		if (values->initrd_start >= payload.end.address)
			to = memory_at(&machine->memory, GPA(values->initrd_start), file.size);
	}
	if (!to)
		die(STATUS_PAYLOAD,
		    "--initrd %.200s: %lu bytes do not fit between payload, which ends at %#lx, and the "
		    "end of RAM at %#lx; give more --memory",
		    options->initrd, file.size, payload.end.address, ram_end);
	memcpy(to, file.data, file.size);
}

/* Builds the tree at this place, and ends the program if it cannot be. */
static int build_tree(const struct machine *machine, const struct options *options,
		      struct placement payload, gpa_t at)
{
	uint32_t affinities[FDT_MOST_CPUS];
	struct fdt_values values = {
		.memory_base = RAM_BASE,
		.memory_size = options->memory,
		.bootargs = options->append,
		.cpus = affinities,
		.cpu_count = machine->run.cpus,
		.has_pmu = machine->features.pmu,
		.is_users = options->dtb != NULL,
	};
	int result;

	load_initrd(machine, options, payload, &values);
	read_affinities(machine, affinities);
	read_seed(values.seed, sizeof values.seed);
	result = fdt_build(memory_at(&machine->memory, at, DTB_ROOM), DTB_ROOM,
			   base_tree(machine, options), &values);
	if (result == -FDT_ERR_NOSPACE)
		die(STATUS_USAGE,
		    "the device tree with --append (%lu bytes) has more than %u bytes; shorten it",
		    strlen(options->append), DTB_ROOM);
	if (result < 0)
		die(STATUS_INTERNAL, "device tree: %s", fdt_strerror(result));
	return result;
}

static void dump_tree(const char *name, const void *tree, int size)
{
	int fd = (int)sys_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int result = fd < 0 ? fd : write_all(fd, tree, (size_t)size);

	if (result < 0)
		die(STATUS_HOST, "--dump-dtb %.200s: %s", name, error_text(-result));
	sys_close(fd);
}

void machine_load(struct machine *machine, const struct payload *payload,
		  const struct options *options)
{
	struct placement placement = payload_load(payload, &machine->memory);
	/* Images made for `virt` that are no Linux look for the tree at the start of RAM. */
	gpa_t tree = GPA(RAM_BASE);
	int size = build_tree(machine, options, placement, tree);

	if (options->dump_dtb)
		dump_tree(options->dump_dtb, memory_at(&machine->memory, tree, (uint64_t)size),
			  size);
	vcpu_set_entry(&machine->run.vcpus[0], placement.entry, tree);
}

void machine_run(struct machine *machine)
{
	struct vcpu *vcpus = machine->run.vcpus;

	loop_start(&machine->loop);
	for (unsigned i = 1; i < machine->run.cpus; i++) {
		int result = thread_start(&vcpus[i].thread, vcpu_run, &vcpus[i]);

		if (result < 0)
			die(status_of_error(-result), "thread of CPU %u: %s; take fewer --cpus", i,
			    error_text(-result));
	}
	vcpu_run(&vcpus[0]);
	for (unsigned i = 1; i < machine->run.cpus; i++)
		thread_join(&vcpus[i].thread);
	loop_join(&machine->loop);
}

void machine_destroy(struct machine *machine)
{
	for (unsigned i = 0; i < machine->run.cpus; i++)
		vcpu_destroy(&machine->run.vcpus[i]);
	sys_munmap((uintptr_t)machine->run.vcpus, machine->run.cpus * sizeof(struct vcpu));
	loop_destroy(&machine->loop);
	vm_destroy(&machine->vm);
	memory_destroy(&machine->memory);
	if (machine->erased.size)
		memory_destroy(&machine->erased);
}
