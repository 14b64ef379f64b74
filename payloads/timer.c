// SPDX-License-Identifier: MIT
/*
 * Claim: EL1's virtual and physical timers count, and interrupt on their PPIs when they are due. A
 * compare value that is never due does no harm.
 */
#include "guest.h"

#define ENABLE 1
#define MASK 2

static volatile unsigned last_intid, interrupts;

void guest_interrupt(unsigned intid)
{
	last_intid = intid;
	interrupts++;
	write_system_register("cntv_ctl_el0", MASK);
	write_system_register("cntp_ctl_el0", MASK);
}

/* Sleeps until so many interrupts have been taken. */
static void wait_for(unsigned count)
{
	while (interrupts < count) {
		mask_interrupts();
		if (interrupts < count)
			wait_for_interrupt();
		unmask_interrupts();
	}
}

#define TRY(timer, intid)                                                                          \
	do {                                                                                       \
		unsigned before_ = interrupts;                                                     \
		uint64_t start_ = read_system_register("cnt" timer "ct_el0");                      \
		gic_enable(intid);                                                                 \
		write_system_register("cnt" timer "_tval_el0", frequency / 1000);                  \
		write_system_register("cnt" timer "_ctl_el0", ENABLE);                             \
		wait_for(before_ + 1);                                                             \
		check(last_intid == (intid));                                                      \
		check(read_system_register("cnt" timer "ct_el0") - start_ >= frequency / 1000);    \
	} while (0)

void guest_main(const void *device_tree)
{
	uint64_t frequency = read_system_register("cntfrq_el0");

	gic_start(device_tree);
	unmask_interrupts();
	TRY("v", virtual_timer_intid());
	TRY("p", physical_timer_intid());
	/* The interrupt also wakes up a CPU that PSCI has put to sleep. */
	mask_interrupts(); /* else it might be taken before the call */
	write_system_register("cntv_tval_el0", frequency / 1000);
	write_system_register("cntv_ctl_el0", ENABLE);
	check(psci(PSCI_CPU_SUSPEND, 0, 0, 0) == 0);
	unmask_interrupts();
	wait_for(3);
	check(last_intid == virtual_timer_intid());
	/* The latest compare values do no harm, even while the CPU sleeps in TRY. */
	write_system_register("cntv_cval_el0", ~0ull);
	write_system_register("cntv_ctl_el0", ENABLE);
	for (uint64_t late = ~0ull; late > ~0ull - 1000; late -= 100)
		write_system_register("cntv_cval_el0", late);
	TRY("p", physical_timer_intid());
	write_system_register("cntv_cval_el0", ~0ull);
	write_system_register("cntv_ctl_el0", ENABLE);
	print("ok\n");
}
