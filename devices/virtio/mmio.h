/* SPDX-License-Identifier: MIT */
/*
 * The virtio MMIO transport (virtio 1.2, 4.2): registers, feature negotiation, status and queues,
 * which are the same for every type of device. Version 2, or 1 for a `legacy` device (4.2.4).
 *
 * Who uses it: each type of device, whose struct begins with a struct virtio; machine.c.
 */
#ifndef DEVICES_VIRTIO_MMIO_H
#define DEVICES_VIRTIO_MMIO_H

#include "devices/device.h"
#include "queue.h"

#define VIRTIO_QUEUES 5		   /* max of a device */
#define VIRTIO_INTERRUPT_ACK 0x064 /* the register's offset */

/* Feature bits that are not specific to a type of device (6). */
#define VIRTIO_F_NOTIFY_ON_EMPTY (1ull << 24)
#define VIRTIO_F_ANY_LAYOUT (1ull << 27)
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio;

/* A figure for statistics, which a type's own struct counts in a uint64_t at this offset. */
struct virtio_counter {
	const char *name; /* NULL ends the table */
	size_t offset;
};

/* A type of device (5). */
struct virtio_type {
	const char *name; /* for traces and statistics */
	uint32_t id;
	unsigned queues;
	uint32_t config_size; /* bytes */
	/* The driver has notified this queue, or has set DRIVER_OK: there may be requests. */
	void (*notified)(struct virtio *device, unsigned queue);
	/* The driver resets the device. NULL: the type has no state of its own. */
	void (*reset)(struct virtio *device);
	/* The driver resets this queue, or the device: requests under way must not be answered any
	 * more. NULL: every request is answered while `notified` or `expire` runs. */
	void (*stopped)(struct virtio *device, unsigned queue);
	/* The driver has set DRIVER_OK; called before `notified`. May be NULL. */
	void (*started)(struct virtio *device);
	/* The guest has been loaded from a snapshot, all of it: what is behind the device is
	 * another one now. NULL: the same is behind it. */
	void (*resumed)(struct virtio *device);
	/* The device's timer has expired. NULL: it has none. */
	void (*expire)(struct virtio *device);
	/* The driver writes this byte of the config space. NULL: writes are dropped. */
	void (*write_config)(struct virtio *device, uint32_t offset, uint8_t value);
	const struct virtio_counter *counters; /* NULL: it has none */
};

/* A request that was answered, for traces: "block read 8 sectors at 2048 -> ok". */
struct virtio_event {
	const char *action, *unit, *result;
	uint64_t amount;   /* in `unit`; not shown if that is NULL */
	uint64_t position; /* not shown if UINT64_MAX */
};

/* Counted since the machine was created, over resets; protected by the device's lock. */
struct virtio_counts {
	uint64_t requests, bytes; /* answered requests, and the total size of their buffers */
	uint64_t notifications;	  /* from the driver */
	uint64_t interrupts;	  /* to the driver */
};

struct virtio {
	struct wires wires;
	/* Set once, with the wires; NULL: there is no device in this slot. */
	const struct virtio_type *type;
	uint8_t *config;   /* config space, little-endian */
	uint64_t features; /* offered by this type of device, beside those of mmio.c */
	bool legacy;	   /* version 1 of the transport */
	unsigned slot;
	/* Called for every answered request. NULL: nobody traces. */
	void (*observe)(const struct virtio *device, const struct virtio_event *event);

	/* State. */
	uint64_t accepted; /* features that the driver has accepted */
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint32_t guest_page_size, queue_align[VIRTIO_QUEUES]; /* legacy only */
	uint32_t generation;				      /* of the config space */
	uint8_t status, interrupt_status;
	uint8_t space[8]; /* config space, for types that point `config` here; zero after a reset */
	struct virtqueue queues[VIRTIO_QUEUES];

	struct virtio_counts counts;

	/* The fast path, set by vmm/machine/virtio_fast.c. */
	uint32_t *page; /* shadow page that the guest reads; NULL: reads are exits */
	bool coalesced; /* writes to InterruptACK arrive later; the interrupt is edge-triggered */
	/* The driver has long read and acknowledged InterruptStatus once for each interrupt, so the
	 * fast path may begin. NULL: there is none. */
	void (*driver_is_regular)(void *fast, struct virtio *device);
	/* The fast path must end: reads and acknowledgements must be exits again. */
	void (*stop_coalescing)(void *fast, struct virtio *device);
	/* InterruptStatus has a new bit; the interrupt is raised after this. */
	void (*interrupted)(void *fast, const struct virtio *device);
	/* A word of the shadow page has changed. */
	void (*page_changed)(void *fast, const uint32_t *word);
	void *fast;
	/* How a regular driver is recognised: its expected next step, and the number of interrupts
	 * in a row that it has handled in these steps. */
	enum { INTERRUPT_NEXT, READ_NEXT, ACK_NEXT } next_step;
	unsigned regular;
};

/* Rows of a device's table of fields for the struct virtio that is its member `virtio`. */
#define VIRTIO_QUEUE_FIELD(type, member, max)                                                      \
	"queues." #member, offsetof(type, virtio.queues[0].member),                                \
		SIZE_OF_FIELD(type, virtio.queues[0].member), VIRTIO_QUEUES,                       \
		sizeof(struct virtqueue), max
#define VIRTIO_FIELDS(type)                                                                        \
	{ FIELD(type, virtio.accepted, UINT64_MAX) },                                              \
		{ FIELD(type, virtio.device_features_sel, UINT32_MAX) },                           \
		{ FIELD(type, virtio.driver_features_sel, UINT32_MAX) },                           \
		{ FIELD(type, virtio.queue_sel, UINT32_MAX) },                                     \
		{ FIELD(type, virtio.guest_page_size, UINT32_MAX) },                               \
		{ ARRAY_FIELD(type, virtio.queue_align, UINT32_MAX) },                             \
		{ FIELD(type, virtio.generation, UINT32_MAX) },                                    \
		{ FIELD(type, virtio.status, 0xff) }, { FIELD(type, virtio.interrupt_status, 3) }, \
		{ ARRAY_FIELD(type, virtio.space, UINT8_MAX) },                                    \
		{ VIRTIO_QUEUE_FIELD(type, descriptors, UINT64_MAX) },                             \
		{ VIRTIO_QUEUE_FIELD(type, driver, UINT64_MAX) },                                  \
		{ VIRTIO_QUEUE_FIELD(type, device, UINT64_MAX) },                                  \
		{ VIRTIO_QUEUE_FIELD(type, size, QUEUE_SIZE) },                                    \
		{ VIRTIO_QUEUE_FIELD(type, ready, 1) }, { VIRTIO_QUEUE_FIELD(type, broken, 1) },   \
		{ VIRTIO_QUEUE_FIELD(type, next_available, UINT16_MAX) },                          \
		{ VIRTIO_QUEUE_FIELD(type, next_used, UINT16_MAX) },                               \
		{ VIRTIO_QUEUE_FIELD(type, done, UINT64_MAX) },                                    \
	{                                                                                          \
		VIRTIO_QUEUE_FIELD(type, notified, UINT16_MAX)                                     \
	}

/* Entries of every type's device_ops. */
uint64_t virtio_read(void *device, uint64_t offset, unsigned size);
void virtio_write(void *device, uint64_t offset, unsigned size, uint64_t value);
void virtio_reset(void *device);
bool virtio_loaded(void *device);
extern const struct register_name virtio_registers[];

/* For types that have a timer, and no state beside struct virtio. */
extern const struct device_ops virtio_timed_ops;
/* For a slot without a device. */
extern const struct device_ops virtio_empty_ops;

/* Has this feature been negotiated? */
static inline bool virtio_has(const struct virtio *device, uint64_t feature)
{
	return device->accepted & feature;
}

/* May the device take requests from its queues and answer them? */
bool virtio_is_running(const struct virtio *device);

/* Takes the next request of a queue; false if there is none. */
bool virtio_take(struct virtio *device, unsigned queue, struct chain *chain);
/* Answers a request, of whose pieces `written` bytes were written. `event` is for traces; NULL: it
 * is not traced. */
void virtio_answer(struct virtio *device, unsigned queue, const struct chain *chain,
		   uint32_t written, const struct virtio_event *event);
/* Counts and traces what a type has answered by the functions of queue.h: so many requests, with
 * so many bytes of the guest's. */
void virtio_count(struct virtio *device, unsigned requests, uint64_t bytes,
		  const struct virtio_event *event);
/* The same for a request that succeeded; `action` and the number of bytes are for traces. */
void virtio_answer_bytes(struct virtio *device, unsigned queue, const struct chain *chain,
			 uint32_t written, const char *action, uint64_t bytes);
/* To be called after one or more requests were taken or answered: raises the interrupt if the
 * driver wants one, and sets DEVICE_NEEDS_RESET if the queue is broken (2.1.2). */
void virtio_finish(struct virtio *device, unsigned queue);

/* `notified` of a type that handles requests in `expire`: on the event loop's thread, which may
 * make system calls that a vCPU's thread may not, and where no vCPU waits for it. */
void virtio_defer(struct virtio *device, unsigned queue);

/* To be called after the device has changed its config space; informs the driver. */
void virtio_config_changed(struct virtio *device);
/* To be called after it has changed on behalf of the driver, which is not informed. */
void virtio_refresh(struct virtio *device);

/* Calls `resumed` of the type, if there is one. */
void virtio_resumed(struct virtio *device);

/* Fills a shadow page of the registers and keeps it up to date from now on; NULL ends that. */
void virtio_set_shadow(struct virtio *device, uint32_t *page);

#endif
