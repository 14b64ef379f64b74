// SPDX-License-Identifier: MIT
/*
 * Fuzzes the bus and every device on it with a script of what guest, line and clock can do.
 * Whatever that is, an answer fits its size, an interrupt's level is what the registers say, and no
 * lock is taken twice.
 */
#include "fuzz.h"

#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/virtio_mmio.h"
#include "vmm/machine/bus.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#define TIMERS 2

static struct bus bus;
static struct pl011 uart;
static struct pl031 rtc;
static struct finisher finisher;
static struct flash flash;
static struct lock lock; /* one for all: there is one thread */
static struct run run;

static uint64_t seconds;
static bool line[UART_SPI + RTC_SPI + 1];
static bool armed[TIMERS];
static bool is_stalled; /* the terminal */

/* ---- what is around them ---- */

void lock_acquire(struct lock *taken)
{
	require(taken->state++ == 0);
}

void lock_release(struct lock *taken)
{
	require(taken->state-- == 1);
}

void report(const char *format, ...)
{
	(void)format;
}

void run_end(struct run *ended, enum end end, int status)
{
	(void)status;
	ended->end = end;
}

static void set_irq(void *controller, unsigned number, bool level)
{
	(void)controller;
	require(line[number] != level); /* it is told of changes alone */
	line[number] = level;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock;
	armed[number] = nanoseconds != TIMER_OFF;
}

static bool transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	(void)opaque, (void)bytes, (void)count;
	return !is_stalled;
}

static void empty(void *opaque, unsigned room)
{
	static const uint16_t symbols[PL011_FIFO] = { 'e', PL011_BREAK };

	(void)opaque;
	require(uart.offered && uart.rx.count + room <= PL011_FIFO);
	if (room)
		pl011_receive(&uart, symbols, room, room % 2);
}

static void idle(void *opaque)
{
	(void)opaque;
	require(!uart.offered);
}

static uint64_t time_of_day(void)
{
	return seconds;
}

static void finish(void *listener, enum finish how, uint16_t code)
{
	(void)listener, (void)code;
	require(how == FINISH_PASS || how == FINISH_FAIL || how == FINISH_RESET);
}

static bool show(void *listener, uint64_t offset)
{
	(void)listener;
	require(offset % FLASH_BLOCK == 0 && offset < FLASH_SIZE);
	return offset & FLASH_BLOCK;
}

/* ---- the script ---- */

static const struct {
	const struct device_ops *ops;
	void *device;
	uint64_t base, size;
} devices[] = {
	{ &pl011_ops, &uart, UART_BASE, UART_SIZE },
	{ &pl031_ops, &rtc, RTC_BASE, RTC_SIZE },
	{ &finisher_ops, &finisher, FINISHER_BASE, FINISHER_SIZE },
	{ &flash_ops, &flash, FLASH_BASE, FLASH_SIZE },
	{ &virtio_mmio_ops, NULL, VIRTIO_BASE, VIRTIO_SIZE },
};
#define DEVICES (sizeof devices / sizeof *devices)

static void power_on(void)
{
	memset(&bus, 0, sizeof bus);
	uart = (struct pl011){
		.irq = { .set = set_irq, .number = UART_SPI },
		.timer = { .set = set_timer, .number = 0 },
		.transmit = transmit,
		.empty = empty,
		.idle = idle,
		.clock = UART_CLOCK,
	};
	rtc = (struct pl031){
		.irq = { .set = set_irq, .number = RTC_SPI },
		.timer = { .set = set_timer, .number = 1 },
		.seconds = time_of_day,
	};
	finisher = (struct finisher){ .finish = finish };
	flash = (struct flash){ .show = show };
	memset(line, 0, sizeof line);
	seconds = 0;
	for (size_t i = 0; i < DEVICES; i++) {
		devices[i].ops->reset(devices[i].device);
		bus_add(&bus, (struct bus_region){ GPA(devices[i].base), devices[i].size,
						   devices[i].ops, devices[i].device, &lock, 0 });
	}
}

/* Mostly a device's registers, at any alignment; sometimes anywhere. */
static gpa_t place(struct input *input)
{
	unsigned which = (unsigned)take(input, 1);
	uint64_t offset = take(input, 2);

	if (which % 8 >= DEVICES)
		return GPA(take(input, 8));
	if (which & 0x80)
		offset = devices[which % 8].size - (offset & 15);
	return GPA(devices[which % 8].base + offset % devices[which % 8].size);
}

static void access_guest(struct input *input, bool is_write)
{
	gpa_t at = place(input);
	unsigned size = 1u << take(input, 1) % 4;
	uint64_t mask = ~0ull >> (64 - 8 * size);

	if (is_write)
		bus_write(&bus, at, size, take(input, size));
	else
		require((bus_read(&bus, at, size) & ~mask) == 0);
}

/* Even more than there is room for. */
static void receive(struct input *input)
{
	static const uint16_t symbols[PL011_FIFO + 8];
	unsigned count = (unsigned)take(input, 1);

	pl011_receive(&uart, symbols, count % (PL011_FIFO + 9), count & 0x80);
}

static void step(struct input *input)
{
	switch (take(input, 1) % 12) {
	case 0:
		receive(input);
		break;
	case 1:
		pl011_receive(&uart, (uint16_t[]){ PL011_BREAK }, 1, uart.offered);
		break;
	case 2:
		is_stalled = !is_stalled;
		if (!is_stalled)
			pl011_ready(&uart);
		break;
	case 3:
		if (armed[0])
			pl011_ops.expire(&uart);
		break;
	case 4:
		seconds += take(input, 4);
		if (armed[1])
			pl031_ops.expire(&rtc);
		break;
	case 5:
		bus.strict = bus.strict ? NULL : &run;
		break;
	case 6:
	case 7:
	case 8:
		access_guest(input, true);
		break;
	default:
		access_guest(input, false);
	}
}

/* A register as a driver reads it. */
static uint64_t reg(uint64_t base, uint64_t offset)
{
	return bus_read(&bus, GPA(base + offset), 4);
}

static void check(void)
{
	uint64_t raw = reg(UART_BASE, 0x3c); /* first: input may come by it */

	require(lock.state == 0 && bus.lock.state == 0 && bus.reports <= BUS_REPORTS);
	require(uart.rx.count <= PL011_FIFO);
	/* Bytes wait for the receiver only in loopback, and while that is full. */
	require(uart.tx.count == 0 ||
		(uart.stored[PL011_CR] & 0x80 && uart.tx.count <= PL011_FIFO &&
		 uart.rx.count == (uart.stored[PL011_LCR_H] & 0x10 ? PL011_FIFO : 1)));
	require(line[UART_SPI] == (reg(UART_BASE, 0x40) != 0));
	require(reg(UART_BASE, 0x40) == (raw & reg(UART_BASE, 0x38)));
	require(line[RTC_SPI] == (reg(RTC_BASE, 0x18) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	is_stalled = false;
	power_on();
	while (input.size) {
		step(&input);
		check();
	}
	return 0;
}
