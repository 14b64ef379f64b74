/* SPDX-License-Identifier: MIT */
/* One guest with all devices that are emulated for it. Used by main. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "bus.h"
#include "console.h"
#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/fw_cfg.h"
#include "devices/pci.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/pl061.h"
#include "devices/virtio/mmio.h"
#include "devices/vmgenid.h"
#include "map.h"
#include "memory.h"
#include "power.h"
#include "stray.h"
#include "stuck.h"
#include "uart_fast.h"
#include "watchdog.h"
#include "vmm/host/disk.h"
#include "vmm/kvm/kvm.h"
#include "vmm/options.h"

#define MACHINE_DEVICES 16 /* max, not counting virtio slots */

#define RAM_SLOT 0 /* KVM's number of its memory slot */

/* Timers of devices, including virtio devices, and two more. */
enum { UART_FAST_TIMER = MACHINE_DEVICES + VIRTIO_SLOTS, STUCK_TIMER, TIMERS };

/* A device in a virtio slot. `backend_lock` receives the device's lock, for its backend; NULL: not
 * needed. */
struct virtio_slot {
	const struct device_ops *ops;
	struct virtio *device;
	struct lock **backend_lock;
};

/* Who saves the guest (vmm/snapshot/save.h); all NULL: nobody. */
struct machine_saver {
	/* The guest shall be saved: while it runs, or with `now` where it stands. From any thread.
	 */
	void (*ask)(void *context, bool now);
	/* All CPUs are paused. False: they shall stay so, and it be called again. */
	bool (*at_pause)(void *context);
	void *context;
};

/* Lives on main's stack; machine_create fills it. */
struct machine {
	const struct kvm_system *kvm;
	const struct options *options;
	struct console *console;
	struct outlet *trace;
	bool uart_is_plain;	/* each access to the UART is an exit */
	bool is_traced;		/* each access to a virtio device is an exit, too */
	struct disk *variables; /* where the second bank of the flash is kept; NULL: nowhere */
	/* Called for every request of a virtio device; NULL: no observer. */
	void (*observe)(const struct virtio *device, const struct virtio_event *event);
	struct machine_saver saver;
	/* These survive a reset of the guest. */
	struct run run;
	struct loop_timer timers[TIMERS];
	unsigned timer_count; /* timers in use; beyond TIMERS is a bug */
	struct power power;
	struct watchdog watchdog;
	struct loop_source outputs[3]; /* of the console, messages and the trace */
	bool needs_stolen_time;	       /* the guest has more CPUs than the host */

	struct guest_memory memory;
	struct vm vm;
	struct cpu_features features;
	void *stolen_time; /* STEAL_SIZE bytes, mapped into the guest; NULL: not used */
	struct bus bus;
	struct stray stray;

	struct pl011 uart;
	struct uart_fast fast;
	struct virtio_fast virtio_fast;
	struct stuck stuck;
	struct pl031 rtc;
	struct pl061 gpio;
	struct vmgenid vmgenid;
	struct finisher finisher;
	struct flash_bank {
		struct machine *machine;
		uint64_t base;	  /* guest-physical */
		uint32_t written; /* bits of the blocks of its storage that are not erased */
		struct flash flash;
	} banks[2];
	struct fw_cfg fw_cfg;
	struct pci pci;
	struct virtio_slot virtio[VIRTIO_SLOTS];
	unsigned virtio_count;	   /* slots that have a device */
	struct virtio empty;	   /* the device in all other slots */
	uint8_t *erased;	   /* an erased block, mapped at every one that is */
	uint8_t *flash_storage;	   /* of both banks; survives a reset of the guest */
	struct guest_memory flash; /* the same as memory, of which a save records what changes */
	/* What a loader has put at the start of the flash window, until machine_map_flash has
	 * copied it; after that its size. Size 0: nothing. */
	struct guest_memory flash_image;
};

/* Sets up what survives a reset: the vCPUs' structs, event loop, outlets. Keeps the pointers it is
 * given; `trace` is the outlet of the trace's file, NULL: no file. Dies if the host cannot. */
void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options, struct outlet *trace);

/* The functions of the device at this address, other than virtio's; NULL: there is none. */
const struct device_ops *machine_device(uint64_t base);
/* Puts a device into the next virtio slot. */
void machine_add_virtio(struct machine *machine, const struct device_ops *ops,
			struct virtio *device, struct lock **backend_lock);
/* Maps and connects all devices, after the last machine_add_virtio. */
void machine_connect(struct machine *machine);

/* Creates VM, memory and vCPUs and resets the devices: all is in the state after power-on. Dies if
 * the host cannot. */
void machine_power_on(struct machine *machine);

/* Maps what a loader has put into flash_image into the guest, or so many bytes of the first bank,
 * for a guest that runs there. Dies with STATUS_HOST. */
void machine_map_flash(struct machine *machine, uint64_t size);

/* ---- flash_file.c: a bank of the flash that is filled from a file ---- */

/* The bank holds so many bytes of a file, of which it gets a private mapping, or `data` if that is
 * not NULL, and ones behind them. At most FLASH_BANK. Dies with STATUS_HOST. */
void flash_fill(struct flash_bank *bank, const char *name, int fd, const uint8_t *data,
		uint64_t size);
/* A struct flash's `keep`, of a struct flash_bank: writes to the machine's `variables`. */
bool flash_keep(void *bank, uint64_t offset, uint64_t length);

/* Runs the guest until it ends or resets itself; machine->run then says how. */
void machine_run(struct machine *machine);

/* Asks for the guest to be saved, as a struct machine_saver's `ask`, or reports that nobody can. */
void machine_ask_save(struct machine *machine, bool now);
/* With all CPUs paused: takes what the guest has written and KVM still has in its ring. False if a
 * disk carries out requests; the event loop is woken when it has carried out another. */
bool machine_settle(struct machine *machine);

/* Destroys what machine_power_on has created, and creates it again. */
void machine_reset(struct machine *machine);

#endif
