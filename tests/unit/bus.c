// SPDX-License-Identifier: MIT
/* vmm/machine/bus.c and stray.c: which device an access reaches, and what happens if there is none.
 */
#include "reports.h"

#include "vmm/machine/bus.h"
#include "vmm/machine/run.h"
#include "vmm/machine/stray.h"

#include <string.h>

static struct bus bus;
static struct stray stray;

/* A device that records its last access. */
struct probe {
	uint64_t offset, value;
	unsigned size, reads, writes;
};

static uint64_t probe_read(void *device, uint64_t offset, unsigned size)
{
	struct probe *probe = device;

	assert_int_equal(bus.last->lock.state, 1); /* of the device that is called */
	probe->offset = offset;
	probe->size = size;
	probe->reads++;
	return 0xfedcba9876543210;
}

static void probe_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct probe *probe = device;

	assert_int_equal(bus.last->lock.state, 1); /* of the device that is called */
	probe->offset = offset;
	probe->size = size;
	probe->value = value;
	probe->writes++;
}

static const struct device_ops probe_ops = { .read = probe_read, .write = probe_write };

static struct probe low, high;

/* ---- stubs ---- */

static bool ended;
static int end_status;

void run_end(struct run *run, enum end end, int status)
{
	(void)run;
	assert_int_equal(end, ENDED);
	ended = true;
	end_status = status;
}

void lock_acquire(struct lock *taken)
{
	assert_int_equal(taken->state++, 0);
}

void lock_release(struct lock *given)
{
	assert_int_equal(given->state--, 1);
}

/* ---- tests ---- */

static int set_up(void **state)
{
	(void)state;
	bus = (struct bus){ .on_stray = stray_access, .stray = &stray };
	stray = (struct stray){ 0 };
	low = high = (struct probe){ 0 };
	reports = 0;
	bus_add(&bus, GPA(0x1000), 0x1000, &probe_ops, &low);
	bus_add(&bus, GPA(0x2000), 0x10, &probe_ops, &high);
	return 0;
}

static void test_dispatch(void **state)
{
	(void)state;
	assert_int_equal(bus_read(&bus, GPA(0x1ffc), 4),
			 0x76543210); /* masked to the access's size */
	assert_int_equal(bus_read(&bus, GPA(0x1ff8), 8), 0xfedcba9876543210);
	assert_int_equal(bus_read(&bus, GPA(0x1ffc), 1), 0x10);
	assert_int_equal(low.offset, 0xffc);
	assert_int_equal(low.size, 1);
	bus_write(&bus, GPA(0x2000), 8, 77);
	assert_int_equal(high.writes, 1);
	assert_int_equal(high.offset, 0);
	assert_int_equal(high.value, 77);
	assert_int_equal(low.writes, 0);
	assert_int_equal(reports, 0);
}

/* Accesses outside devices, across the end of one, across two, and at the ends of the address
 * space. */
static void test_unbacked(void **state)
{
	static const struct {
		uint64_t at;
		unsigned size;
	} places[] = { { 0x0fff, 2 }, { 0x1ffe, 4 }, { 0x200c, 8 },   { 0x2010, 1 },
		       { 0, 8 },      { ~0ull, 1 },  { ~0ull - 3, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		assert_int_equal(bus_read(&bus, GPA(places[i].at), places[i].size), 0);
		assert_int_equal(reports, i + 1);
		bus_write(&bus, GPA(places[i].at), places[i].size, 1);
		assert_int_equal(reports, i + 1); /* each address is reported once */
	}
	assert_int_equal(low.reads + low.writes + high.reads + high.writes, 0);
}

static void test_reports_are_bounded(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		bus_read(&bus, GPA(0x10000 + i), 1);
	assert_int_equal(reports,
			 STRAY_REPORTS +
				 1); /* and a last one that announces that there will be no more */
}

static void test_strict(void **state)
{
	struct run run = { .end = RUNNING };

	(void)state;
	ended = false;
	stray.strict = &run;
	bus_read(&bus, GPA(0x1000), 4);
	assert_false(ended);
	bus_write(&bus, GPA(0x3000), 4, 0);
	assert_true(ended);
	assert_int_equal(end_status, STATUS_PAYLOAD);
	assert_non_null(strstr(last_report, "0x3000"));
	assert_non_null(strstr(last_report, "--strict"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dispatch, set_up),
		cmocka_unit_test_setup(test_unbacked, set_up),
		cmocka_unit_test_setup(test_reports_are_bounded, set_up),
		cmocka_unit_test_setup(test_strict, set_up),
	};

	return RUN(tests);
}
