// SPDX-License-Identifier: MIT
/*
 * Resumes a guest. Who calls it: main, before the guest runs, and again after each of its resets.
 * Touches the machine, and maps the file into its memory. The file may be anything: format.c has
 * checked its bounds, KVM and the devices check values.
 */
#include "resume.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "devices/virtio/block.h"
#include "save.h"
#include "vmm/host/clock.h"
#include "vmm/kvm/kvm_state.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <linux/mman.h>
#include <sys/mman.h>

/* Ends the program with what is wrong. With STATUS_HOST the snapshot does not fit its host, and the
 * advice is the same. */
static _Noreturn __attribute__((format(printf, 3, 4))) void
refuse(const struct resume *resume, enum status status, const char *format, ...)
{
	char what[320];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	die(status, "%.200s: %s%s", resume->file.name, what,
	    status == STATUS_HOST ? "; resume it on a host like that on which it was saved" : "");
}

/* ---- the file ---- */

bool resume_matches(const struct payload *file)
{
	return snapshot_matches(file->data, file->size);
}

const uint8_t *resume_read(const struct payload *file)
{
	uint64_t size = snapshot_state_size(file->data, file->size);
	const char *wrong = "is none, is cut, or has a damaged header";
	uint8_t *copy;

	if (size) {
		copy = pages_take(size, 0, file->name);
		memcpy(copy, file->data, size);
		/* The copy's header is what counts. */
		if (snapshot_state_size(copy, file->size) == size)
			wrong = snapshot_check(copy, file->size);
		if (!wrong)
			return copy;
	}
	die(STATUS_PAYLOAD, "%.200s: this snapshot %s", file->name, wrong);
}

static void verify(const struct resume *resume)
{
	const struct snapshot_header *header = (const struct snapshot_header *)resume->state;
	const struct snapshot_entry *entry = NULL;
	struct snapshot_extent extent;
	uint64_t checksum = 0;

	while (snapshot_next_extent(resume->state, &entry, &extent))
		for (uint64_t done = 0; done < extent.size; done += SNAPSHOT_PAGE)
			checksum += snapshot_page_checksum(
				extent.at + done, resume->file.data + extent.offset + done);
	if (checksum != header->ram_checksum)
		refuse(resume, STATUS_PAYLOAD,
		       "this snapshot's RAM or disk is damaged: the checksum is another");
}

/*
 * Makes a bundled snapshot's pages a private, writable mapping of the program's file, whose parts
 * can be moved to where the guest has them, and after a reset again: what is moved away comes back
 * from the file. Linux before 5.13 cannot do that; then they are copied.
 */
static void map_bundled(struct payload *file)
{
	long pages = sys_mremap((uintptr_t)file->data, file->size, file->size,
				MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);

	if (pages < 0 || sys_mprotect((uintptr_t)pages, file->size, PROT_READ | PROT_WRITE) < 0)
		file->backing = OWN_IMAGE;
	else
		file->data = (const uint8_t *)pages;
}

static const struct snapshot_entry *find(const struct resume *resume, uint32_t kind, uint64_t id)
{
	const struct snapshot_entry *entry = NULL;

	while ((entry = snapshot_next(resume->state, entry)))
		if (entry->kind == kind && entry->id == id)
			break;
	return entry;
}

/* ---- options ---- */

#define contradicts(option, format, ...)                                                           \
	die(STATUS_USAGE, "--" option ": the snapshot's machine has " format "; leave it out",     \
	    ##__VA_ARGS__)

/* An option that is as without the command line is no contradiction. */
static void fit_shape(const struct resume *resume, struct options *options)
{
	const struct snapshot_shape *shape = resume->shape;
	uint64_t el2 = shape->features / SNAPSHOT_EL2;
	struct options unsaid;

	options_default(&unsaid);
	if (options->memory != unsaid.memory && options->memory != shape->memory)
		contradicts("memory", "%lu MiB of RAM", shape->memory >> 20);
	if (options->cpus != unsaid.cpus && options->cpus != shape->cpus)
		contradicts("cpus", "%u CPUs", shape->cpus);
	if (options->gic != unsaid.gic && options->gic != shape->gic)
		contradicts("gic", "a GICv%u", shape->gic);
	if (options->el2 && options->el2 != el2)
		contradicts("el2", "%s EL2", el2 ? "another" : "no");
	if (options->dump_dtb || options->firmware ||
	    ((options->initrd || options->dtb || *options->append) &&
	     !(options->on_reset & RESET_BOOTS)))
		die(STATUS_USAGE, "--initrd, --dtb, --dump-dtb, --firmware and --append are for a "
				  "guest that boots: leave them out");
	if (options->variables && !find(resume, SNAPSHOT_VARIABLES, 0))
		die(STATUS_USAGE, "--variables: the snapshot's guest had none; leave it out");
	options->has_fw_cfg = find(resume, SNAPSHOT_DEVICE, FW_CFG_BASE);
	options->memory = shape->memory;
	options->cpus = shape->cpus;
	options->gic = shape->gic;
	options->el2 = el2;
	options->no_pmu = !(shape->features & SNAPSHOT_PMU);
	options->no_sve = !(shape->features & SNAPSHOT_SVE);
	options->no_pauth = !(shape->features & SNAPSHOT_PAUTH);
}

#define NETWORK 1 /* virtio's number */

/* virtio's numbers of the devices that options add; and the option, if the command line has to say
 * what is behind the device. */
static const struct {
	uint32_t type;
	enum device_kind kind;
	const char *option;
} kinds[] = {
	{ NETWORK, DEVICE_NET, "--net" },
	{ 2, DEVICE_DISK, "--disk" },
	{ 3, DEVICE_CONSOLE, NULL },
	{ 5, DEVICE_BALLOON, NULL },
};

/* The next device of this kind among the options; NULL: there are no more. */
static const struct device_option *next_device(const struct options *options, enum device_kind kind,
					       unsigned *at)
{
	while (*at < options->device_count)
		if (options->devices[(*at)++].kind == kind)
			return &options->devices[*at - 1];
	return NULL;
}

/* What a volatile disk held. */
static void find_disk(const struct resume *resume, unsigned slot, struct device_option *option)
{
	const struct snapshot_slot *was = &resume->shape->slots[slot];
	const struct snapshot_entry *entry = NULL;
	struct snapshot_extent extent = { 0 };

	while (snapshot_next_extent(resume->state, &entry, &extent))
		if (entry->kind == SNAPSHOT_DISK && entry->index == slot)
			break;
	if (!entry || extent.size / BLOCK_SECTOR < was->sectors ||
	    was->serial[sizeof was->serial - 1] != 0)
		refuse(resume, STATUS_PAYLOAD, "the disk in slot %u is not whole in it", slot);
	option->image = resume->file.data + extent.offset;
	option->image_size = was->sectors * BLOCK_SECTOR;
	option->serial = (const char *)was->serial;
}

/* A device that needs no option, because all that it has is in the snapshot. */
static struct device_option saved_device(const struct resume *resume, unsigned slot,
					 enum device_kind kind)
{
	uint32_t flags = resume->shape->slots[slot].flags;
	struct device_option option = {
		.kind = kind,
		.file = resume->file.name,
		.legacy = flags & SNAPSHOT_LEGACY,
		.read_only = flags & SNAPSHOT_READ_ONLY,
		.is_volatile = flags & SNAPSHOT_VOLATILE,
	};

	if (flags & SNAPSHOT_VOLATILE)
		find_disk(resume, slot, &option);
	return option;
}

/*
 * The devices that the guest knows, in its order. Disks and networks are those that the command
 * line names, in that order; what else there is needs no option.
 */
static void fit_devices(const struct resume *resume, struct options *options)
{
	const struct options said = *options;
	unsigned at[ARRAY_SIZE(kinds)] = { 0 };

	options->device_count = 0;
	for (unsigned i = 0; i < MAX_DEVICES; i++) {
		const struct snapshot_slot *slot = &resume->shape->slots[i];
		struct device_option *device = &options->devices[options->device_count];
		const struct device_option *next = NULL;

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			const char *option =
				slot->flags & SNAPSHOT_VOLATILE ? NULL : kinds[k].option;

			if (kinds[k].type != slot->type)
				continue;
			if (option)
				next = next_device(&said, kinds[k].kind, &at[k]);
			if (option && !next)
				refuse(resume, STATUS_USAGE,
				       "its guest has a device in slot %u that %s has to name", i,
				       option);
			*device = next ? *next : saved_device(resume, i, kinds[k].kind);
			options->device_count++;
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (kinds[k].option && next_device(&said, kinds[k].kind, &at[k]))
			refuse(resume, STATUS_USAGE,
			       "its guest has fewer devices than %s options (volatile "
			       "disks are in it)",
			       kinds[k].option);
}

void resume_open(struct resume *resume, const struct payload *file, struct options *options)
{
	*resume = (struct resume){
		.file = *file,
		.state = resume_read(file),
		.is_real_time = options->clock & CLOCK_REAL,
		.is_forced = options->force,
	};
	resume->shape = snapshot_shape_of(resume->state);
	if (file->backing == BUNDLED)
		map_bundled(&resume->file);
	if (options->verify)
		verify(resume);
	fit_shape(resume, options);
	fit_devices(resume, options);
}

/* ---- the machine ---- */

static void check_slot(const struct resume *resume, unsigned i, const struct snapshot_slot *is)
{
	const struct snapshot_slot *was = &resume->shape->slots[i];

	/* A disk may have become volatile. */
	if (is->type != was->type || (is->flags ^ was->flags) & ~(uint32_t)SNAPSHOT_VOLATILE)
		refuse(resume, STATUS_USAGE,
		       "another device was in virtio slot %u: give the same options "
		       "(ro, legacy)",
		       i);
	if (is->sectors != was->sectors)
		refuse(resume, STATUS_USAGE, "the disk in slot %u has %lu sectors, and had %lu", i,
		       is->sectors, was->sectors);
	if (memcmp(is->serial, was->serial, sizeof is->serial) == 0)
		return;
	if (is->type == NETWORK)
		refuse(resume, STATUS_USAGE,
		       "the network in slot %u has another address; add "
		       "mac=%02x:%02x:%02x:%02x:%02x:%02x",
		       i, was->serial[0], was->serial[1], was->serial[2], was->serial[3],
		       was->serial[4], was->serial[5]);
	refuse(resume, STATUS_USAGE, "the disk in slot %u has another serial number", i);
}

static void check_shape(const struct resume *resume, const struct machine *machine)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} features[] = {
		{ SNAPSHOT_PMU, "performance counters" },
		{ SNAPSHOT_SVE, "scalable vectors" },
		{ SNAPSHOT_PAUTH, "pointer authentication" },
		{ SNAPSHOT_STOLEN_TIME, "stolen time" },
	};
	const struct snapshot_shape *was = resume->shape;
	struct snapshot_shape is;

	snapshot_describe(machine, &is);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (was->features & ~is.features & features[i].bit)
			refuse(resume, STATUS_HOST, "its CPUs have %s, which this host's have not",
			       features[i].name);
	if (was->frequency != is.frequency)
		refuse(resume, STATUS_HOST, "its counter runs at %lu Hz, this host's at %lu Hz",
		       was->frequency, is.frequency);
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		check_slot(resume, i, &is.slots[i]);
}

/* A disk must be as it was, whether another has written to it meanwhile, or the guest itself, which
 * goes back. */
static void check_unchanged(const struct resume *resume, const struct disk *disk, uint64_t then)
{
	if (!resume->is_forced &&
	    (disk->is_changed || (then && disk->changed_at && then != disk->changed_at)))
		refuse(resume, STATUS_USAGE,
		       "the disk %.200s was written after the guest was saved; take "
		       "it as it was, or --force (for a reset: ,volatile or --on-reset=boot)",
		       disk->name);
}

/* What is in the file is in the flash of the snapshot. */
static void check_variables(const struct resume *resume, const struct disk *file)
{
	const struct snapshot_entry *entry = find(resume, SNAPSHOT_VARIABLES, 0);
	struct snapshot_variables was;

	if (!file || !entry || entry->size != sizeof was)
		return;
	memcpy(&was, snapshot_bytes(entry), sizeof was);
	if (was.size != file->size)
		die(STATUS_USAGE, "--variables %.200s: has %lu bytes, and had %lu", file->name,
		    file->size, was.size);
	check_unchanged(resume, file, was.changed);
}

/* What the guest has written to a volatile disk is forgotten. */
static void restore_disks(const struct resume *resume, struct machine *machine)
{
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
		struct disk_device *device = snapshot_disk(&machine->virtio[i]);
		uint64_t then = resume->shape->slots[i].changed;

		if (!device)
			continue;
		check_unchanged(resume, &device->disk, then);
		if (!device->disk.is_volatile)
			continue;
		lock_acquire(device->lock);
		disk_drop_overlay(&device->disk);
		lock_release(device->lock);
	}
}

/* Maps an extent over the guest's memory. If there is no file it is copied, and for a guest with
 * EL2: KVM has the pages of a mapping read-only until they are written (save_ask in save.c). */
static void load_extent(const struct resume *resume, struct machine *machine,
			const struct snapshot_entry *entry)
{
	struct snapshot_extent extent;
	void *to;
	long result;

	memcpy(&extent, snapshot_bytes(entry), sizeof extent);
	if (extent.at < RAM_BASE)
		to = machine->flash_storage + (extent.at - FLASH_BASE);
	else
		to = memory_at(&machine->memory, GPA(extent.at), extent.size);
	if (resume->file.backing == OWN_IMAGE || machine->features.el2) {
		memcpy(to, resume->file.data + extent.offset, extent.size);
		return;
	}
	if (resume->file.backing == BUNDLED)
		result = sys_mremap((uintptr_t)resume->file.data + extent.offset, extent.size,
				    extent.size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
				    (uintptr_t)to);
	else
		result = sys_mmap((uintptr_t)to, extent.size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_FIXED, resume->file.fd, extent.offset);
	if (result < 0)
		die(STATUS_HOST, "%.200s: cannot be mapped: %s", resume->file.name,
		    error_text((int)-result));
	machine->memory.has_file_pages = true;
}

/* Before its extents: what else is in the flash's blocks is zero. It outlasts a reset, but not one
 * to a snapshot. */
static void clear_flash(const struct resume *resume, struct machine *machine)
{
	for (unsigned i = 0; i < ARRAY_SIZE(machine->banks); i++)
		machine->banks[i].written = (uint32_t)(resume->shape->flash >> i * FLASH_BLOCKS);
	for (uint64_t i = 0; i < FLASH_SIZE / FLASH_BLOCK; i++) {
		uint8_t *block = machine->flash_storage + i * FLASH_BLOCK;

		long result;

		if (!(resume->shape->flash >> i & 1))
			continue;
		result = sys_mmap((uintptr_t)block, FLASH_BLOCK, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (result < 0)
			die(STATUS_HOST, "%.200s: cannot be mapped: %s", resume->file.name,
			    error_text((int)-result));
	}
}

/* A guest may go on in its flash, which it can only execute where it is mapped. */
static void map_flash(struct machine *machine)
{
	for (unsigned i = 0; i < ARRAY_SIZE(machine->banks); i++)
		for (uint64_t block = 0; block < FLASH_BLOCKS; block++)
			if (machine->banks[i].written >> block & 1 &&
			    flash_reads_array(&machine->banks[i].flash))
				(void)flash_map_block(&machine->banks[i].flash,
						      block * FLASH_BLOCK);
}

static void load_stolen(const struct resume *resume, struct machine *machine,
			const struct snapshot_entry *entry)
{
	(void)resume;
	if (machine->stolen_time && entry->size == STEAL_SIZE)
		memcpy(machine->stolen_time, snapshot_bytes(entry), STEAL_SIZE);
}

static void load_device(const struct resume *resume, struct machine *machine,
			const struct snapshot_entry *entry)
{
	struct bus_region *region = bus_find(&machine->bus, GPA(entry->id), 1);
	bool is_valid = region && region->base.address == entry->id &&
			device_state_size(region->ops) == entry->size;

	if (is_valid) {
		lock_acquire(&region->lock);
		is_valid = device_load(region->ops, region->device, snapshot_bytes(entry));
		lock_release(&region->lock);
	}
	if (!is_valid)
		refuse(resume, STATUS_PAYLOAD, "the state of the device at %#lx is not valid here",
		       entry->id);
}

static void load_fw_cfg(const struct resume *resume, struct machine *machine,
			const struct snapshot_entry *entry)
{
	struct snapshot_extent extent;

	memcpy(&extent, snapshot_bytes(entry), sizeof extent);
	if (entry->index >= FW_CFG_FILES || entry->id > extent.size || entry->id > UINT32_MAX)
		refuse(resume, STATUS_PAYLOAD, "a file of fw_cfg of %lu bytes, which cannot be",
		       entry->id);
	machine->fw_cfg.files[entry->index].bytes = resume->file.data + extent.offset;
	machine->fw_cfg.files[entry->index].size = (uint32_t)entry->id;
}

/* A register that says what the CPU is. */
static void check_cpu(const struct resume *resume, struct machine *machine,
		      const struct snapshot_entry *entry)
{
	_Alignas(uint64_t) uint8_t bytes[STATE_VALUE_MAX];
	uint64_t is = 0, was = 0;
	size_t size = entry->size < sizeof is ? entry->size : sizeof is;

	if (entry->size > sizeof bytes)
		refuse(resume, STATUS_PAYLOAD, "a register of %u bytes", entry->size);
	memset(bytes, 0, entry->size);
	if (state_get_register(&machine->run.vcpus[0], entry->id, bytes) < 0)
		refuse(resume, STATUS_HOST,
		       "its CPUs have a register, %#lx of KVM's, which this host's lack",
		       entry->id);
	if (memcmp(bytes, snapshot_bytes(entry), entry->size) == 0)
		return;
	memcpy(&was, snapshot_bytes(entry), size);
	memcpy(&is, bytes, size);
	refuse(resume, STATUS_HOST,
	       "its CPUs are others: their register %#lx of KVM's is %#lx, this host's %#lx",
	       entry->id, was, is);
}

/* The physical timer compares with the host's counter, which only a guest with EL2 can take along:
 * what is left of it stays the same. */
static void shift_physical_timer(const struct resume *resume, struct state_value *value)
{
	uint64_t compare;

	memcpy(&compare, value->bytes, sizeof compare);
	compare += counter_value() - resume->shape->physical;
	memcpy(value->bytes, &compare, sizeof compare);
}

static void load_kvm(const struct resume *resume, struct machine *machine,
		     const struct snapshot_entry *entry)
{
	struct state_value value;
	int result;

	/* No initializer, which would clear all of its bytes: there are hundreds of values. */
	value.kind = (enum state_kind)(entry->kind - SNAPSHOT_KVM);
	value.cpu = entry->index;
	value.number = entry->id;
	value.size = entry->size;
	if (value.cpu >= machine->run.cpus || value.size > sizeof value.bytes)
		refuse(resume, STATUS_PAYLOAD, "a value of %u bytes of CPU %u, which cannot be",
		       value.size, value.cpu);
	memcpy(value.bytes, snapshot_bytes(entry), value.size);
	if (value.kind == STATE_REGISTER && value.number == KVM_REG_ARM_PTIMER_CVAL &&
	    value.size == sizeof(uint64_t) && !machine->features.el2)
		shift_physical_timer(resume, &value);
	result = state_set(&machine->vm, machine->run.vcpus, &value);
	if (result < 0)
		refuse(resume, STATUS_HOST, "%s %#lx of CPU %u cannot be set: %s",
		       value.kind == STATE_GIC ? "register of the interrupt controller"
					       : "register",
		       value.number, value.cpu, error_text(-result));
}

static void load_entry(const struct resume *resume, struct machine *machine,
		       const struct snapshot_entry *entry)
{
	switch (entry->kind) {
	case SNAPSHOT_SHAPE:
	case SNAPSHOT_DISK: /* is there already */
	case SNAPSHOT_VARIABLES:
		break;
	case SNAPSHOT_FW_CFG:
		load_fw_cfg(resume, machine, entry);
		break;
	case SNAPSHOT_EXTENT:
		load_extent(resume, machine, entry);
		break;
	case SNAPSHOT_STOLEN:
		load_stolen(resume, machine, entry);
		break;
	case SNAPSHOT_DEVICE:
		load_device(resume, machine, entry);
		break;
	case SNAPSHOT_CPU_IS:
		if (!resume->fits)
			check_cpu(resume, machine, entry);
		break;
	case SNAPSHOT_KVM + STATE_GIC:
	case SNAPSHOT_KVM + STATE_REGISTER:
	case SNAPSHOT_KVM + STATE_POWER:
	case SNAPSHOT_KVM + STATE_EVENTS:
		load_kvm(resume, machine, entry);
		break;
	default:
		refuse(resume, STATUS_PAYLOAD, "its state has something unknown, of kind %u",
		       entry->kind);
	}
}

void resume_prepare(const struct resume *resume, struct machine *machine)
{
	machine->needs_stolen_time = resume->shape->features & SNAPSHOT_STOLEN_TIME;
}

/* With --clock=real: the seconds since the snapshot was made; none if the host's clock is behind.
 */
static void catch_up(const struct resume *resume)
{
	uint64_t now = clock_realtime_seconds(), then = resume->shape->seconds;

	if (resume->is_real_time && now > then && now - then < UINT64_MAX / NS_PER_S)
		clock_jump((now - then) * NS_PER_S);
}

/* Lines that devices hold high, once the interrupt controller knows which are enabled. Then devices
 * are told, which may raise more of them. */
static void wake_devices(struct machine *machine)
{
	for (unsigned i = 0; i < machine->bus.count; i++) {
		struct bus_region *region = &machine->bus.regions[i];

		if (region->spi && ((const struct wires *)region->device)->irq.level)
			state_raise_again(&machine->vm, region->spi);
		if (region->slot < 0)
			continue;
		lock_acquire(&region->lock);
		virtio_resumed(region->device);
		lock_release(&region->lock);
	}
	console_resumed(machine->console);
}

/* The guest's time first: devices' timers are set by it. Devices before the interrupt controller:
 * a line that is still level-sensitive leaves nothing pending. */
void resume_load(struct resume *resume, struct machine *machine)
{
	const struct snapshot_entry *entry = NULL;
	int result;

	check_shape(resume, machine);
	check_variables(resume, machine->variables);
	restore_disks(resume, machine);
	clear_flash(resume, machine);
	clock_resume(resume->shape->counter);
	while ((entry = snapshot_next(resume->state, entry)))
		load_entry(resume, machine, entry);
	result = state_read_tables(&machine->vm, memory_dma_map, &machine->memory);
	if (result < 0)
		refuse(resume, STATUS_HOST, "the tables of its LPIs cannot be read: %s",
		       error_text(-result));
	resume->fits = true;
	wake_devices(machine);
	random_bytes(machine->vmgenid.id, VMGENID_SIZE);
	vmgenid_changed(&machine->vmgenid);
	catch_up(resume);
	map_flash(machine);
}
