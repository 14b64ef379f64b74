// SPDX-License-Identifier: MIT
/* vmm/debug/snapshot_text.c: what is printed of snapshots, in what two differ, and that no bit of a
 * file makes it read beyond. */
#include "unit.h"

#include "devices/pl011.h"
#include "devices/virtio/mmio.h"
#include "tests/unit/no_kvm.h"
#include "tests/unit/reports.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/snapshot_text.h"
#include "vmm/kvm/kvm_state.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/machine.h"
#include "vmm/snapshot/resume.h"

#include <stdlib.h>

#define MIB (1ul << 20)
#define ROOM 16384
#define RAM_AT SNAPSHOT_ALIGN /* in the file */
#define FILE_SIZE (RAM_AT + 2 * SNAPSHOT_ALIGN)

/* ---- stubs ---- */

const char *error_text(int error)
{
	return strerrorname_np(error);
}

/* The machine's, but for those that the tests do not have. */
const struct device_ops *machine_device(uint64_t base)
{
	return base == UART_BASE ? &pl011_ops : NULL;
}

/* ---- files ---- */

static struct payload files[2]; /* "a" and "b" */

void payload_open(struct payload *payload, const char *option, const char *name)
{
	assert_string_equal(option, "");
	*payload = files[*name - 'a'];
}

/* The copy has just these bytes, so that a sanitizer sees what is read beyond. */
static uint8_t *copies[2];
static unsigned copy_count;

static void free_copies(void)
{
	while (copy_count)
		free(copies[--copy_count]);
}

const uint8_t *resume_read(const struct payload *file)
{
	uint64_t size = snapshot_state_size(file->data, file->size);
	const char *wrong = "has a damaged header";

	if (size) {
		uint8_t *copy = copies[copy_count++] = malloc(size);

		memcpy(copy, file->data, size);
		wrong = snapshot_check(copy, file->size);
		if (!wrong)
			return copy;
	}
	die(STATUS_PAYLOAD, "%s: this snapshot %s", file->name, wrong);
}

/* ---- output ---- */

static char printed[65536];
static size_t printed_size;

int test_dprintf(int fd, const char *format, ...)
{
	size_t room = sizeof printed - printed_size;
	va_list arguments;
	size_t n;

	assert_int_equal(fd, 1);
	va_start(arguments, format);
	n = (size_t)vsnprintf(printed + printed_size, room, format, arguments);
	va_end(arguments);
	printed_size += n < room ? n : room - 1;
	return (int)n;
}

static uint64_t core_registers[GENERAL_REGISTERS];
static char core_said[256];

static bool can_write = true;

bool dump_write_core(int fd, const struct core_content *content)
{
	size_t used = (size_t)snprintf(core_said, sizeof core_said, "%d: %u CPUs, %lu MiB", fd,
				       content->cpus, content->size / MIB);

	for (unsigned i = 0; i < content->part_count; i++)
		used += (size_t)snprintf(core_said + used, sizeof core_said - used,
					 ", %#lx+%#lx %d", content->parts[i].offset,
					 content->parts[i].size, content->parts[i].bytes[0]);
	content->get_registers(content->context, content->cpus - 1, core_registers);
	return can_write;
}

/* Prints one or compares two. Returns the status of die, or 0. */
static int print(bool is_diff, int core)
{
	int status = setjmp(on_die);

	printed_size = 0;
	printed[0] = '\0';
	if (status == 0 && is_diff)
		assert_int_equal(snapshot_text_diff("a", "b"), 0);
	else if (status == 0)
		status = snapshot_text_print("a", core);
	free_copies();
	return status;
}

/* ---- a snapshot ---- */

static struct snapshot_writer writer;
static _Alignas(uint64_t) uint8_t bytes[ROOM];

static void add(uint32_t kind, uint32_t cpu, uint64_t id, const void *data, uint32_t size)
{
	memcpy(snapshot_add(&writer, kind, cpu, id, size), data, size);
}

static void add_register(uint32_t cpu, uint64_t id, uint64_t value)
{
	add(SNAPSHOT_KVM + STATE_REGISTER, cpu, id, &value, sizeof value);
}

static uint64_t no_time_left(void *clock, unsigned number)
{
	(void)clock, (void)number;
	return 1234;
}

static void add_uart(uint16_t control)
{
	struct pl011 uart = { .wires.timer.left = no_time_left, .raw = 0x20 };
	uint8_t state[512];

	uart.stored[PL011_CR] = control;
	device_save(&pl011_ops, &uart, state);
	add(SNAPSHOT_DEVICE, 0, UART_BASE, state, (uint32_t)device_state_size(&pl011_ops));
}

static void add_shape(void)
{
	struct snapshot_shape *shape = snapshot_add(&writer, SNAPSHOT_SHAPE, 0, 0, sizeof *shape);

	shape->memory = 4 * MIB;
	shape->cpus = 2;
	shape->gic = 3;
	shape->features = SNAPSHOT_PMU | SNAPSHOT_PAUTH;
	shape->frequency = 62500000;
	shape->counter = 1000;
	shape->seconds = 1700000000;
	shape->slots[0] = (struct snapshot_slot){ 2, SNAPSHOT_READ_ONLY, 2048, "one\033", 17 };
	shape->slots[1] =
		(struct snapshot_slot){ 1, SNAPSHOT_LEGACY, 0, { 0x52, 0x54, 0, 1, 2, 3 }, 0 };
}

/* Finishes it as a file of just its size. */
static void finish(unsigned number)
{
	static const struct snapshot_extent extents[] = {
		{ FLASH_BASE, SNAPSHOT_ALIGN, RAM_AT },
		{ RAM_BASE + MIB, SNAPSHOT_ALIGN, RAM_AT + SNAPSHOT_ALIGN },
	};
	uint8_t *file = calloc(1, FILE_SIZE);

	for (size_t i = 0; i < ARRAY_SIZE(extents); i++)
		add(SNAPSHOT_EXTENT, 0, 0, &extents[i], sizeof extents[i]);
	snapshot_finish(&writer, FILE_SIZE, 0);
	memcpy(file, bytes, writer.used);
	file[extents[0].offset] = 11;
	file[extents[1].offset] = 22;
	free((void *)(uintptr_t)files[number].data);
	files[number] = (struct payload){ number ? "b" : "a", file, FILE_SIZE, OWN_IMAGE, -1 };
}

#define VECTOR(n)                                                                                  \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |                                    \
	 (KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]) + 4ul * (n)))

static void make(unsigned number, uint64_t x0, uint16_t control)
{
	static const uint64_t vector[] = { 5, 6 }, stolen[] = { 0, 77, 0 };
	static const uint32_t power = 5, group = 0x10;

	snapshot_begin(&writer, bytes, sizeof bytes);
	add_shape();
	add(SNAPSHOT_CPU_IS, 0, ARM64_SYS_REG(3, 0, 0, 0, 0), vector, 8);
	add(SNAPSHOT_STOLEN, 0, 0, stolen, sizeof stolen);
	add_uart(control);
	add(SNAPSHOT_KVM + STATE_GIC, 0, (uint64_t)KVM_DEV_ARM_VGIC_GRP_DIST_REGS << 32 | 0x104,
	    &group, sizeof group);
	add(SNAPSHOT_KVM + STATE_GIC, 1, (uint64_t)KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS << 32 | 0xc230,
	    &group, sizeof group);
	if (x0)
		add_register(0, CORE_REGISTER(regs.regs[0]), x0);
	add_register(0, CORE_REGISTER(regs.pstate), 0x3c9);
	add_register(1, CORE_REGISTER(regs.pc), 0x40080000);
	add_register(1, CORE_REGISTER(sp_el1), 0x40001000);
	add_register(1, VBAR_EL1, 0x800);
	add_register(1, ARM64_SYS_REG(3, 3, 9, 12, 0), 1);
	add(SNAPSHOT_KVM + STATE_REGISTER, 1, VECTOR(17), vector, sizeof vector);
	add(SNAPSHOT_KVM + STATE_POWER, 1, 0, &power, sizeof power);
	finish(number);
}

/* ---- tests ---- */

static void has(const char *line)
{
	char whole[128];

	snprintf(whole, sizeof whole, "\n%s\n", line);
	if (!strstr(printed, whole) && strncmp(printed, whole + 1, strlen(line) + 1) != 0)
		fail_msg("no line \"%s\" in:%s", line, printed);
}

static void all_is_printed(void **unused)
{
	(void)unused;
	make(0, 0x123, 0x301);
	assert_int_equal(print(false, -1), 0);
	has("RAM = 4 MiB");
	has("CPUs = 2");
	has("GIC = v3");
	has("virtual counter = 1000");
	has("counters' frequency = 62500000 Hz");
	has("features = PMU|pauth");
	/* What a hostile author writes is no command to the terminal. */
	has("virtio@a000000 = block ro 2048 sectors, changed at 17 ns one\\1b");
	has("virtio@a000200 = net legacy 52:54:00:01:02:03");
	has("memory 0+64K, in the file at 0x10000");
	has("memory 0x40100000+64K, in the file at 0x20000");
	has("CPU 0 is S3_0_C0_C0_0 = 0x5");
	has("stolen time[1] = 0x4d");
	has("pl011@9000000 raw = 0x20");
	has("pl011@9000000 timer = 0x4d2");
	has("CPU 0 GICD+0x104 = 0x10");
	has("CPU 1 S3_0_C4_C6_0 = 0x10");
	has("CPU 0 x0 = 0x123");
	has("CPU 0 PSTATE = 0x3c9 (EL2)");
	has("CPU 1 pc = 0x40080000");
	has("CPU 1 VBAR_EL1 = 0x800");
	has("CPU 1 S3_3_C9_C12_0 = 0x1");
	has("CPU 1 v17[0] = 0x5");
	has("CPU 1 v17[1] = 0x6");
	has("CPU 1 mp_state = 0x5");
	assert_null(strstr(printed, "stolen time[0]"));
}

static void differences_are_printed(void **unused)
{
	(void)unused;
	make(0, 0x123, 0x301);
	make(1, 0x124, 0x300);
	((uint8_t *)(uintptr_t)files[1].data)[RAM_AT + SNAPSHOT_ALIGN + 8192] = 1;
	((uint8_t *)(uintptr_t)files[1].data)[RAM_AT + SNAPSHOT_ALIGN + 12288] = 1;
	((uint8_t *)(uintptr_t)files[1].data)[RAM_AT + 5] = 1;
	assert_int_equal(print(true, -1), 0);
	assert_string_equal(printed, "< pl011@9000000 stored[4] = 0x301\n"
				     "> pl011@9000000 stored[4] = 0x300\n"
				     "< CPU 0 x0 = 0x123\n"
				     "> CPU 0 x0 = 0x124\n"
				     "memory 0+4K differs\n"
				     "memory 0x40102000+8K differs\n");
	/* What one of them lacks. */
	make(1, 0, 0x301);
	assert_int_equal(print(true, -1), 0);
	assert_string_equal(printed, "< CPU 0 x0 = 0x123\n");
	make(0, 0, 0x301);
	make(1, 0x123, 0x301);
	assert_int_equal(print(true, -1), 0);
	assert_string_equal(printed, "> CPU 0 x0 = 0x123\n");
	make(0, 0x123, 0x301);
	assert_int_equal(print(true, -1), 0);
	assert_string_equal(printed, "");
}

/* Memory that is in one file only is compared with zeros. */
static void memory_that_is_not_in_a_file_is_zero(void **unused)
{
	static const struct snapshot_extent extent = { RAM_BASE, SNAPSHOT_ALIGN, RAM_AT };

	(void)unused;
	make(0, 1, 1);
	snapshot_begin(&writer, bytes, sizeof bytes);
	add_shape();
	add(SNAPSHOT_EXTENT, 0, 0, &extent, sizeof extent);
	finish(1);
	/* It begins with what is the other's flash, and has that, too. */
	assert_int_equal(print(true, -1), 0);
	assert_non_null(strstr(printed, "memory 0x40000000+4K differs\n"));
	assert_null(strstr(printed, "0x40100000"));
}

static void a_core_has_registers_and_memory(void **unused)
{
	(void)unused;
	make(0, 0x123, 0x301);
	assert_int_equal(print(false, 7), 0);
	assert_string_equal(core_said, "7: 2 CPUs, 4 MiB, 0x100000+0x10000 22");
	assert_int_equal(core_registers[0], 0);
	assert_int_equal(core_registers[31], 0x40001000);
	assert_int_equal(core_registers[32], 0x40080000);
	assert_int_equal(core_registers[33], 0x3c5); /* as KVM makes a CPU */
	can_write = false;
	assert_int_equal(print(false, 7), STATUS_HOST);
	can_write = true;
}

static void what_is_none_is_refused(void **unused)
{
	(void)unused;
	make(0, 1, 1);
	memset((void *)(uintptr_t)files[0].data, 0, 8);
	assert_int_equal(print(false, -1), STATUS_PAYLOAD);
	assert_non_null(strstr(last_report, "is none"));
	make(0, 1, 1);
	files[0].size--;
	assert_int_equal(print(false, -1), STATUS_PAYLOAD);
	assert_non_null(strstr(last_report, "cut"));
}

/* Whoever makes a snapshot makes the checksum, too. */
static void sign(void)
{
	struct snapshot_header *header = (struct snapshot_header *)(uintptr_t)files[0].data;

	header->checksum = 0;
	header->checksum = snapshot_checksum(0, header, header->state_size);
}

/* Every bit of header and entries flipped: refused; with a checksum that fits, refused or printed.
 */
static void no_bit_makes_it_read_beyond(void **unused)
{
	uint8_t *file;
	uint64_t state;
	unsigned accepted = 0;

	(void)unused;
	make(0, 1, 1);
	make(1, 1, 1);
	state = writer.used;
	file = (uint8_t *)(uintptr_t)files[0].data;
	for (uint64_t bit = 0; bit < state * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(print(false, -1), STATUS_PAYLOAD);
		if (snapshot_state_size(file, FILE_SIZE) == state) {
			sign();
			accepted += print(true, -1) == 0;
		}
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sign();
	}
	assert_int_equal(print(true, -1), 0);
	assert_string_equal(printed, "");
	assert_true(accepted > state); /* most of it are values */
}

/* An entry of each kind and size, which is the last: nothing behind it is read. */
static void an_entry_may_have_any_size(void **unused)
{
	const uint32_t kinds[] = { SNAPSHOT_EXTENT,
				   SNAPSHOT_STOLEN,
				   SNAPSHOT_DEVICE,
				   SNAPSHOT_CPU_IS,
				   SNAPSHOT_KVM + STATE_GIC,
				   SNAPSHOT_KVM + STATE_REGISTER,
				   SNAPSHOT_KVM + STATE_POWER,
				   SNAPSHOT_KVM + STATE_EVENTS,
				   99 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (uint32_t size = 0; size < 300; size++) {
			uint8_t *file;

			snapshot_begin(&writer, bytes, sizeof bytes);
			add_shape();
			memset(snapshot_add(&writer, kinds[i], 0, UART_BASE, size), 1, size);
			snapshot_finish(&writer, writer.used, 0);
			file = malloc(writer.used);
			memcpy(file, bytes, writer.used);
			free((void *)(uintptr_t)files[0].data);
			files[0] = (struct payload){ "a", file, writer.used, OWN_IMAGE, -1 };
			assert_int_equal(print(false, 1),
					 kinds[i] == SNAPSHOT_EXTENT ? STATUS_PAYLOAD : 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_printed),
		cmocka_unit_test(differences_are_printed),
		cmocka_unit_test(memory_that_is_not_in_a_file_is_zero),
		cmocka_unit_test(a_core_has_registers_and_memory),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(no_bit_makes_it_read_beyond),
		cmocka_unit_test(an_entry_may_have_any_size),
	};

	return RUN(tests);
}
