// SPDX-License-Identifier: MIT
/*
 * Fuzzes the bus and every device on it with a script of events of guest, serial line and clock. A
 * read value always fits the access's size, an interrupt's level is what the registers say, and no
 * lock is taken twice.
 */
#include "fuzz.h"

#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/fw_cfg.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/pl061.h"
#include "devices/virtio/mmio.h"
#include "vmm/machine/bus.h"
#include "vmm/machine/map.h"
#include "vmm/machine/run.h"
#include "vmm/machine/stray.h"
#include "vmm/report.h"

#define TIMERS 2

static struct bus bus;
static struct pl011 uart;
static struct pl031 rtc;
static struct pl061 gpio;
static struct finisher finisher;
static struct flash flash;
static struct fw_cfg fw_cfg;
static uint8_t ram[4096], kernel[1000];
static uint8_t flash_bytes[FLASH_BANK];
static uint32_t flash_written;
static struct virtio empty_slot;
static struct stray stray;
static struct run run;

static uint64_t seconds;
static bool line[GPIO_SPI + 1];
static bool armed[TIMERS];
static bool is_stalled; /* the terminal accepts no output */

/* ---- wires ---- */

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
	require(line[number] != level); /* only changes are reported */
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

static void request_input(void *opaque, unsigned room)
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
	(void)listener;
	require(how <= FINISH_SAVE && (code == 0 || how == FINISH_FAIL));
}

static void mark_written(void *memory, const void *bytes, uint64_t length)
{
	(void)memory;
	require((const uint8_t *)bytes >= flash_bytes &&
		length <= (uint64_t)(flash_bytes + FLASH_BANK - (const uint8_t *)bytes));
}

static bool map_block(void *listener, uint64_t offset, uint8_t *bytes)
{
	(void)listener;
	require(offset % FLASH_BLOCK == 0 && offset < FLASH_BANK);
	require(!bytes || bytes == flash_bytes + offset);
	return true;
}

static void unmap_block(void *listener, uint64_t offset)
{
	(void)listener;
	require(offset % FLASH_BLOCK == 0 && offset < FLASH_BANK);
}

static bool keep(void *listener, uint64_t offset, uint64_t length)
{
	(void)listener;
	require(length && offset < FLASH_BANK && length <= FLASH_BANK - offset);
	return offset % 3 != 0;
}

static void *map_ram(void *memory, uint64_t at, uint64_t length)
{
	(void)memory;
	if (at < RAM_BASE || at - RAM_BASE > sizeof ram || length > sizeof ram - (at - RAM_BASE))
		return NULL;
	return ram + (at - RAM_BASE);
}

static void ram_written(void *memory, const void *bytes, uint64_t length)
{
	(void)memory;
	require((const uint8_t *)bytes >= ram &&
		length <= (uint64_t)(ram + sizeof ram - (const uint8_t *)bytes));
}

/* ---- the script ---- */

static const struct {
	const struct device_ops *ops;
	void *device;
	uint64_t base, size;
} devices[] = {
	{ &flash_ops, &flash, FLASH_BASE, FLASH_BANK_SIZE },
	{ &pl011_ops, &uart, UART_BASE, UART_SIZE },
	{ &pl031_ops, &rtc, RTC_BASE, RTC_SIZE },
	{ &pl061_ops, &gpio, GPIO_BASE, GPIO_SIZE },
	{ &finisher_ops, &finisher, FINISHER_BASE, FINISHER_SIZE },
	{ &virtio_empty_ops, &empty_slot, VIRTIO_BASE, VIRTIO_SLOT },
	{ &fw_cfg_ops, &fw_cfg, FW_CFG_BASE, FW_CFG_SIZE },
};
/* By address: the numbers of those that were there first stay what they are in the corpus. */
static const uint8_t on_bus[] = { 0, 1, 2, 6, 3, 4, 5 };
#define DEVICES (sizeof devices / sizeof *devices)

static void power_on(void)
{
	memset(&bus, 0, sizeof bus);
	memset(&stray, 0, sizeof stray);
	bus.on_stray = stray_access;
	bus.stray = &stray;
	uart = (struct pl011){
		.wires.irq = { .set = set_irq, .number = UART_SPI },
		.wires.timer = { .set = set_timer, .number = 0 },
		.transmit = transmit,
		.request_input = request_input,
		.idle = idle,
		.clock = UART_CLOCK,
	};
	rtc = (struct pl031){
		.wires.irq = { .set = set_irq, .number = RTC_SPI },
		.wires.timer = { .set = set_timer, .number = 1 },
		.seconds = time_of_day,
	};
	gpio = (struct pl061){ .wires.irq = { .set = set_irq, .number = GPIO_SPI } };
	finisher = (struct finisher){ .finish = finish };
	flash_written = 0;
	flash = (struct flash){ .wires.dma.written = mark_written,
				.storage = flash_bytes,
				.written = &flash_written,
				.map = map_block,
				.unmap = unmap_block,
				.keep = keep };
	fw_cfg = (struct fw_cfg){ .wires.dma = { .map = map_ram, .written = ram_written } };
	fw_cfg.files[FW_CFG_KERNEL].bytes = kernel;
	fw_cfg.files[FW_CFG_KERNEL].size = sizeof kernel;
	memset(ram, 0, sizeof ram);
	memset(line, 0, sizeof line);
	seconds = 0;
	for (size_t at = 0; at < DEVICES; at++) {
		size_t i = on_bus[at];

		devices[i].ops->reset(devices[i].device);
		bus_add(&bus, GPA(devices[i].base), devices[i].size, devices[i].ops,
			devices[i].device);
	}
}

/* An address: mostly of a device's registers, at any alignment; sometimes any. */
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

/* Receives symbols, sometimes more than there is room for. */
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
	case 9:
		pl061_set_pin(&gpio, (unsigned)take(input, 1) % PL061_PINS, take(input, 1) & 1);
		break;
	case 10: /* a word of RAM: of a descriptor */
		memcpy(ram + take(input, 1) % 64 * 4, (uint32_t[]){ (uint32_t)take(input, 4) }, 4);
		break;
	case 5:
		stray.strict = stray.strict ? NULL : &run;
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

/* Reads a register as a driver does. */
static uint64_t reg(uint64_t base, uint64_t offset)
{
	return bus_read(&bus, GPA(base + offset), 4);
}

static void check(void)
{
	uint64_t raw = reg(UART_BASE, 0x3c); /* first, because the read may deliver input */

	require(stray.lock.state == 0 && stray.reports <= STRAY_REPORTS);
	for (unsigned i = 0; i < bus.count; i++)
		require(bus.regions[i].lock.state == 0);
	require(uart.rx.count <= PL011_FIFO);
	/* The transmit FIFO has bytes only in loopback, while the receive FIFO is full. */
	require(uart.tx.count == 0 ||
		(uart.stored[PL011_CR] & 0x80 && uart.tx.count <= PL011_FIFO &&
		 uart.rx.count == (uart.stored[PL011_LCR_H] & 0x10 ? PL011_FIFO : 1)));
	require(line[UART_SPI] == (reg(UART_BASE, 0x40) != 0));
	require(reg(UART_BASE, 0x40) == (raw & reg(UART_BASE, 0x38)));
	require(line[GPIO_SPI] == (reg(GPIO_BASE, 0x418) != 0));
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
