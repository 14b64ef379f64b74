// SPDX-License-Identifier: MIT
/*
 * Shortcuts round the UART. Who calls it: the UART by its wires, vCPUs, the event loop by its
 * timer. Touches the VM's memory slots and zones, the page, KVM's ring, and the console.
 */
#include "uart_fast.h"

#include "crt/crt.h"
#include "map.h"
#include "vmm/host/event_loop.h"

#include <linux/auxvec.h>

#define PAGE_SIZE 4096

/* To make a shortcut and to end it again costs as much as about ten exits. */
#define POLLS 16
#define BURST 64
#define BURST_NS 16000000 /* within which so many bytes are a burst */
#define TICK_NS 4000000	  /* a byte is not kept back for longer */

#define DR_SIZE 4

/* Not inlined: what calls it is frequent, and would get its stack guard. */
#define RARE __attribute__((noinline))

/* ---- reads ---- */

static struct pl011 *uart_of(const struct shortcut *shortcut)
{
	return shortcut->console->uart;
}

/* The guest maps it as a device: it reads past the caches. */
void shortcut_shown(void *shortcut, const uint32_t *word)
{
	(void)shortcut;
	cache_clean(word);
}

static RARE void show(struct shortcut *shortcut)
{
	pl011_show(uart_of(shortcut), shortcut->page);
	if (vm_add_rom(shortcut->vm, SHORTCUT_SLOT, GPA(UART_BASE), shortcut->page, UART_SIZE))
		return;
	pl011_show(uart_of(shortcut), NULL);
	shortcut->page = NULL; /* the host cannot: it is not tried again */
}

void shortcut_hide(void *opaque)
{
	struct shortcut *shortcut = opaque;

	vm_remove_memory(shortcut->vm, SHORTCUT_SLOT);
	pl011_show(uart_of(shortcut), NULL);
	shortcut->polls = 0;
}

void shortcut_idle(void *opaque)
{
	struct shortcut *shortcut = opaque;

	if (shortcut->page && pl011_is_still(uart_of(shortcut)) && ++shortcut->polls == POLLS)
		show(shortcut);
}

void shortcut_empty(void *opaque, unsigned room)
{
	struct shortcut *shortcut = opaque;

	console_empty(shortcut->console, room);
}

/* ---- writes ---- */

static RARE void post(struct shortcut *shortcut)
{
	if (!vm_collect_writes(shortcut->vm, GPA(UART_BASE), DR_SIZE))
		return;
	uart_of(shortcut)->posted = true;
	timer_line_set(&shortcut->timer, TICK_NS);
}

/* What is in the ring is left to the next exit, or to the timer, which runs out once more. */
void shortcut_unpost(void *opaque)
{
	struct shortcut *shortcut = opaque;

	vm_stop_collecting(shortcut->vm, GPA(UART_BASE), DR_SIZE);
	uart_of(shortcut)->posted = false;
	shortcut->burst = 0;
}

/* Without the page each byte would have an exit all the same: the guest asks for room first. */
static void count_burst(struct shortcut *shortcut)
{
	uint64_t now;

	if (!uart_of(shortcut)->page || uart_of(shortcut)->posted || shortcut->burst++ % BURST)
		return;
	now = clock_ns();
	if (now - shortcut->began < BURST_NS && pl011_sends_unseen(uart_of(shortcut)))
		post(shortcut);
	shortcut->began = now;
}

bool shortcut_transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct shortcut *shortcut = opaque;

	shortcut->silent = false;
	count_burst(shortcut);
	return console_transmit(shortcut->console, bytes, count);
}

/*
 * KVM adds at `last`, under a lock of its own; we take at `first`, under the UART's. The zone is DR
 * alone, so of an entry its first byte is all that counts (virt/kvm/coalesced_mmio.c).
 */
static void take(struct shortcut *shortcut)
{
	struct kvm_coalesced_mmio_ring *ring = shortcut->ring;
	uint8_t bytes[KVM_COALESCED_MMIO_MAX];
	unsigned at = ring->first;
	unsigned last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
	unsigned count = 0;

	while (at != last && count < ARRAY_SIZE(bytes)) {
		bytes[count++] = ring->coalesced_mmio[at % ARRAY_SIZE(bytes)].data[0];
		at = (at + 1) % ARRAY_SIZE(bytes);
	}
	__atomic_store_n(&ring->first, at, __ATOMIC_RELEASE);
	if (count)
		pl011_send(uart_of(shortcut), bytes, count);
}

void shortcut_take(struct shortcut *shortcut)
{
	lock_acquire(shortcut->console->uart_lock);
	take(shortcut);
	lock_release(shortcut->console->uart_lock);
}

static void expire(void *device)
{
	struct shortcut *shortcut = device;
	const struct pl011 *uart = uart_of(shortcut);
	/* What it has sent may have ended that; then what came meanwhile is still in the ring. */
	bool was_posted = uart->posted;

	take(shortcut);
	if (uart->posted && shortcut->silent) {
		shortcut_unpost(shortcut);
		take(shortcut);
		was_posted = false;
	}
	shortcut->silent = true;
	if (was_posted)
		timer_line_set(&shortcut->timer, TICK_NS);
}

const struct device_ops shortcut_ops = { .name = "shortcut", .expire = expire };

/* ---- the whole ---- */

void shortcut_connect(struct shortcut *shortcut, const struct vcpu *vcpu, struct vm *vm,
		      struct console *console, struct timer_line timer, bool plain)
{
	static _Alignas(PAGE_SIZE) uint32_t page[UART_SIZE / sizeof(uint32_t)];
	static struct kvm_coalesced_mmio_ring none;
	size_t page_size = getauxval(AT_PAGESZ);
	/* One ring a VM, in a page of every vCPU's (api.rst, KVM_GET_VCPU_MMAP_SIZE). */
	void *ring = (char *)vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * page_size;

	*shortcut = (struct shortcut){
		.ring = vcpu->run_size > page_size ? ring : &none,
		.vm = vm,
		.console = console,
		.timer = timer,
		/* On a host with larger pages it would lie over more than the UART. */
		.page = plain || page_size != PAGE_SIZE ? NULL : page,
	};
}
