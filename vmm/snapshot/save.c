// SPDX-License-Identifier: MIT
/*
 * Saves the guest: memory while it runs (passes.c), then the rest of that and the state in a pause,
 * in which no vCPU is in the guest and the guest's time stands still. Who calls it: main; the event
 * loop's thread, by a timer and in pauses. Touches the file; reads the machine.
 */
#include "save.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "devices/virtio/block.h"
#include "vmm/host/clock.h"
#include "vmm/kvm/kvm_state.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <sys/mman.h>

/* Room for the state of a machine: of each CPU up to 1,024 registers. Pages that are not needed are
 * never touched. */
#define ROOM (1ul << 20)
#define ROOM_PER_CPU (320ul << 10)

/* ---- state ---- */

static void add_value(struct snapshot_writer *writer, uint32_t kind,
		      const struct state_value *value)
{
	memcpy(snapshot_add(writer, kind, value->cpu, value->number, value->size), value->bytes,
	       value->size);
}

static void add_fresh(void *save, const struct state_value *value)
{
	add_value(&((struct save *)save)->fresh, SNAPSHOT_KVM + (uint32_t)value->kind, value);
}

/* Without those that are zero: the CPU has nothing of what they are about, and a guest misses
 * nothing if it has. They are the most, and each takes a resume a call. */
static void add_identity(void *writer, const struct state_value *value)
{
	if (!snapshot_is_zero(value->bytes,
			      value->size < sizeof(uint64_t) ? sizeof(uint64_t) : value->size))
		add_value(writer, SNAPSHOT_CPU_IS, value);
}

/* A walk through the fresh values beside the present ones: they come in the same order. */
struct comparison {
	struct snapshot_writer *writer;
	const void *fresh;
	const struct snapshot_entry *entry;
};

static void add_if_changed(void *opaque, const struct state_value *value)
{
	struct comparison *comparison = opaque;
	const struct snapshot_entry *fresh = snapshot_next(comparison->fresh, comparison->entry);
	uint32_t kind = SNAPSHOT_KVM + (uint32_t)value->kind;

	if (fresh && fresh->kind == kind && fresh->index == value->cpu &&
	    fresh->id == value->number && fresh->size == value->size) {
		comparison->entry = fresh;
		if (memcmp(snapshot_bytes(fresh), value->bytes, value->size) == 0)
			return;
	}
	add_value(comparison->writer, kind, value);
}

/* A bit for each shared interrupt whose line is high. */
static uint64_t high_lines(const struct machine *machine)
{
	uint64_t high = 0;

	for (unsigned i = 0; i < machine->bus.count; i++) {
		const struct irq_line *line =
			&((const struct wires *)machine->bus.regions[i].device)->irq;

		if (machine->bus.regions[i].spi && line->level)
			high |= 1ull << machine->bus.regions[i].spi;
	}
	return high;
}

#define NETWORK 1  /* virtio's number */
#define MAC_SIZE 6 /* bytes, the first of its config space (virtio 1.2, 5.1.4) */

struct disk_device *snapshot_disk(const struct virtio_slot *slot)
{
	return slot->ops == &virtio_block_ops ? (struct disk_device *)slot->device : NULL;
}

static void describe_slot(const struct virtio_slot *slot, struct snapshot_slot *to)
{
	const struct disk_device *disk = snapshot_disk(slot);

	if (!slot->device->type)
		return;
	to->type = slot->device->type->id;
	to->flags = slot->device->legacy ? SNAPSHOT_LEGACY : 0;
	if (to->type == NETWORK)
		memcpy(to->serial, slot->device->config, MAC_SIZE);
	if (!disk)
		return;
	to->flags |= (disk->disk.read_only ? SNAPSHOT_READ_ONLY : 0) |
		     (disk->disk.is_volatile ? SNAPSHOT_VOLATILE : 0);
	to->sectors = disk->block.disk.sectors;
	memcpy(to->serial, disk->block.disk.serial, sizeof disk->block.disk.serial);
}

void snapshot_describe(const struct machine *machine, struct snapshot_shape *shape)
{
	*shape = (struct snapshot_shape){
		.memory = machine->memory.size,
		.cpus = machine->run.cpus,
		.gic = machine->vm.gic,
		.features = (machine->features.pmu ? SNAPSHOT_PMU : 0) |
			    (machine->features.sve ? SNAPSHOT_SVE : 0) |
			    (machine->features.pauth ? SNAPSHOT_PAUTH : 0) |
			    (machine->stolen_time ? SNAPSHOT_STOLEN_TIME : 0) |
			    (uint32_t)machine->options->el2 * SNAPSHOT_EL2,
		.flash = machine->banks[0].written | (uint64_t)machine->banks[1].written
							     << FLASH_BLOCKS,
		.frequency = counter_frequency(),
	};
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		describe_slot(&machine->virtio[i], &shape->slots[i]);
}

static void add_shape(struct snapshot_writer *writer, const struct machine *machine)
{
	struct snapshot_shape *shape = snapshot_add(writer, SNAPSHOT_SHAPE, 0, 0, sizeof *shape);

	snapshot_describe(machine, shape);
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
		const struct disk_device *disk = snapshot_disk(&machine->virtio[i]);

		if (disk && !disk->disk.is_volatile)
			shape->slots[i].changed = disk_changed_at(&disk->disk);
	}
	shape->counter = clock_guest_counter();
	shape->physical = counter_value();
	shape->seconds = clock_realtime_seconds();
}

static void add_devices(struct snapshot_writer *writer, struct machine *machine)
{
	for (unsigned i = 0; i < machine->bus.count; i++) {
		struct bus_region *region = &machine->bus.regions[i];
		size_t size = device_state_size(region->ops);

		if (!size)
			continue;
		lock_acquire(&region->lock);
		device_save(region->ops, region->device,
			    snapshot_add(writer, SNAPSHOT_DEVICE, 0, region->base.address,
					 (uint32_t)size));
		lock_release(&region->lock);
	}
}

/* All but the memory. */
static void add_state(struct save *save)
{
	struct snapshot_writer *writer = &save->state;
	struct machine *machine = save->machine;
	struct comparison comparison = { .writer = writer, .fresh = save->fresh.bytes };
	uint64_t high;

	snapshot_begin(writer, writer->bytes, writer->size);
	add_shape(writer, machine);
	state_get_identity(&machine->run.vcpus[0], add_identity, writer);
	if (machine->stolen_time)
		memcpy(snapshot_add(writer, SNAPSHOT_STOLEN, 0, 0, STEAL_SIZE),
		       machine->stolen_time, STEAL_SIZE);
	add_devices(writer, machine);
	if (machine->variables)
		*(struct snapshot_variables *)snapshot_add(writer, SNAPSHOT_VARIABLES, 0, 0,
							   sizeof(struct snapshot_variables)) =
			(struct snapshot_variables){ disk_changed_at(machine->variables),
						     machine->variables->size };
	high = high_lines(machine);
	state_get(&machine->vm, machine->run.vcpus, machine->run.cpus, high, add_if_changed,
		  &comparison);
}

/* Adds the extents. */
static void add_extents(struct snapshot_writer *writer, const struct passes *passes)
{
	for (unsigned i = 0; i < passes->count; i++)
		memcpy(snapshot_add(writer, SNAPSHOT_EXTENT, 0, 0, sizeof *passes->extents),
		       &passes->extents[i], sizeof *passes->extents);
}

/* ---- the file ---- */

static const struct snapshot_header no_header;

/* Where memory starts in the file: behind all that the state can be. Of KVM's values some will be
 * the same as those of a new machine; what is neither theirs nor stolen time takes a fraction of
 * this. */
#define ROOM_IN_FILE (48ul << 10)
static uint64_t room_for_state(const struct save *save)
{
	uint64_t room = save->fresh.used + ROOM_IN_FILE;

	if (save->machine->stolen_time)
		room += STEAL_SIZE;
	return (room + SNAPSHOT_ALIGN - 1) & -SNAPSHOT_ALIGN;
}

/* What is cut off before it is complete is no snapshot: a device's header is removed first, unless
 * it is known already that the new one has no room. */
static int open_file(struct save *save)
{
	struct passes *passes = &save->passes;
	struct saver *saver = &save->saver;
	bool is_device = saver->size != UINT64_MAX; /* it cannot be cut, and has no holes */
	int fd = saver_begin(saver), result = 0;

	if (fd < 0)
		return fd;
	if (passes->end + save_disks_size(save->machine) > saver->size)
		return -ENOSPC;
	passes_set_file(passes, fd, !is_device, saver_keep(saver, passes->kept_end));
	if (is_device)
		result = saver_write(fd, &no_header, sizeof no_header, 0);
	if (result == 0 && is_device)
		result = (int)sys_fdatasync(fd);
	save->is_open = true;
	return result;
}

/* When the state is complete. */
static uint64_t file_size(const struct save *save)
{
	return ((const struct snapshot_header *)save->state.bytes)->file_size;
}

/* The header last. */
static int write_state(struct save *save)
{
	const struct passes *passes = &save->passes;
	const struct snapshot_writer *writer = &save->state;
	int result;

	result = saver_write(passes->fd, writer->bytes + sizeof no_header,
			     writer->used - sizeof no_header, sizeof no_header);
	if (result == 0 && passes->has_holes) /* it may end with one */
		result = (int)sys_ftruncate(passes->fd, file_size(save));
	if (result == 0)
		result = (int)sys_fdatasync(passes->fd);
	if (result == 0)
		result = saver_write(passes->fd, writer->bytes, sizeof no_header, 0);
	return result == 0 ? saver_commit(&save->saver) : result;
}

/* ---- when ---- */

static bool can_be_saved(const struct save *save)
{
	const struct machine *machine = save->machine;

	return state_is_available(&machine->vm, machine->run.vcpus, machine->run.cpus);
}

/* It is over, with success or without: nothing is left of it, but for the file. */
static void close_save(struct save *save, bool is_complete)
{
	passes_end(&save->passes, is_complete);
	save->phase = SAVE_IDLE;
}

static void give_up(struct save *save, const char *why)
{
	saver_abort(&save->saver);
	report("--save %.200s: %s; the guest is not saved", save->saver.name, why);
	__atomic_store_n(&save->wanted, 0, __ATOMIC_RELAXED);
	close_save(save, false);
}

/* The guest's state is taken, and may change again: the file becomes a snapshot. */
static void complete(struct save *save)
{
	int result = write_state(save);

	if (result < 0) {
		give_up(save, error_text(-result));
		return;
	}
	report("saved to %.200s: %lu KiB, of which %lu KiB were written in %u passes, the last of "
	       "%lu KiB; the guest stood still for %lu us",
	       save->saver.name, file_size(save) >> 10, save->passes.written >> 10,
	       save->passes_made, save->last_pass >> 10, save->stood / (NS_PER_S / 1000000));
	close_save(save, true);
	if (save->ends)
		run_end(&save->machine->run, ENDED_BY_USER, STATUS_PASS);
}

/* With all CPUs paused. */
static int begin(struct save *save, bool is_live)
{
	save->phase = SAVE_PASSES;
	save->is_open = false;
	save->stood = 0;
	save->passes_made = 1;
	save->pages = UINT64_MAX;
	return passes_begin(&save->passes, room_for_state(save), is_live);
}

/* With all CPUs paused: the rest of memory, and the state. */
static int take_guest(struct save *save)
{
	struct passes *passes = &save->passes;
	int result = save->phase == SAVE_IDLE ? begin(save, false) : 0;
	uint64_t written = passes->written, end, checksum;

	if (result == 0) /* before the first look at memory, which they are in */
		result = state_write_tables(&save->machine->vm);
	while (result >= 0 && passes->is_scanning)
		result = passes_step(passes);
	if (result >= 0 && !save->is_open)
		result = open_file(save);
	if (result >= 0)
		result = passes_finish(passes);
	if (result < 0)
		return result;
	save->last_pass = passes->written - written;
	add_state(save);
	add_extents(&save->state, passes);
	end = passes->end;
	checksum = passes->checksum;
	result = save_disks(&save->state, passes, &end, &checksum);
	if (result < 0)
		return result;
	snapshot_finish(&save->state, end, checksum);
	return save->state.used <= passes->start ? 0 : -EFBIG;
}

/* A struct machine_saver's `ask`. A guest that does not go on here afterwards has no use for going
 * on meanwhile. One with EL2 stands still, too: on Linux 7.3 it does not get on once KVM has made a
 * page read-only to log writes to it, and it writes there. */
static void save_ask(void *opaque, bool now)
{
	struct save *save = opaque;

	now |= save->ends || save->machine->features.el2;
	__atomic_fetch_or(&save->wanted, now ? SAVE_NOW : SAVE_SOON, __ATOMIC_RELEASE);
	run_ask_pause(&save->machine->run);
}

#define SLICE (1ul << 20) /* bytes that are handled before other things have their turn */
#define STEPS 128	  /* and parts of a pass that are looked at */
#define MAX_PASSES 8
#define FEW 64 /* pages: the last pass takes less than stopping the guest for it */

/* While the guest runs, after a pass. Is it worth another one? The guest may write as fast as
 * passes are made. */
static int end_pass(struct save *save)
{
	long pages = passes_next(&save->passes);
	bool is_last = pages <= FEW || (uint64_t)pages > save->pages - save->pages / 4;

	if (pages < 0)
		return (int)pages;
	save->pages = (uint64_t)pages;
	if (++save->passes_made == MAX_PASSES || is_last)
		save_ask(save, true);
	return 0;
}

/* A slice of a pass. What it has written is on the medium at the end, so that no later turn waits
 * longer for that. */
static int do_slice(struct save *save)
{
	struct passes *passes = &save->passes;
	uint64_t handled = passes->handled, written = passes->written;
	int result = 1;

	for (unsigned i = 0; i < STEPS && result > 0 && passes->handled - handled < SLICE; i++) {
		if (!passes->is_scanning && !save->is_open)
			result = open_file(save);
		if (result >= 0)
			result = passes_step(passes);
	}
	if (result == 0)
		result = end_pass(save);
	if (result >= 0 && passes->written != written)
		result = (int)sys_fdatasync(passes->fd);
	return result;
}

static uint32_t wishes(const struct save *save)
{
	return __atomic_load_n(&save->wanted, __ATOMIC_ACQUIRE);
}

/* The timer's: it expires in each turn of the event loop while memory is written, and when the
 * guest's state was taken. */
static void work(void *opaque)
{
	struct save *save = opaque;
	int result;

	if (!run_goes_on(&save->machine->run))
		return; /* save_run_is_over is next */
	if (save->phase == SAVE_TAKEN) {
		complete(save);
	} else if (save->phase == SAVE_PASSES && !(wishes(save) & SAVE_NOW)) {
		result = do_slice(save);
		if (result < 0)
			give_up(save, error_text(-result));
		else if (!(wishes(save) & SAVE_NOW))
			loop_set_timer(&save->timer, 0, 0);
	}
	loop_was_busy(&save->machine->run.loop);
}

void save_run_is_over(struct save *save)
{
	if (save->phase == SAVE_TAKEN)
		complete(save);
	else if (save->phase != SAVE_IDLE)
		give_up(save, "the guest has ended, or was reset, before that");
	save->stands_since = 0;
}

/* ---- who asks ---- */

static void on_user_signal(void *save)
{
	save_ask(save, false);
}

static void take_or_begin(struct save *save, bool takes)
{
	int result;

	if (!can_be_saved(save)) {
		give_up(save, "the guest uses its physical timer, whose state only a host kernel "
			      "of 6.4 or later gives");
		return;
	}
	result = takes ? take_guest(save) : begin(save, true);
	if (result < 0) {
		give_up(save, error_text(-result));
		return;
	}
	if (takes)
		save->phase = SAVE_TAKEN;
}

/* PSCI's SYSTEM_SUSPEND (Arm DEN 0022, 5.20) may be called while all other CPUs are off. Who calls
 * it is saved as woken up, and wakes up here at once. Returns whether anybody is. */
static bool wake_callers(const struct run *run)
{
	bool wakes = false;

	for (unsigned i = 0; i < run->cpus; i++) {
		if (!run->vcpus[i].suspends)
			continue;
		wakes = true;
		for (unsigned other = 0; other < run->cpus; other++)
			wakes = wakes && (other == i || vcpu_is_off(&run->vcpus[other]));
		vcpu_answer_suspend(&run->vcpus[i], wakes);
	}
	return wakes;
}

/* The user's wish begins passes, and what they end with is the same whoever has wished meanwhile.
 * The guest's is to be saved where it stands. False: the pause has to go on, for a disk is at work.
 */
static bool answer_wishes(struct save *save)
{
	uint32_t wanted = wishes(save);
	bool takes = wanted & SAVE_NOW;

	if (save->phase == SAVE_TAKEN && wanted)
		complete(save);
	if (!takes && !(wanted && save->phase == SAVE_IDLE))
		return true;
	if (takes && !machine_settle(save->machine))
		return false;
	if (takes)
		__atomic_store_n(&save->wanted, 0, __ATOMIC_RELAXED);
	take_or_begin(save, takes);
	return true;
}

/* A struct machine_saver's `at_pause`. */
static bool save_at_pause(void *opaque)
{
	struct save *save = opaque;
	struct run *run = &save->machine->run;

	if (!run_goes_on(run))
		return true;
	if (!save->stands_since)
		save->stands_since = clock_host_ns();
	if (wake_callers(run))
		__atomic_fetch_or(&save->wanted, SAVE_NOW, __ATOMIC_RELAXED);
	if (!answer_wishes(save))
		return false;
	save->stood += clock_host_ns() - save->stands_since;
	save->stands_since = 0;
	/* It shall not go on elsewhere and here. */
	if (save->ends && save->phase == SAVE_TAKEN)
		complete(save);
	if (save->phase != SAVE_IDLE)
		loop_set_timer(&save->timer, 0, 0);
	return true;
}

/* ---- the whole ---- */

void save_open(struct save *save, const char *name, bool ends, bool sandboxed)
{
	*save = (struct save){ .ends = ends };
	saver_open(&save->saver, name, sandboxed);
}

void save_attach(struct save *save, struct machine *machine)
{
	size_t room = ROOM + machine->run.cpus * ROOM_PER_CPU;

	if (!save->machine) {
		save->fresh.bytes = pages_take(room, MAP_NORESERVE, "--save");
		save->fresh.size = room;
		save->state.bytes = pages_take(room, MAP_NORESERVE, "--save");
		save->state.size = room;
		save->machine = machine;
		passes_create(&save->passes, machine);
		save->timer = (struct loop_timer){
			.expire = work, .context = save, .lock = &save->lock, .is_host_time = true
		};
		loop_add_timer(&machine->run.loop, &save->timer);
		machine->saver = (struct machine_saver){ .ask = save_ask,
							 .at_pause = save_at_pause,
							 .context = save };
		vcpu_watch_user_signal(on_user_signal, save);
	}
	vm_take_suspend(&machine->vm);
	snapshot_begin(&save->fresh, save->fresh.bytes, save->fresh.size);
	state_get(&machine->vm, machine->run.vcpus, machine->run.cpus, 0, add_fresh, save);
	snapshot_finish(&save->fresh, 0, 0);
}
