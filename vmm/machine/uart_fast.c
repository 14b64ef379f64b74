// SPDX-License-Identifier: MIT
/*
 * The UART's fast path. Who calls it: the UART by its wires, exits.c, the event loop by its timer.
 * Touches the VM's memory slots and coalesced zones, the shadow page, KVM's ring, and the console.
 */
#include "uart_fast.h"

#include "crt/crt.h"
#include "map.h"
#include "vmm/host/clock.h"

#include <linux/auxvec.h>

#define PAGE_SIZE 4096

/* Mapping the shadow page, or starting to coalesce, and undoing it later costs about as much as ten
 * exits. So both start only after this many polls, or bytes. */
#define POLLS 16
#define BURST 64
#define BURST_NS 16000000 /* a burst is BURST bytes within this time */
#define TICK_NS 4000000	  /* max delay of a coalesced byte */

#define DR_SIZE 4

/* Not inlined, so that its frequent callers do not need its stack protector. */
#define RARE __attribute__((noinline))

/* ---- reads ---- */

static struct pl011 *uart_of(const struct uart_fast *fast)
{
	return fast->console->uart;
}

/* The guest maps the page as device memory, and so reads it past the caches. */
void uart_fast_page_changed(void *fast, const uint32_t *word)
{
	(void)fast;
	cache_clean(word);
}

static RARE void map_page(struct uart_fast *fast)
{
	pl011_set_shadow_page(uart_of(fast), fast->page);
	if (vm_add_rom(fast->vm, UART_FAST_SLOT, GPA(UART_BASE), fast->page, UART_SIZE))
		return;
	pl011_set_shadow_page(uart_of(fast), NULL);
	fast->page = NULL; /* not supported: do not try again */
}

void uart_fast_remove_page(void *opaque)
{
	struct uart_fast *fast = opaque;

	vm_remove_memory(fast->vm, UART_FAST_SLOT);
	pl011_set_shadow_page(uart_of(fast), NULL);
	fast->polls = 0;
}

void uart_fast_idle(void *opaque)
{
	struct uart_fast *fast = opaque;

	if (fast->page && pl011_reads_have_no_side_effects(uart_of(fast)) && ++fast->polls == POLLS)
		map_page(fast);
}

void uart_fast_request_input(void *opaque, unsigned room)
{
	struct uart_fast *fast = opaque;

	console_request_input(fast->console, room);
}

/* ---- writes ---- */

static RARE void start_coalescing(struct uart_fast *fast)
{
	if (!vm_coalesce_writes(fast->vm, GPA(UART_BASE), DR_SIZE))
		return;
	uart_of(fast)->coalesced = true;
	timer_line_set(&fast->timer, TICK_NS);
}

/* What is in the ring is taken by the next exit, or by the timer, which expires once more. */
void uart_fast_stop_coalescing(void *opaque)
{
	struct uart_fast *fast = opaque;

	vm_stop_coalescing(fast->vm, GPA(UART_BASE), DR_SIZE);
	uart_of(fast)->coalesced = false;
	fast->burst = 0;
}

/* Coalescing pays only if reads of FR do not exit either. */
static void count_bytes(struct uart_fast *fast)
{
	uint64_t now;

	if (!uart_of(fast)->page || uart_of(fast)->coalesced || fast->burst++ % BURST)
		return;
	now = clock_ns();
	if (now - fast->began < BURST_NS && pl011_tx_state_is_constant(uart_of(fast)))
		start_coalescing(fast);
	fast->began = now;
}

bool uart_fast_transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct uart_fast *fast = opaque;

	fast->silent = false;
	count_bytes(fast);
	return console_transmit(fast->console, bytes, count);
}

/* KVM appends at `last` under its own lock; we take from `first` under the UART's. The UART's zone
 * is DR alone, so an entry's first byte is all that matters (virt/kvm/coalesced_mmio.c). */
static void take(struct uart_fast *fast)
{
	struct kvm_coalesced_mmio_ring *ring = fast->ring;
	uint8_t bytes[KVM_COALESCED_MMIO_MAX];
	unsigned at = ring->first;
	unsigned last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
	unsigned count = 0;

	for (; at != last && count < ARRAY_SIZE(bytes); at = (at + 1) % ARRAY_SIZE(bytes)) {
		const struct kvm_coalesced_mmio *write =
			&ring->coalesced_mmio[at % ARRAY_SIZE(bytes)];

		if (write->phys_addr == UART_BASE)
			bytes[count++] = write->data[0];
		else
			virtio_fast_take(fast->virtio, at % ARRAY_SIZE(bytes));
	}
	__atomic_store_n(&ring->first, at, __ATOMIC_RELEASE);
	if (count)
		pl011_send(uart_of(fast), bytes, count);
}

void uart_fast_take(struct uart_fast *fast)
{
	lock_acquire(fast->console->uart_lock);
	take(fast);
	lock_release(fast->console->uart_lock);
}

static void expire(void *device)
{
	struct uart_fast *fast = device;
	const struct pl011 *uart = uart_of(fast);
	/* Sending may end coalescing; bytes written meanwhile are then still in the ring. */
	bool was_coalesced = uart->coalesced;

	take(fast);
	if (uart->coalesced && fast->silent) {
		uart_fast_stop_coalescing(fast);
		take(fast);
		was_coalesced = false;
	}
	fast->silent = true;
	if (was_coalesced)
		timer_line_set(&fast->timer, TICK_NS);
}

const struct device_ops uart_fast_ops = { .name = "uart-fast", .expire = expire };

/* ---- the whole ---- */

void uart_fast_connect(struct uart_fast *fast, const struct vcpu *vcpu, struct vm *vm,
		       struct console *console, struct virtio_fast *virtio, struct timer_line timer,
		       bool plain)
{
	static _Alignas(PAGE_SIZE) uint32_t page[UART_SIZE / sizeof(uint32_t)];
	static struct kvm_coalesced_mmio_ring none;
	size_t page_size = getauxval(AT_PAGESZ);
	/* One ring per VM, in a page of every vCPU's kvm_run (api.rst, KVM_GET_VCPU_MMAP_SIZE). */
	void *ring = (char *)vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * page_size;

	*fast = (struct uart_fast){
		.ring = vcpu->run_size > page_size ? ring : &none,
		.vm = vm,
		.console = console,
		.virtio = virtio,
		.timer = timer,
		/* With larger host pages it would cover more than the UART. */
		.page = plain || page_size != PAGE_SIZE ? NULL : page,
	};
	/* Page and zone of an earlier VM are gone with it. */
	uart_of(fast)->page = NULL;
	uart_of(fast)->coalesced = false;
	virtio->ring = fast->ring;
}
