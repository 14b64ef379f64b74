// SPDX-License-Identifier: MIT
/*
 * vmm/machine/uart_fast.c with the real PL011 and a fake KVM, which answers reads from the shadow
 * page and coalesces writes as the kernel does (virt/kvm/coalesced_mmio.c): a guest with the fast
 * path reads and prints the same as one without.
 */
#include "unit.h"

#include "vmm/host/clock.h"
#include "vmm/machine/map.h"
#include "vmm/machine/uart_fast.h"

#include <string.h>

#define PAGE_SIZE 4096
#define ROUNDS 200
#define STEPS 5000

#define DR 0x000
#define RSR 0x004
#define FR 0x018
#define LCR_H 0x02c
#define CR 0x030
#define IMSC 0x038
#define RIS 0x03c
#define ICR 0x044
#define TX 0x20

/* A guest: its UART with its wires, and KVM's state. */
struct guest {
	_Alignas(PAGE_SIZE) char run[2 * PAGE_SIZE]; /* kvm_run, and the ring */
	struct pl011 uart;
	struct lock lock;
	struct console console;
	struct uart_fast fast;
	struct vcpu vcpu;
	struct vm vm;
	const uint32_t *slot; /* memory mapped at the UART's address */
	bool zone;	      /* writes to DR are coalesced */
	bool irq;
	uint64_t deadline, uart_deadline;
	unsigned exits, slots, zones;

	uint8_t printed[STEPS * 200];
	size_t size;
	uint8_t input[8];
	unsigned waiting;
	bool woken; /* the event loop was woken */
};

static struct guest fast, plain;
static struct guest *current;
static uint64_t now;
static bool can_show, can_collect;
static unsigned cleaned;

/* ---- wires ---- */

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0);
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

uint64_t clock_ns(void)
{
	return now;
}

/* Cleans the cache of a word in the page that the current guest reads. */
void cache_clean(const void *at)
{
	assert_in_range((const char *)at - (const char *)current->uart.page, 0, PAGE_SIZE - 4);
	cleaned++;
}

bool vm_add_rom(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size)
{
	assert_ptr_equal(vm, &current->vm);
	assert_int_equal(slot, 1);
	assert_int_equal(at.address, UART_BASE);
	assert_int_equal(size, PAGE_SIZE);
	assert_int_equal((uintptr_t)memory % PAGE_SIZE, 0);
	assert_null(current->slot);
	if (can_show)
		current->slot = memory;
	current->slots++;
	return can_show;
}

void vm_remove_memory(struct vm *vm, unsigned slot)
{
	(void)vm, (void)slot;
	assert_non_null(current->slot);
	current->slot = NULL;
}

bool vm_coalesce_writes(struct vm *vm, gpa_t at, uint32_t size)
{
	(void)vm;
	assert_int_equal(at.address, UART_BASE);
	assert_int_equal(size, 4);
	assert_false(current->zone);
	current->zone = can_collect;
	current->zones++;
	return can_collect;
}

void vm_stop_coalescing(struct vm *vm, gpa_t at, uint32_t size)
{
	(void)vm, (void)at, (void)size;
	assert_true(current->zone);
	current->zone = false;
}

static void set_irq(void *controller, unsigned number, bool level)
{
	(void)number;
	((struct guest *)controller)->irq = level;
}

static void set_device_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)number;
	((struct guest *)clock)->uart_deadline =
		nanoseconds == TIMER_OFF ? TIMER_OFF : now + nanoseconds;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	assert_int_equal(number, 2);
	((struct guest *)clock)->deadline =
		nanoseconds == TIMER_OFF ? TIMER_OFF : now + nanoseconds;
}

/* ---- the console ---- */

bool console_transmit(void *console, const uint8_t *bytes, unsigned count)
{
	assert_ptr_equal(console, &current->console);
	assert_int_equal(current->lock.state, 1);
	memcpy(current->printed + current->size, bytes, count);
	current->size += count;
	return true;
}

void console_request_input(void *console, unsigned room)
{
	unsigned count = room < current->waiting ? room : current->waiting;
	uint16_t symbols[8];

	(void)console;
	assert_true(current->waiting);
	if (!room) {
		current->woken = true;
		return;
	}
	for (unsigned i = 0; i < count; i++)
		symbols[i] = current->input[i];
	current->waiting -= count;
	memmove(current->input, current->input + count, current->waiting);
	pl011_receive(&current->uart, symbols, count, current->waiting);
}

/* ---- KVM ---- */

static struct kvm_coalesced_mmio_ring *ring(void)
{
	return (void *)(current->run + PAGE_SIZE);
}

static void leave(void)
{
	current->exits++;
	uart_fast_drain(&current->fast);
	lock_acquire(&current->lock);
}

static bool collects(uint64_t offset, uint32_t value)
{
	unsigned last = ring()->last;

	if (!current->zone || offset != DR ||
	    (ring()->first - last - 1) % KVM_COALESCED_MMIO_MAX == 0)
		return false;
	ring()->coalesced_mmio[last].len = 4;
	ring()->coalesced_mmio[last].phys_addr = UART_BASE;
	memcpy(ring()->coalesced_mmio[last].data, &value, 4);
	ring()->last = (last + 1) % KVM_COALESCED_MMIO_MAX;
	return true;
}

static void put(uint64_t offset, uint32_t value)
{
	if (collects(offset, value))
		return;
	leave();
	pl011_ops.write(&current->uart, offset, 4, value);
	lock_release(&current->lock);
}

static uint32_t get(uint64_t offset)
{
	uint32_t value;

	if (current->slot)
		return current->slot[offset / 4];
	leave();
	value = (uint32_t)pl011_ops.read(&current->uart, offset, 4);
	lock_release(&current->lock);
	return value;
}

/* ---- time and terminal ---- */

static void pass(uint64_t nanoseconds)
{
	now += nanoseconds;
	if (current->uart_deadline <= now) {
		current->uart_deadline = TIMER_OFF;
		lock_acquire(&current->lock);
		pl011_ops.expire(&current->uart);
		lock_release(&current->lock);
	}
	if (current->deadline > now)
		return;
	current->deadline = TIMER_OFF;
	lock_acquire(&current->lock);
	uart_fast_ops.expire(&current->fast);
	lock_release(&current->lock);
}

static void feed(void)
{
	lock_acquire(&current->lock);
	if (pl011_room(&current->uart) && current->waiting)
		console_request_input(&current->console, pl011_room(&current->uart));
	else
		pl011_receive(&current->uart, NULL, 0, current->waiting);
	lock_release(&current->lock);
	current->woken = false;
}

static void type_byte(uint8_t byte)
{
	if (current->waiting < sizeof current->input)
		current->input[current->waiting++] = byte;
	feed();
}

/* There are no virtio devices: all entries of the ring are the UART's. */
static struct virtio_fast virtio;

void virtio_fast_take(struct virtio_fast *other, unsigned entry)
{
	(void)other, (void)entry;
	fail();
}

static void power_on(struct guest *guest, bool is_plain)
{
	memset(guest, 0, sizeof *guest);
	current = guest;
	guest->deadline = guest->uart_deadline = TIMER_OFF;
	guest->uart = (struct pl011){
		.wires.irq = { .set = set_irq, .controller = guest },
		.wires.timer = { .set = set_device_timer, .clock = guest },
		.transmit = uart_fast_transmit,
		.request_input = uart_fast_request_input,
		.idle = uart_fast_idle,
		.page_changed = uart_fast_page_changed,
		.remove_page = uart_fast_remove_page,
		.stop_coalescing = uart_fast_stop_coalescing,
		.line = &guest->fast,
		.clock = 1,
	};
	guest->console = (struct console){ .uart = &guest->uart, .uart_lock = &guest->lock };
	guest->vcpu = (struct vcpu){ .run = (void *)guest->run, .run_size = sizeof guest->run };
	uart_fast_connect(&guest->fast, &guest->vcpu, &guest->vm, &guest->console, &virtio,
			  (struct timer_line){ .set = set_timer, .clock = guest, .number = 2 },
			  is_plain);
	pl011_ops.reset(&guest->uart);
}

static int setup(void **state)
{
	(void)state;
	can_show = can_collect = true;
	now = 1000000000;
	power_on(&fast, false);
	return 0;
}

/* Prints so many bytes as a polling driver does, one every 10 us. */
static void print(unsigned count)
{
	while (count--) {
		assert_int_equal(get(FR) & 0x20, 0);
		put(DR, 'a');
		pass(10000);
	}
}

/* ---- tests ---- */

static void test_reads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		get(FR);
	assert_in_range(fast.exits, 1, 32);
	assert_non_null(fast.slot);
	assert_int_equal(fast.slots, 1);
	assert_in_range(cleaned, 1, 27); /* only words that changed */
	/* Another CPU may be reading the device at the same time. */
	for (uint64_t offset = 0; offset < PAGE_SIZE; offset += 4)
		assert_int_equal(fast.slot[offset / 4], pl011_ops.read(&fast.uart, offset, 4));
}

/* The page is unmapped before a byte is received, and until the guest has polled in vain for a
 * while. */
static void test_input(void **state)
{
	(void)state;
	put(IMSC, 0x50);
	pass(100000000); /* the guest takes input now */
	for (unsigned i = 0; i < 100; i++)
		get(FR);
	assert_non_null(fast.slot);
	type_byte('x');
	assert_null(fast.slot);
	assert_int_equal(get(FR) & 0x10, 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(get(DR), 'x');
		assert_int_equal(get(FR) & 0x10, 0x10);
		type_byte('x');
	}
	assert_in_range(fast.slots, 1, 10); /* not for each byte */
}

/* When input is pending the page is unmapped, so that polls of the guest are seen. */
static void test_polled_input(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		get(FR);
	assert_non_null(fast.slot);
	type_byte('x');
	assert_null(fast.slot);
	print(100); /* the guest does not poll for input */
	assert_int_equal(fast.waiting, 1);
	assert_null(fast.slot);
	for (unsigned i = 0; i < 4; i++)
		get(FR);
	assert_int_equal(get(DR), 'x');
	for (unsigned i = 0; i < 100; i++)
		get(FR);
	assert_non_null(fast.slot);
}

static void test_burst(void **state)
{
	(void)state;
	print(1000);
	assert_true(fast.zone);
	assert_in_range(fast.exits, 1, 200);
	assert_in_range(fast.size, 1000 - KVM_COALESCED_MMIO_MAX, 1000);
	pass(10000000); /* one tick with bytes in the ring, and one without */
	assert_int_equal(fast.size, 1000);
	assert_true(fast.zone);
	pass(10000000);
	assert_false(fast.zone);
	assert_int_equal(fast.deadline, TIMER_OFF); /* the timer is off while the guest is silent */
	put(DR, 'b');
	assert_int_equal(fast.size, 1001);
}

/* Bytes of a guest that prints only now and then are written at once. */
static void test_slow(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 1000; i++) {
		print(1);
		assert_int_equal(fast.size, i);
		pass(1000000);
	}
	assert_int_equal(fast.zones, 0);
}

/* With a full ring a write is an exit: its byte comes after those in the ring. */
static void test_full(void **state)
{
	(void)state;
	print(200);
	assert_true(fast.zone);
	for (unsigned i = 0; i < 1000; i++)
		put(DR, i);
	get(ICR);
	put(ICR, 0);
	assert_int_equal(fast.size, 1200);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(fast.printed[200 + i], i & 0xff);
}

/* Coalescing ends at once when a byte would have a visible effect: TX was cleared, or loopback is
 * on. */
static void test_visible(void **state)
{
	(void)state;
	print(200);
	assert_true(fast.zone);
	put(IMSC, TX);
	assert_true(fast.zone); /* TX stays raised */
	assert_true(fast.irq);
	put(ICR, TX);
	assert_false(fast.zone);
	assert_false(fast.irq);
	put(DR, 'a');
	assert_true(fast.irq);
	print(200);
	assert_true(fast.zone);
	put(CR, 0x381);
	assert_false(fast.zone);
	put(DR, 'x');
	assert_null(fast.slot);
	assert_int_equal(get(DR), 'x');
}

/* Bytes that another CPU has put into the ring when coalescing ends are written by the timer. */
static void test_left_over(void **state)
{
	(void)state;
	print(200);
	collects(DR, 'l');
	lock_acquire(&fast.lock);
	pl011_ops.write(&fast.uart, ICR, 4, TX); /* by an exit that has found the ring empty */
	lock_release(&fast.lock);
	assert_false(fast.zone);
	pass(5000000);
	assert_int_equal(fast.printed[fast.size - 1], 'l');
	assert_int_equal(fast.deadline, TIMER_OFF);
}

/* Hosts without read-only memory, without coalescing, or without both. */
static void test_lacking(void **state)
{
	(void)state;
	can_show = false;
	print(1000);
	assert_int_equal(fast.slots, 1); /* it is tried only once */
	assert_int_equal(fast.size, 1000);
	setup(state);
	can_collect = false;
	print(1000);
	assert_int_equal(fast.size, 1000);
	assert_int_equal(fast.deadline, TIMER_OFF);
	power_on(&fast, true);
	print(1000);
	assert_int_equal(fast.slots + fast.zones, 0);
}

/* A KVM that has no ring. */
static void test_no_ring(void **state)
{
	struct vcpu vcpu = { .run = (void *)fast.run, .run_size = PAGE_SIZE };

	(void)state;
	uart_fast_connect(&fast.fast, &vcpu, &fast.vm, &fast.console, &virtio,
			  (struct timer_line){ .set = set_timer, .clock = &fast, .number = 2 },
			  false);
	uart_fast_drain(&fast.fast);
	assert_int_equal(fast.size, 0);
}

/* ---- comparison with a guest without the fast path ---- */

static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

/* Makes a step of a script with the current guest. Returns the sum of the values read. */
static uint32_t step(unsigned what, unsigned a, uint32_t b)
{
	static const uint16_t offsets[] = { DR,	 RSR,  FR,   LCR_H, CR,	  IMSC, RIS,
					    ICR, 0x34, 0x40, 0xfe0, 0x1c, 0x24, FR };
	uint64_t offset = offsets[a % (sizeof offsets / sizeof *offsets)];
	uint32_t sum = 0;

	if (current->woken)
		feed();
	switch (what) {
	case 0:
		put(offset, offset == CR && b % 4 ? 0x301 : b);
		break;
	case 1:
		type_byte((uint8_t)b);
		break;
	case 2:
		pass(a * 100000ull);
		break;
	case 3:
		for (unsigned i = 0; i < a; i++)
			put(DR, b + i);
		break;
	case 4: /* an exit, which drains the ring */
		for (unsigned i = 0; i < 40; i++)
			if (!(get(FR) & 0x10))
				sum = sum * 31 + get(DR);
		put(ICR, b & 0x7ff);
		put(RSR, 0);
		break;
	case 5:
		for (unsigned i = 0; i < a; i++)
			sum = sum * 31 + get(FR);
		break;
	default:
		sum = get(offset);
	}
	return sum * 31 + current->irq;
}

static void test_same(void **state)
{
	unsigned exits[2] = { 0 }, slots = 0, zones = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		seed = round;
		setup(state);
		power_on(&plain, true);
		for (unsigned i = 0; i < STEPS / 10; i++) {
			unsigned what = random_below(8), a = random_below(100);
			uint32_t b = random_below(0x1000);
			uint64_t time = now;
			uint32_t sum;

			current = &plain;
			sum = step(what, a, b);
			now = time;
			current = &fast;
			if (sum != step(what, a, b))
				fail_msg("seed %u, step %u: %u %u %u", round, i, what, a, b);
		}
		uart_fast_take(&fast.fast);
		assert_int_equal(fast.size, plain.size);
		assert_memory_equal(fast.printed, plain.printed, plain.size);
		exits[0] += fast.exits;
		exits[1] += plain.exits;
		slots += fast.slots;
		zones += fast.zones;
	}
	print_message("# exits: %u, %u without; %u slots, %u zones\n", exits[0], exits[1], slots,
		      zones);
	assert_true(exits[0] < exits[1] && slots > ROUNDS && zones > ROUNDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	static const struct CMUnitTest tests[] = {
		TEST(test_reads),   TEST(test_input),	  TEST(test_polled_input),
		TEST(test_burst),   TEST(test_slow),	  TEST(test_full),
		TEST(test_visible), TEST(test_left_over), TEST(test_lacking),
		TEST(test_no_ring), TEST(test_same),
	};

	return RUN(tests);
}
