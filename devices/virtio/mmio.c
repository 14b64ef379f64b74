// SPDX-License-Identifier: MIT
/*
 * The virtio MMIO transport (virtio 1.2; sections cited below are of that document).
 *
 * Who calls it: the bus, by the ops of each type of device; the types of devices. Touches the
 * device's struct, its queues in guest memory, and its interrupt line.
 */
#include "mmio.h"

/* Offsets of the registers (4.2.2); those marked legacy are of version 1 only (4.2.4). */
#define MAGIC_VALUE 0x000
#define VERSION_REGISTER 0x004
#define DEVICE_ID 0x008
#define VENDOR_ID 0x00c
#define DEVICE_FEATURES 0x010
#define DEVICE_FEATURES_SEL 0x014
#define DRIVER_FEATURES 0x020
#define DRIVER_FEATURES_SEL 0x024
#define GUEST_PAGE_SIZE 0x028 /* legacy */
#define QUEUE_SEL 0x030
#define QUEUE_NUM_MAX 0x034
#define QUEUE_NUM 0x038
#define QUEUE_ALIGN 0x03c /* legacy */
#define QUEUE_PFN 0x040	  /* legacy */
#define QUEUE_READY 0x044
#define QUEUE_NOTIFY 0x050
#define INTERRUPT_STATUS 0x060
#define INTERRUPT_ACK VIRTIO_INTERRUPT_ACK
#define STATUS 0x070
#define QUEUE_DESC_LOW 0x080
#define QUEUE_DESC_HIGH 0x084
#define QUEUE_DRIVER_LOW 0x090
#define QUEUE_DRIVER_HIGH 0x094
#define QUEUE_DEVICE_LOW 0x0a0
#define QUEUE_DEVICE_HIGH 0x0a4
#define SHM_LEN_LOW 0x0b0
#define SHM_BASE_HIGH 0x0bc
#define CONFIG_GENERATION 0x0fc
#define CONFIG 0x100
#define WINDOW 0x200 /* bytes of registers and config space */

#define MAGIC 0x74726976  /* "virt" */
#define VENDOR 0x554d4551 /* "QEMU", as on its `virt` machine */

/* Bits of Status (2.1) */
#define DRIVER_OK 4
#define FEATURES_OK 8
#define NEEDS_RESET 64

/* Bits of InterruptStatus and InterruptACK (4.2.2) */
#define USED_BUFFER 1
#define CONFIG_CHANGE 2

#define REGULAR 16 /* interrupts in a row after which a driver counts as regular */

/* Alignment of the used ring in bytes, until the driver sets QueueAlign (2.7.2). */
#define LEGACY_ALIGN 4096

static uint64_t offered(const struct virtio *device)
{
	return device->features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
	       (device->legacy ? VIRTIO_F_ANY_LAYOUT : VIRTIO_F_VERSION_1);
}

/* The one place where the interrupt's level is computed. */
static bool irq_level(const struct virtio *device)
{
	return device->interrupt_status != 0;
}

static uint32_t read_word(struct virtio *device, uint64_t offset);

/* ---- fast path ---- */

/* Updates a register's word in the shadow page. */
static void refresh(struct virtio *device, uint64_t offset)
{
	uint32_t value, *at;

	if (!device->page)
		return;
	at = &device->page[offset / sizeof *at];
	value = read_word(device, offset);
	if (*at == value)
		return;
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
	device->page_changed(device->fast, at);
}

void virtio_refresh(struct virtio *device)
{
	for (uint64_t offset = 0; device->page && offset < WINDOW; offset += sizeof(uint32_t))
		refresh(device, offset);
}

void virtio_set_shadow(struct virtio *device, uint32_t *page)
{
	device->page = page;
	virtio_refresh(device);
}

static void stop_coalescing(struct virtio *device)
{
	if (device->coalesced) {
		device->stop_coalescing(device->fast, device);
		/* The line was left high; the next interrupt must be an edge again. */
		irq_line_set(&device->wires.irq, false);
	}
	device->regular = 0;
	device->next_step = INTERRUPT_NEXT;
}

/* The driver has read or acknowledged InterruptStatus. Is that the next step of a regular driver?
 */
static void count_step(struct virtio *device, unsigned step)
{
	if (device->next_step != step) {
		device->regular = 0;
		device->next_step = INTERRUPT_NEXT;
	} else if (step == READ_NEXT) {
		device->next_step = ACK_NEXT;
	} else {
		device->next_step = INTERRUPT_NEXT;
		if (++device->regular == REGULAR && device->driver_is_regular)
			device->driver_is_regular(device->fast, device);
	}
}

/* ---- interrupts ---- */

/* Raises an interrupt. On the fast path the line is edge-triggered and never lowered: reporting a
 * high level makes the controller latch an edge. */
static void interrupt(struct virtio *device, uint8_t cause)
{
	if (cause == CONFIG_CHANGE)
		stop_coalescing(device);
	if (device->next_step == INTERRUPT_NEXT)
		device->next_step = READ_NEXT;
	device->interrupt_status |= cause;
	device->counts.interrupts++;
	refresh(device, INTERRUPT_STATUS);
	if (device->coalesced) {
		device->interrupted(device->fast, device);
		irq_line_restore(&device->wires.irq, true);
	} else {
		irq_line_set(&device->wires.irq, irq_level(device));
	}
}

/* A cause that is left had its interrupt merged with the one that is acknowledged, and needs one of
 * its own: there is no edge on a line that stays high. */
static void acknowledge(struct virtio *device, uint8_t causes)
{
	device->interrupt_status &= (uint8_t)~causes;
	refresh(device, INTERRUPT_STATUS);
	if (!device->coalesced)
		count_step(device, ACK_NEXT);
	if (irq_level(device))
		irq_line_restore(&device->wires.irq, true);
	else if (!device->coalesced)
		irq_line_set(&device->wires.irq, false);
}

bool virtio_is_running(const struct virtio *device)
{
	uint8_t wanted = device->legacy ? 0 : DRIVER_OK | FEATURES_OK;

	return (device->status & (wanted | NEEDS_RESET)) == wanted;
}

/* The driver has violated the specification and must reset the device (2.1.2). */
static void need_reset(struct virtio *device)
{
	if (device->status & NEEDS_RESET)
		return;
	device->status |= NEEDS_RESET;
	if (device->status & DRIVER_OK)
		interrupt(device, CONFIG_CHANGE);
	virtio_refresh(device);
}

void virtio_config_changed(struct virtio *device)
{
	device->generation++;
	if (device->status & DRIVER_OK)
		interrupt(device, CONFIG_CHANGE);
	virtio_refresh(device);
}

/* ---- requests ---- */

bool virtio_take(struct virtio *device, unsigned queue, struct chain *chain)
{
	return virtio_is_running(device) && virtqueue_take(&device->queues[queue], chain);
}

void virtio_count(struct virtio *device, unsigned requests, uint64_t bytes,
		  const struct virtio_event *event)
{
	device->counts.requests += requests;
	device->counts.bytes += bytes;
	if (device->observe && event)
		device->observe(device, event);
}

void virtio_answer(struct virtio *device, unsigned queue, const struct chain *chain,
		   uint32_t written, const struct virtio_event *event)
{
	virtio_count(device, 1, pieces_size(chain->pieces, chain->readable + chain->writable),
		     event);
	virtqueue_give(&device->queues[queue], chain->head, written);
}

void virtio_answer_bytes(struct virtio *device, unsigned queue, const struct chain *chain,
			 uint32_t written, const char *action, uint64_t bytes)
{
	const struct virtio_event event = { .action = action,
					    .unit = "bytes",
					    .result = "ok",
					    .amount = bytes,
					    .position = UINT64_MAX };

	virtio_answer(device, queue, chain, written, &event);
}

void virtio_finish(struct virtio *device, unsigned queue)
{
	if (device->queues[queue].ready && virtqueue_wants_interrupt(&device->queues[queue]))
		interrupt(device, USED_BUFFER);
	if (device->queues[queue].broken)
		need_reset(device);
}

void virtio_defer(struct virtio *device, unsigned queue)
{
	(void)queue;
	timer_line_set(&device->wires.timer, 0);
}

static void notify(struct virtio *device, uint64_t queue)
{
	if (queue >= device->type->queues || !device->queues[queue].ready ||
	    !virtio_is_running(device))
		return;
	device->counts.notifications++;
	device->type->notified(device, (unsigned)queue);
}

/* ---- set-up ---- */

static void reset_queue(struct virtio *device, unsigned queue)
{
	if (device->type->stopped)
		device->type->stopped(device, queue);
	device->queues[queue] = (struct virtqueue){ .dma = &device->wires.dma, .size = QUEUE_SIZE };
}

/* The driver's reset. It keeps GuestPageSize: version 1's drivers write that once, before it. */
static void reset_device(struct virtio *device)
{
	stop_coalescing(device);
	if (device->type->reset)
		device->type->reset(device);
	device->accepted = 0;
	device->device_features_sel = device->driver_features_sel = device->queue_sel = 0;
	device->status = device->interrupt_status = 0;
	__builtin_memset(device->space, 0, sizeof device->space);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		device->queue_align[i] = LEGACY_ALIGN;
		reset_queue(device, i);
	}
	irq_line_set(&device->wires.irq, irq_level(device));
}

void virtio_reset(void *opaque)
{
	struct virtio *device = opaque;

	device->guest_page_size = 0;
	reset_device(device);
}

static void set_queue_features(const struct virtio *device, struct virtqueue *queue)
{
	queue->event_idx = virtio_has(device, VIRTIO_F_EVENT_IDX);
	queue->indirect = virtio_has(device, VIRTIO_F_INDIRECT_DESC);
}

static void start_queue(struct virtio *device, struct virtqueue *queue)
{
	set_queue_features(device, queue);
	if (!virtqueue_start(queue))
		need_reset(device);
}

static void set_queue_ready(struct virtio *device, struct virtqueue *queue, bool ready)
{
	if (ready && !queue->ready)
		start_queue(device, queue);
	else if (!ready && queue->ready)
		reset_queue(device, device->queue_sel);
}

/* In version 1 one page number places the three parts, contiguous but for the used ring's
 * alignment (2.7.2). */
static void set_queue_pfn(struct virtio *device, struct virtqueue *queue, uint32_t align,
			  uint32_t pfn)
{
	uint64_t base = (uint64_t)pfn * (device->guest_page_size ? device->guest_page_size : 1);
	uint64_t driver = base + 16ull * queue->size;
	uint64_t end = driver + 6 + 2ull * queue->size;

	if (pfn == 0) {
		reset_queue(device, device->queue_sel);
		return;
	}
	if (queue->ready)
		return;
	if (align == 0 || align & (align - 1)) {
		need_reset(device);
		return;
	}
	queue->descriptors = base;
	queue->driver = driver;
	queue->device = (end + align - 1) & -(uint64_t)align;
	start_queue(device, queue);
}

/* FEATURES_OK stays clear if the driver accepts a feature that was not offered, or does not accept
 * VERSION_1 (3.1.1, 6.2). */
static bool accepts_features(const struct virtio *device)
{
	return !(device->accepted & ~offered(device)) && virtio_has(device, VIRTIO_F_VERSION_1);
}

static void set_status(struct virtio *device, uint8_t value)
{
	bool was_running = virtio_is_running(device), starts;

	if (value == 0) {
		reset_device(device);
		return;
	}
	if (value & ~device->status & FEATURES_OK && !accepts_features(device))
		value &= (uint8_t)~FEATURES_OK;
	starts = value & ~device->status & DRIVER_OK;
	device->status = (value & ~NEEDS_RESET) | (device->status & NEEDS_RESET);
	if (starts && device->type->started)
		device->type->started(device);
	if (was_running || !virtio_is_running(device))
		return;
	for (unsigned i = 0; i < device->type->queues; i++)
		if (device->queues[i].ready)
			device->type->notified(device, i);
}

static void set_driver_features(struct virtio *device, uint32_t value)
{
	unsigned shift = 32 * device->driver_features_sel;

	if (device->driver_features_sel > 1 || device->status & FEATURES_OK)
		return;
	device->accepted &= ~(0xffffffffull << shift);
	device->accepted |= (uint64_t)value << shift;
	if (device->legacy)
		device->accepted &= offered(device);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		set_queue_features(device, &device->queues[i]);
}

/* ---- registers ---- */

/* The queue that QueueSel selects; NULL if the device has no such queue. */
static struct virtqueue *selected(struct virtio *device)
{
	return device->queue_sel < device->type->queues ? &device->queues[device->queue_sel] : NULL;
}

static void set_half(uint64_t *whole, bool high, uint32_t half)
{
	uint32_t halves[2] = { (uint32_t)*whole, (uint32_t)(*whole >> 32) };

	halves[high] = half;
	*whole = halves[0] | (uint64_t)halves[1] << 32;
}

/* Writes a register of the selected queue. While the queue is ready they cannot change (4.2.2.2).
 */
static void write_queue_register(struct virtio *device, uint64_t offset, uint32_t value)
{
	struct virtqueue *queue = selected(device);

	if (!queue || queue->ready)
		return;
	switch (offset) {
	case QUEUE_NUM:
		queue->size = value <= QUEUE_SIZE ? (uint16_t)value : 0;
		break;
	case QUEUE_DESC_LOW:
	case QUEUE_DESC_HIGH:
		set_half(&queue->descriptors, offset & 4, value);
		break;
	case QUEUE_DRIVER_LOW:
	case QUEUE_DRIVER_HIGH:
		set_half(&queue->driver, offset & 4, value);
		break;
	case QUEUE_DEVICE_LOW:
	case QUEUE_DEVICE_HIGH:
		set_half(&queue->device, offset & 4, value);
		break;
	}
}

/* Writes a register that version 1 has or treats differently (4.2.4). */
static void write_legacy_register(struct virtio *device, uint64_t offset, uint32_t value)
{
	struct virtqueue *queue = selected(device);

	if (offset == GUEST_PAGE_SIZE)
		device->guest_page_size = value;
	else if (offset == QUEUE_NUM)
		write_queue_register(device, offset, value);
	else if (offset == QUEUE_ALIGN && queue)
		device->queue_align[device->queue_sel] = value;
	else if (offset == QUEUE_PFN && queue)
		set_queue_pfn(device, queue, device->queue_align[device->queue_sel], value);
}

static void write_register(struct virtio *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case QUEUE_NOTIFY:
		notify(device, value);
		break;
	case INTERRUPT_ACK:
		acknowledge(device, (uint8_t)value);
		break;
	case DEVICE_FEATURES_SEL:
		device->device_features_sel = value;
		break;
	case DRIVER_FEATURES:
		set_driver_features(device, value);
		break;
	case DRIVER_FEATURES_SEL:
		device->driver_features_sel = value;
		break;
	case QUEUE_SEL:
		device->queue_sel = value;
		break;
	case STATUS:
		set_status(device, (uint8_t)value);
		break;
	default:
		if (device->legacy)
			write_legacy_register(device, offset, value);
		else if (offset == QUEUE_READY && selected(device))
			set_queue_ready(device, selected(device), value & 1);
		else
			write_queue_register(device, offset, value);
	}
}

static uint32_t read_queue_register(struct virtio *device, uint64_t offset)
{
	const struct virtqueue *queue = selected(device);

	if (!queue)
		return 0;
	if (offset == QUEUE_NUM_MAX)
		return QUEUE_SIZE;
	if (offset == QUEUE_READY && !device->legacy)
		return queue->ready;
	if (offset == QUEUE_PFN && device->legacy && queue->ready)
		return (uint32_t)(queue->descriptors /
				  (device->guest_page_size ? device->guest_page_size : 1));
	return 0;
}

static uint32_t read_register(struct virtio *device, uint64_t offset)
{
	switch (offset) {
	case INTERRUPT_STATUS:
		return device->interrupt_status;
	case DEVICE_FEATURES:
		return device->device_features_sel > 1
			       ? 0
			       : (uint32_t)(offered(device) >> 32 * device->device_features_sel);
	case STATUS:
		return device->status;
	case CONFIG_GENERATION:
		return device->legacy ? 0 : device->generation;
	default:
		/* A length and base of all ones: there is no shared memory region (4.2.2). */
		if (offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH && !device->legacy)
			return ~0u;
		return read_queue_register(device, offset);
	}
}

/* The registers that an empty slot has, too (4.2.2.2). Its version is 1, as on `virt`. */
static uint32_t read_identification(const struct virtio *device, uint64_t offset)
{
	switch (offset) {
	case MAGIC_VALUE:
		return MAGIC;
	case VERSION_REGISTER:
		return device->type && !device->legacy ? 2 : 1;
	case DEVICE_ID:
		return device->type ? device->type->id : 0;
	case VENDOR_ID:
		return VENDOR;
	default:
		return 0;
	}
}

/* The config space can be accessed at any offset with any size (4.2.2.2). */
static uint64_t read_config(const struct virtio *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && offset + i < device->type->config_size; i++)
		value |= (uint64_t)device->config[offset + i] << 8 * i;
	return value;
}

static void write_config(struct virtio *device, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size && offset + i < device->type->config_size; i++)
		if (device->type->write_config)
			device->type->write_config(device, (uint32_t)offset + i,
						   (uint8_t)(value >> 8 * i));
}

/* Reads 32 bits, without the side effects of a driver's read. */
static uint32_t read_word(struct virtio *device, uint64_t offset)
{
	if (offset <= VENDOR_ID)
		return read_identification(device, offset);
	if (!device->type)
		return 0;
	return offset < CONFIG ? read_register(device, offset)
			       : (uint32_t)read_config(device, offset - CONFIG, sizeof(uint32_t));
}

uint64_t virtio_read(void *opaque, uint64_t offset, unsigned size)
{
	struct virtio *device = opaque;

	if (offset >= CONFIG)
		return device->type ? read_config(device, offset - CONFIG, size) : 0;
	if (size == 8) /* two registers, the lower one first */
		return virtio_read(device, offset, 4) | virtio_read(device, offset + 4, 4) << 32;
	if (offset % 4 || size != 4) /* drivers must use aligned 32-bit accesses (4.2.2.2) */
		return 0;
	if (offset == INTERRUPT_STATUS && device->type)
		count_step(device, READ_NEXT);
	return read_word(device, offset);
}

void virtio_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio *device = opaque;

	if (!device->type)
		return;
	if (offset >= CONFIG)
		write_config(device, offset - CONFIG, size, value);
	else if (offset % 4 == 0 && size == 4)
		write_register(device, offset, (uint32_t)value);
	if (offset != QUEUE_NOTIFY && offset != INTERRUPT_ACK)
		virtio_refresh(device);
}

void virtio_resumed(struct virtio *device)
{
	if (device->type && device->type->resumed)
		device->type->resumed(device);
}

bool virtio_loaded(void *opaque)
{
	struct virtio *device = opaque;

	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		struct virtqueue *queue = &device->queues[i];

		set_queue_features(device, queue);
		if (queue->ready && !virtqueue_start(queue))
			return false;
	}
	irq_line_restore(&device->wires.irq, irq_level(device));
	return true;
}

const struct register_name virtio_registers[] = {
	{ .offset = MAGIC_VALUE, .name = "MagicValue" },
	{ .offset = VERSION_REGISTER, .name = "Version" },
	{ .offset = DEVICE_ID, .name = "DeviceID" },
	{ .offset = VENDOR_ID, .name = "VendorID" },
	{ .offset = DEVICE_FEATURES, .name = "DeviceFeatures" },
	{ .offset = DEVICE_FEATURES_SEL, .name = "DeviceFeaturesSel" },
	{ .offset = DRIVER_FEATURES, .name = "DriverFeatures" },
	{ .offset = DRIVER_FEATURES_SEL, .name = "DriverFeaturesSel" },
	{ .offset = GUEST_PAGE_SIZE, .name = "GuestPageSize" },
	{ .offset = QUEUE_SEL, .name = "QueueSel" },
	{ .offset = QUEUE_NUM_MAX, .name = "QueueNumMax" },
	{ .offset = QUEUE_NUM, .name = "QueueNum" },
	{ .offset = QUEUE_ALIGN, .name = "QueueAlign" },
	{ .offset = QUEUE_PFN, .name = "QueuePFN" },
	{ .offset = QUEUE_READY, .name = "QueueReady" },
	{ .offset = QUEUE_NOTIFY, .name = "QueueNotify" },
	{ .offset = INTERRUPT_STATUS,
	  .name = "InterruptStatus",
	  .bits = "USED_BUFFER,CONFIG_CHANGE" },
	{ .offset = INTERRUPT_ACK, .name = "InterruptACK", .bits = "USED_BUFFER,CONFIG_CHANGE" },
	{ .offset = STATUS,
	  .name = "Status",
	  .bits = "ACKNOWLEDGE,DRIVER,DRIVER_OK,FEATURES_OK,,,DEVICE_NEEDS_RESET,FAILED" },
	{ .offset = QUEUE_DESC_LOW, .count = 2, .name = "QueueDesc" },
	{ .offset = QUEUE_DRIVER_LOW, .count = 2, .name = "QueueDriver" },
	{ .offset = QUEUE_DEVICE_LOW, .count = 2, .name = "QueueDevice" },
	{ .offset = 0x0ac, .name = "SHMSel" },
	{ .offset = SHM_LEN_LOW, .count = 4, .name = "SHM" },
	{ .offset = CONFIG_GENERATION, .name = "ConfigGeneration" },
	{ .offset = CONFIG, .count = 64, .name = "Config" },
	{ .name = NULL },
};

/* ---- ops of types that have a timer and no state of their own ---- */

static void expire(void *opaque)
{
	struct virtio *device = opaque;

	device->type->expire(device);
}

/* Stands for the struct of any type: all begin with a struct virtio. */
struct any_type {
	struct virtio virtio;
};

static const struct field fields[] = {
	VIRTIO_FIELDS(struct any_type),
	{ .name = NULL },
};

const struct device_ops virtio_timed_ops = {
	.name = "virtio",
	.read = virtio_read,
	.write = virtio_write,
	.reset = virtio_reset,
	.expire = expire,
	.fields = fields,
	.loaded = virtio_loaded,
	.registers = virtio_registers,
};

/* ---- ops of a slot without a device ---- */

static const struct field no_fields[] = { { .name = NULL } };

static bool empty_loaded(void *device)
{
	(void)device;
	return true;
}

static void empty_reset(void *device)
{
	(void)device;
}

const struct device_ops virtio_empty_ops = {
	.name = "virtio",
	.read = virtio_read,
	.write = virtio_write,
	.reset = empty_reset,
	.fields = no_fields,
	.loaded = empty_loaded,
	.registers = virtio_registers,
};
