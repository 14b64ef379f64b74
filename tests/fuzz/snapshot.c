// SPDX-License-Identifier: MIT
/*
 * Fuzzes who reads snapshots: --describe, --diff, a core file, and a resume up to what KVM is told.
 * The input is a snapshot's header and entries, whose checksum is made to fit. Each is refused with
 * advice, or read without an access beyond the file or the guest's memory.
 */
#include "fuzz.h"
#include "tests/unit/no_kvm.h"
#include "tests/unit/reports.h"

#include "devices/virtio/block.h"
#include "devices/virtio/entropy.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/snapshot_text.h"
#include "vmm/host/clock.h"
#include "vmm/kvm/kvm_state.h"
#include "vmm/machine/machine.h"
#include "vmm/snapshot/resume.h"
#include "vmm/snapshot/save.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define FILE_SIZE (4 * SNAPSHOT_ALIGN)
#define RAM_MAX (16ul << 20) /* bytes; a machine with more is not made */

/* ---- system calls ---- */

/* Copies of the state, which end where the state does: ASan finds an access behind that. */
static void *copies[8];
static unsigned copy_count;
static uint8_t *flash_bytes, *ram;

static void free_all(void)
{
	while (copy_count)
		free(copies[--copy_count]);
	free(ram);
	ram = NULL;
}

/* A part of the guest's memory becomes zero. */
static long clear(uint8_t *at, size_t size)
{
	require(at >= flash_bytes && at + size <= flash_bytes + FLASH_SIZE);
	require(mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0) == at);
	return (long)at;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)c, (void)e, (void)f;
	require(number == SYS_mmap);
	if (d & MAP_FIXED)
		return clear((uint8_t *)a, (size_t)b);
	require(copy_count < sizeof copies / sizeof *copies);
	copies[copy_count] = calloc(1, (size_t)b);
	return (long)copies[copy_count++];
}

/* ---- what is not there ---- */

const char *error_text(int error)
{
	return strerror(error);
}

uint64_t counter_frequency(void)
{
	return 62500000;
}

uint64_t counter_value(void)
{
	return 1000000;
}

uint64_t clock_realtime_seconds(void)
{
	return 1700000000;
}

void clock_resume(uint64_t counter)
{
	(void)counter;
}

void clock_jump(uint64_t nanoseconds)
{
	(void)nanoseconds;
}

void random_bytes(void *to, size_t size)
{
	memset(to, 4, size);
}

void lock_acquire(struct lock *lock)
{
	require(lock->state++ == 0);
}

void lock_release(struct lock *lock)
{
	require(lock->state-- == 1);
}

void options_default(struct options *options)
{
	*options = (struct options){ .memory = 128ul << 20, .cpus = 1, .append = "" };
}

/* ---- KVM ---- */

static struct resume resumed; /* the snapshot that is resumed */

/* The host's CPUs are those of the snapshot, but lack some registers. */
int state_get_register(const struct vcpu *vcpu, uint64_t id, void *bytes)
{
	const struct snapshot_entry *entry = NULL;

	(void)vcpu;
	while ((entry = snapshot_next(resumed.state, entry)))
		if (entry->kind == SNAPSHOT_CPU_IS && entry->id == id &&
		    entry->size <= STATE_VALUE_MAX)
			memcpy(bytes, snapshot_bytes(entry), entry->size);
	return id % 256 == 255 ? -ENOENT : 0;
}

int state_read_tables(const struct vm *vm, void *(*map)(void *memory, uint64_t at, uint64_t size),
		      void *memory)
{
	(void)map, (void)memory;
	(void)vm;
	return 0;
}

int state_set(const struct vm *vm, const struct vcpu *vcpus, const struct state_value *value)
{
	const struct machine *machine =
		(const void *)((const char *)vm - offsetof(struct machine, vm));

	require(vcpus == machine->run.vcpus && value->cpu < machine->run.cpus);
	require(value->size <= STATE_VALUE_MAX);
	return value->number % 256 == 255 ? -EINVAL : 0;
}

void state_raise_again(const struct vm *vm, unsigned spi)
{
	(void)vm;
	require(spi < GIC_SPIS);
}

/* ---- the machine ---- */

static struct machine machine;
static struct virtio_block block;
static struct virtio_entropy entropy;

static void set_irq(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number, (void)level;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number, (void)nanoseconds;
}

static bool transmit(void *line, const uint8_t *bytes, unsigned count)
{
	(void)line, (void)bytes, (void)count;
	return true;
}

static void request_input(void *line, unsigned room)
{
	(void)line, (void)room;
}

static void idle(void *line)
{
	(void)line;
}

static void finish(void *listener, enum finish how, uint16_t code)
{
	(void)listener, (void)how, (void)code;
	abort();
}

static bool map_block(void *bank, uint64_t offset, uint8_t *bytes)
{
	(void)bank;
	require(offset % FLASH_BLOCK == 0 && offset < FLASH_BANK);
	require(!bytes || (bytes >= flash_bytes && bytes < flash_bytes + FLASH_SIZE));
	return true;
}

static void unmap_block(void *bank, uint64_t offset)
{
	(void)bank, (void)offset;
}

static bool start(void *disk, struct block_request *request, enum block_status *status)
{
	(void)disk, (void)request;
	*status = BLOCK_OK;
	return true;
}

static void fill(void *to, size_t size)
{
	memset(to, 1, size);
}

static const struct {
	const struct device_ops *ops;
	void *device;
	uint64_t base, size;
	unsigned spi;
} devices[] = {
	{ &flash_ops, &machine.banks[0].flash, FLASH_BASE, FLASH_BANK_SIZE, 0 },
	{ &flash_ops, &machine.banks[1].flash, FLASH_BASE + FLASH_BANK_SIZE, FLASH_BANK_SIZE, 0 },
	{ &pl011_ops, &machine.uart, UART_BASE, UART_SIZE, UART_SPI },
	{ &pl031_ops, &machine.rtc, RTC_BASE, RTC_SIZE, RTC_SPI },
	{ &pl061_ops, &machine.gpio, GPIO_BASE, GPIO_SIZE, GPIO_SPI },
	{ &vmgenid_ops, &machine.vmgenid, VMGENID_BASE, VMGENID_SIZE, VMGENID_SPI },
	{ &finisher_ops, &machine.finisher, FINISHER_BASE, FINISHER_SIZE, 0 },
	{ &virtio_block_ops, &block, VIRTIO_BASE, VIRTIO_SLOT, VIRTIO_SPI },
	{ &virtio_timed_ops, &entropy, VIRTIO_BASE + VIRTIO_SLOT, VIRTIO_SLOT, VIRTIO_SPI + 1 },
};

const struct device_ops *machine_device(uint64_t base)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].base == base && base < VIRTIO_BASE)
			return devices[i].ops;
	return NULL;
}

static void connect_devices(void)
{
	machine.uart = (struct pl011){ .transmit = transmit,
				       .request_input = request_input,
				       .idle = idle,
				       .clock = UART_CLOCK };
	machine.rtc = (struct pl031){ .seconds = clock_realtime_seconds };
	machine.finisher = (struct finisher){ .finish = finish };
	block = (struct virtio_block){ .disk = { .sectors = 2048, .start = start } };
	block_init(&block, false);
	virtio_entropy_init(&entropy, fill);
	for (unsigned i = 0; i < ARRAY_SIZE(machine.banks); i++)
		machine.banks[i].flash = (struct flash){
			.storage = flash_bytes + (size_t)i * FLASH_BANK_SIZE,
			.written = &machine.banks[i].written,
			.map = map_block,
			.unmap = unmap_block,
		};
}

/* A machine of this shape, in the state after power-on. */
static void power_on(const struct options *options)
{
	static struct vcpu vcpus[1];
	static uint8_t stolen_time[STEAL_SIZE];

	memset(&machine, 0, sizeof machine);
	ram = malloc(options->memory);
	machine.memory = (struct guest_memory){ .base = GPA(RAM_BASE),
						.size = options->memory,
						.host = ram };
	machine.run.cpus = (unsigned)options->cpus;
	machine.run.vcpus = vcpus;
	machine.stolen_time = stolen_time;
	machine.flash_storage = flash_bytes;
	connect_devices();
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		*(struct wires *)devices[i].device = (struct wires){
			.irq.set = set_irq,
			.timer.set = set_timer,
			.dma = { memory_dma_map, memory_dma_written, &machine.memory },
		};
		bus_add(&machine.bus, GPA(devices[i].base), devices[i].size, devices[i].ops,
			devices[i].device)
			->spi = devices[i].spi;
		devices[i].ops->reset(devices[i].device);
	}
}

/* The host is like the one on which it was saved, but for some of its features. */
void snapshot_describe(const struct machine *of, struct snapshot_shape *shape)
{
	require(of == &machine);
	*shape = *resumed.shape;
	shape->features &= ~(uint32_t)SNAPSHOT_SVE;
}

/* Disks of the machine that is resumed: it has none. */
struct disk_device *snapshot_disk(const struct virtio_slot *slot)
{
	(void)slot;
	return NULL;
}

void disk_drop_overlay(struct disk *disk)
{
	(void)disk;
	require(false);
}

void console_resumed(struct console *console)
{
	(void)console;
}

/* ---- the readers ---- */

static struct payload file;

void payload_open(struct payload *payload, const char *option, const char *name)
{
	(void)option, (void)name;
	*payload = file;
}

int test_dprintf(int fd, const char *format, ...)
{
	char line[512];
	va_list arguments;
	int size;

	require(fd == 1);
	va_start(arguments, format);
	size = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	require(size > 0 && size < (int)sizeof line && strchr(line, '\n') == line + size - 1);
	for (int i = 0; i < size - 1; i++)
		require(line[i] >= ' ' && line[i] <= '~');
	return size;
}

bool dump_write_core(int fd, const struct core_content *content)
{
	uint64_t registers[34];

	(void)fd;
	for (unsigned i = 0; i < content->part_count; i++) {
		const struct core_part *part = &content->parts[i];

		require(part->size % SNAPSHOT_ALIGN == 0 && part->offset < content->size &&
			part->size <= content->size - part->offset);
		require(part->bytes >= file.data &&
			part->bytes + part->size <= file.data + file.size);
	}
	content->get_registers(content->context, 0, registers);
	return true;
}

static void look(void)
{
	if (setjmp(on_die))
		require(strstr(last_report, "snapshot"));
	else
		snapshot_text_print("", 1);
	if (!setjmp(on_die))
		snapshot_text_diff("", "");
}

/* Bits of an input's first byte. */
enum { AS_IT_IS = 1, VERIFY = 2, WITH_DISK = 4 };

static void resume(unsigned how)
{
	struct options options;

	options_default(&options);
	options.verify = how & VERIFY;
	options.devices[0] = (struct device_option){ .kind = DEVICE_DISK, .file = "" };
	options.device_count = how & WITH_DISK ? 1 : 0;
	if (setjmp(on_die)) {
		require(strlen(last_report) > 10);
		return;
	}
	resume_open(&resumed, &file, &options);
	if (options.memory > RAM_MAX || options.cpus > 1)
		return;
	power_on(&options);
	resume_prepare(&resumed, &machine);
	resume_load(&resumed, &machine);
}

/* Fields of the header that would just be refused are made to fit. */
static void make_file(uint8_t *bytes, const uint8_t *data, size_t size)
{
	struct snapshot_header *header = (struct snapshot_header *)bytes;

	memcpy(bytes, data + 1, size - 1);
	if (size - 1 < sizeof *header || data[0] & AS_IT_IS)
		return;
	memcpy(header->magic, "NSTLsnap", sizeof header->magic);
	header->version = SNAPSHOT_VERSION;
	header->header_size = sizeof *header;
	header->state_size = (size - 1) & ~7ull;
	header->file_size = FILE_SIZE;
	header->checksum = 0;
	header->checksum = snapshot_checksum(0, bytes, header->state_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (size < 1 || size > SNAPSHOT_ALIGN)
		return 0;
	if (!flash_bytes)
		flash_bytes = mmap(NULL, FLASH_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bytes = calloc(1, FILE_SIZE);
	make_file(bytes, data, size);
	file = (struct payload){
		.name = "fuzz", .data = bytes, .size = FILE_SIZE, .backing = OWN_IMAGE
	};
	look();
	free_all();
	resume(data[0]);
	free_all();
	free(bytes);
	return 0;
}
