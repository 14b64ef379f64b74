// SPDX-License-Identifier: MIT
/*
 * Reads and sets all that KVM holds of a guest (api.rst; devices/arm-vgic*.rst).
 *
 * Who calls it: vmm/snapshot/, for CPUs that are not in the guest. Touches the VM and its vCPUs.
 */
#include "kvm_state.h"

#include "crt/crt.h"
#include "registers.h"
#include "vmm/machine/map.h"

#include <errno.h>

/* ---- registers ---- */

#define TIMER_ISTATUS 4	   /* of CNTV_CTL_EL0 */
#define MAX_REGISTERS 1024 /* of one CPU; with SVE some 400 */

struct register_list {
	uint64_t count;
	uint64_t ids[MAX_REGISTERS];
};

static unsigned size_of(uint64_t id)
{
	return 1u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

int state_get_register(const struct vcpu *vcpu, uint64_t id, void *bytes)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)bytes };

	return kvm_try(vcpu->fd, KVM_GET_ONE_REG, (uintptr_t)&reg);
}

/* Bits of a system register's id. */
#define OP0(id) ((id) >> KVM_REG_ARM64_SYSREG_OP0_SHIFT & 3)
#define OP1(id) ((id) >> KVM_REG_ARM64_SYSREG_OP1_SHIFT & 7)
#define CRN(id) ((id) >> KVM_REG_ARM64_SYSREG_CRN_SHIFT & 15)

/* Op0 3 with CRn 0 are identification registers, but for CSSELR_EL1 with op1 2, and for those with
 * op1 4 that a hypervisor gives its guests (Arm ARM, D17.1). The vector lengths can be set only
 * before KVM_ARM_VCPU_FINALIZE. */
static bool is_identity(uint64_t id)
{
	switch (id & KVM_REG_ARM_COPROC_MASK) {
	case KVM_REG_ARM64_SYSREG:
		return OP0(id) == 3 && CRN(id) == 0 && OP1(id) != 2 && OP1(id) != 4;
	case KVM_REG_ARM_DEMUX: /* cache sizes */
		return true;
	default:
		return id == KVM_REG_ARM64_SVE_VLS;
	}
}

/* The virtual counter is the same for all CPUs and is set when they start; the physical one is the
 * host's, and KVM would trap it for ever after it was set. */
static bool is_counter(uint64_t id)
{
	return id == KVM_REG_ARM_TIMER_CNT || id == KVM_REG_ARM_PTIMER_CNT;
}

/* The control register of a timer, of any level, has a bit that follows from the counter (Arm ARM,
 * D17.11.26). */
static void drop_derived_bits(struct state_value *value)
{
	uint64_t id = value->number | KVM_REG_ARM64_SYSREG_OP1_MASK;

	if (id == (KVM_REG_ARM_TIMER_CTL | KVM_REG_ARM64_SYSREG_OP1_MASK) ||
	    id == (KVM_REG_ARM_PTIMER_CTL | KVM_REG_ARM64_SYSREG_OP1_MASK))
		value->bytes[0] &= (uint8_t)~TIMER_ISTATUS;
}

static void get_registers(const struct vcpu *vcpu, bool identity, state_receiver *receive,
			  void *context)
{
	struct register_list list = { .count = MAX_REGISTERS };
	struct state_value value = { .kind = STATE_REGISTER, .cpu = vcpu->index };

	kvm_call(vcpu->fd, KVM_GET_REG_LIST, &list);
	for (uint64_t i = 0; i < list.count && i < MAX_REGISTERS; i++) {
		value.number = list.ids[i];
		value.size = size_of(value.number);
		if (is_identity(value.number) != identity || is_counter(value.number) ||
		    value.size > sizeof value.bytes)
			continue;
		memset(value.bytes, 0, sizeof(uint64_t));
		kvm_check(state_get_register(vcpu, value.number, value.bytes), "KVM_GET_ONE_REG");
		drop_derived_bits(&value);
		receive(context, &value);
	}
}

void state_get_identity(const struct vcpu *vcpu, state_receiver *receive, void *context)
{
	get_registers(vcpu, true, receive, context);
}

static int set_register(const struct vcpu *vcpu, const struct state_value *value)
{
	struct kvm_one_reg reg = { .id = value->number, .addr = (uintptr_t)value->bytes };

	if (size_of(reg.id) != value->size || is_counter(reg.id) || is_identity(reg.id))
		return -EINVAL;
	return kvm_try(vcpu->fd, KVM_SET_ONE_REG, (uintptr_t)&reg);
}

/* ---- the interrupt controller ---- */

#define WORD 32			    /* interrupts in a register with a bit for each */
#define SPI_WORDS (GIC_SPIS / WORD) /* registers of one bit for each shared interrupt, */
#define SPI_BYTES (GIC_SPIS / 4)    /* of 8 bits, */
#define SPI_CONFIGS (GIC_SPIS / 16) /* and of 2 bits */
#define ISPENDR 0x200
#define ISPENDR_END 0x280
#define ICFGR 0xc00
#define REDIST_ISPENDR0 0x10200

/* Interrupts whose lines KVM drives: its timers and the PMU. */
#define KVMS_OWN                                                                                   \
	(1u << (16 + TIMER_VIRTUAL_PPI) | 1u << (16 + TIMER_PHYSICAL_PPI) | 1u << (16 + PMU_PPI))
#define SGIS 0xffffu

#define PER_CPU 1   /* each CPU has them */
#define ONLY_SETS 2 /* bits that are 0 have to be cleared before, CLEAR bytes behind */
#define CLEAR 0x80  /* from ISENABLER to ICENABLER */

/* Registers that follow each other, in the order in which they are set. */
struct gic_rows {
	uint8_t group; /* KVM_DEV_ARM_VGIC_GRP_* */
	uint8_t how;
	uint8_t count;	 /* registers */
	uint32_t offset; /* of the first */
};

#define DIST KVM_DEV_ARM_VGIC_GRP_DIST_REGS
#define CPU KVM_DEV_ARM_VGIC_GRP_CPU_REGS
#define REDIST KVM_DEV_ARM_VGIC_GRP_REDIST_REGS
#define SYSREGS KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS
#define ITS KVM_DEV_ARM_VGIC_GRP_ITS_REGS
#define ICC(op1, crn, crm, op2)                                                                    \
	((uint32_t)(3 << KVM_REG_ARM64_SYSREG_OP0_SHIFT |                                          \
		    (op1) << KVM_REG_ARM64_SYSREG_OP1_SHIFT |                                      \
		    (crn) << KVM_REG_ARM64_SYSREG_CRN_SHIFT |                                      \
		    (crm) << KVM_REG_ARM64_SYSREG_CRM_SHIFT | (op2)))

/*
 * GICv2 (Arm IHI 0048). The revision comes first: it says whether groups can be written. The
 * distributor is switched on before anything is pending, because KVM looks at an interrupt only
 * when it becomes pending, and then ignores it if the distributor is off or the interrupt not
 * enabled. SGIs' pending bits are in SPENDSGIR, with their sources.
 */
static const struct gic_rows rows_v2[] = {
	{ DIST, 0, 1, 0x008 },			 /* GICD_IIDR */
	{ DIST, 0, 1, 0x000 },			 /* GICD_CTLR */
	{ DIST, PER_CPU, 1, 0x080 },		 /* GICD_IGROUPR */
	{ DIST, 0, SPI_WORDS, 0x084 },		 /* the same of shared interrupts */
	{ DIST, PER_CPU | ONLY_SETS, 1, 0x100 }, /* GICD_ISENABLER, ICENABLER */
	{ DIST, ONLY_SETS, SPI_WORDS, 0x104 },	 /* */
	{ DIST, 0, SPI_CONFIGS, ICFGR + 8 },	 /* GICD_ICFGR */
	{ DIST, PER_CPU, 8, 0x400 },		 /* GICD_IPRIORITYR */
	{ DIST, 0, SPI_BYTES, 0x420 },		 /* */
	{ DIST, 0, SPI_BYTES, 0x820 },		 /* GICD_ITARGETSR */
	{ DIST, PER_CPU, 4, 0xf20 },		 /* GICD_SPENDSGIR */
	{ DIST, PER_CPU, 1, ISPENDR },		 /* GICD_ISPENDR */
	{ DIST, 0, SPI_WORDS, ISPENDR + 4 },	 /* */
	{ DIST, PER_CPU, 1, 0x300 },		 /* GICD_ISACTIVER */
	{ DIST, 0, SPI_WORDS, 0x304 },		 /* */
	{ CPU, PER_CPU, 1, 0x04 },		 /* GICC_PMR */
	{ CPU, PER_CPU, 1, 0x08 },		 /* GICC_BPR */
	{ CPU, PER_CPU, 1, 0x1c },		 /* GICC_ABPR */
	{ CPU, PER_CPU, 4, 0xd0 },		 /* GICC_APR */
	{ CPU, PER_CPU, 1, 0x00 },		 /* GICC_CTLR */
};

/*
 * GICv3 (Arm IHI 0069). LPIs are switched on when their tables' addresses are set; the translation
 * service follows the redistributors, CREADR CBASER, which clears it, and its own switch is last.
 */
static const struct gic_rows rows_v3[] = {
	{ DIST, 0, 1, 0x008 },			     /* GICD_IIDR */
	{ DIST, 0, 1, 0x000 },			     /* GICD_CTLR */
	{ DIST, 0, SPI_WORDS, 0x084 },		     /* GICD_IGROUPR */
	{ DIST, ONLY_SETS, SPI_WORDS, 0x104 },	     /* GICD_ISENABLER, ICENABLER */
	{ DIST, 0, SPI_CONFIGS, ICFGR + 8 },	     /* GICD_ICFGR */
	{ DIST, 0, SPI_BYTES, 0x420 },		     /* GICD_IPRIORITYR */
	{ DIST, 0, 2 * GIC_SPIS, 0x6100 },	     /* GICD_IROUTER, two words each */
	{ REDIST, PER_CPU, 4, 0x00070 },	     /* GICR_PROPBASER, PENDBASER, two words each */
	{ REDIST, PER_CPU, 1, 0x00000 },	     /* GICR_CTLR */
	{ REDIST, PER_CPU, 1, 0x10080 },	     /* GICR_IGROUPR0 */
	{ REDIST, PER_CPU | ONLY_SETS, 1, 0x10100 }, /* GICR_ISENABLER0, ICENABLER0 */
	{ REDIST, PER_CPU, 8, 0x10400 },	     /* GICR_IPRIORITYR */
	{ REDIST, PER_CPU, 1, REDIST_ISPENDR0 },     /* GICR_ISPENDR0 */
	{ REDIST, PER_CPU, 1, 0x10300 },	     /* GICR_ISACTIVER0 */
	{ DIST, 0, SPI_WORDS, ISPENDR + 4 },	     /* GICD_ISPENDR */
	{ DIST, 0, SPI_WORDS, 0x304 },		     /* GICD_ISACTIVER */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 12, 5) },  /* ICC_SRE_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 12, 4) },  /* ICC_CTLR_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 12, 6) },  /* ICC_IGRPEN0_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 12, 7) },  /* ICC_IGRPEN1_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 4, 6, 0) },    /* ICC_PMR_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 8, 3) },   /* ICC_BPR0_EL1 */
	{ SYSREGS, PER_CPU, 1, ICC(0, 12, 12, 3) },  /* ICC_BPR1_EL1 */
	{ SYSREGS, PER_CPU, 4, ICC(0, 12, 8, 4) },   /* ICC_AP0R0_EL1 and so on */
	{ SYSREGS, PER_CPU, 4, ICC(0, 12, 9, 0) },   /* ICC_AP1R0_EL1 and so on */
	{ SYSREGS, PER_CPU, 1, ICC(4, 12, 11, 0) },  /* ICH_HCR_EL2 */
	{ SYSREGS, PER_CPU, 1, ICC(4, 12, 11, 7) },  /* ICH_VMCR_EL2 */
	{ SYSREGS, PER_CPU, 4, ICC(4, 12, 8, 0) },   /* ICH_AP0R0_EL2 and so on */
	{ SYSREGS, PER_CPU, 4, ICC(4, 12, 9, 0) },   /* ICH_AP1R0_EL2 and so on */
	{ SYSREGS, PER_CPU, 16, ICC(4, 12, 12, 0) }, /* ICH_LR0_EL2 and so on */
	{ ITS, 0, 1, 0x0004 },			     /* GITS_IIDR */
	{ ITS, 0, 3, 0x0080 },			     /* GITS_CBASER, CWRITER, CREADR */
	{ ITS, 0, 8, 0x0100 },			     /* GITS_BASER */
	{ ITS, 0, 1, 0x0000 },			     /* GITS_CTLR */
};

/* From one register to the next, in what an attribute's offset counts. */
static unsigned step_of(const struct gic_rows *rows)
{
	return rows->group == SYSREGS ? 1
	       : rows->group == ITS   ? sizeof(uint64_t)
				      : sizeof(uint32_t);
}

/* Access to one register of the interrupt controller, which is a CPU's own in most groups. Returns
 * 0 or negative errno. */
static int access_gic(const struct vm *vm, const struct vcpu *vcpu, unsigned long request,
		      unsigned group, uint32_t offset, void *value)
{
	struct kvm_device_attr attr = { .group = group, .addr = (uintptr_t)value };
	uint64_t affinity;

	if (group == ITS) { /* no CPU's */
		attr.attr = offset;
	} else if (vm->gic == 2) {
		attr.attr = (uint64_t)vcpu->index << KVM_DEV_ARM_VGIC_CPUID_SHIFT | offset;
	} else { /* a redistributor goes by its CPU's affinity */
		affinity = group == DIST ? 0 : vcpu_affinity(vcpu);
		affinity = (affinity >> 8 & 0xff000000) | (affinity & 0xffffff);
		attr.attr = affinity << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT | offset;
	}
	return kvm_try(group == ITS ? vm->its_fd : vm->gic_fd, request, (uintptr_t)&attr);
}

/*
 * What is pending in the latch alone. GICv3 reports just that. GICv2 reports what is pending by a
 * line's level, too: that of a device's line comes with the device's state, that of KVM's own lines
 * by itself.
 */
static uint32_t latched(const struct vm *vm, const struct vcpu *vcpu, unsigned word,
			uint32_t pending, uint64_t high)
{
	uint32_t edges = 0, level = 0, config;

	if (vm->gic != 2)
		return pending;
	if (word == 0)
		return pending & ~(SGIS | KVMS_OWN);
	for (unsigned i = 0; i < WORD; i += 16) {
		access_gic(vm, vcpu, KVM_GET_DEVICE_ATTR, DIST, ICFGR + word * 8 + i / 4, &config);
		for (unsigned bit = 0; bit < 16; bit++)
			edges |= (config >> (2 * bit + 1) & 1) << (i + bit);
	}
	level = (uint32_t)(high >> (word - 1) * WORD) & ~edges;
	return pending & ~level;
}

/* Registers that this host's controller lacks are left out: of GICC_APR and ICC_AP0R it has one to
 * four. */
static void get_rows(const struct vm *vm, const struct vcpu *vcpu, const struct gic_rows *rows,
		     uint64_t high, state_receiver *receive, void *context)
{
	struct state_value value = { .kind = STATE_GIC, .cpu = vcpu->index };
	unsigned step = step_of(rows);

	value.size = step == sizeof(uint32_t) ? sizeof(uint32_t) : sizeof(uint64_t);
	for (unsigned i = 0; i < rows->count; i++) {
		uint32_t offset = rows->offset + i * step;
		uint32_t word;

		memset(value.bytes, 0, sizeof(uint64_t));
		if (access_gic(vm, vcpu, KVM_GET_DEVICE_ATTR, rows->group, offset, value.bytes) < 0)
			continue;
		if (rows->group == DIST && offset >= ISPENDR && offset < ISPENDR_END) {
			memcpy(&word, value.bytes, sizeof word);
			word = latched(vm, vcpu, (offset - ISPENDR) / 4, word, high);
			memcpy(value.bytes, &word, sizeof word);
		}
		value.number = (uint64_t)rows->group << 32 | offset;
		receive(context, &value);
	}
}

static const struct gic_rows *rows_of(const struct vm *vm, size_t *count)
{
	*count = vm->gic == 2 ? ARRAY_SIZE(rows_v2) : ARRAY_SIZE(rows_v3);
	return vm->gic == 2 ? rows_v2 : rows_v3;
}

static void get_gic(const struct vm *vm, const struct vcpu *vcpus, unsigned cpus, uint64_t high,
		    state_receiver *receive, void *context)
{
	size_t count;
	const struct gic_rows *rows = rows_of(vm, &count);

	for (size_t i = 0; i < count; i++)
		for (unsigned cpu = 0; cpu < (rows[i].how & PER_CPU ? cpus : 1); cpu++)
			get_rows(vm, &vcpus[cpu], &rows[i], high, receive, context);
}

/* The rows of which this register is; NULL: there are none. */
static const struct gic_rows *find_rows(const struct vm *vm, uint64_t number)
{
	size_t count;
	const struct gic_rows *rows = rows_of(vm, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t first = (uint64_t)rows[i].group << 32 | rows[i].offset;

		if (number >= first && number < first + (uint64_t)rows[i].count * step_of(&rows[i]))
			return &rows[i];
	}
	return NULL;
}

static int set_gic(const struct vm *vm, const struct vcpu *vcpu, const struct state_value *value)
{
	const struct gic_rows *rows = find_rows(vm, value->number);
	uint32_t offset = (uint32_t)value->number, zeros;
	uint64_t bits = 0; /* KVM_SET_DEVICE_ATTR takes no pointer to const */
	int result = 0;

	if (!rows || value->size > sizeof bits)
		return -ENOENT;
	memcpy(&bits, value->bytes, value->size);
	if (rows->how & ONLY_SETS) {
		zeros = ~(uint32_t)bits;
		result = access_gic(vm, vcpu, KVM_SET_DEVICE_ATTR, rows->group, offset + CLEAR,
				    &zeros);
	}
	return result < 0 ? result
			  : access_gic(vm, vcpu, KVM_SET_DEVICE_ATTR, rows->group, offset, &bits);
}

static int control(int device, uint64_t attribute)
{
	struct kvm_device_attr attr = { .group = KVM_DEV_ARM_VGIC_GRP_CTRL, .attr = attribute };

	return kvm_try(device, KVM_SET_DEVICE_ATTR, (uintptr_t)&attr);
}

int state_write_tables(const struct vm *vm)
{
	int result;

	if (vm->its_fd < 0)
		return 0;
	result = control(vm->its_fd, KVM_DEV_ARM_ITS_SAVE_TABLES);
	return result < 0 ? result : control(vm->gic_fd, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES);
}

#define GITS_CTLR 0x0000
#define GITS_BASER0 0x0100 /* KVM's device table, in pages of 64 KiB (Arm IHI 0069, 12.19.1) */
#define BASER_PAGES 0xffu  /* less 1 */
#define BASER_ADDRESS 0xffffffff0000u
#define BASER_ADDRESS_HIGH 0xf000u /* from bit 48 on */

/* Is the device table, or its first level, in memory and without an entry? */
static bool has_no_device(uint64_t baser, void *(*map)(void *, uint64_t, uint64_t), void *memory)
{
	uint64_t size = ((baser & BASER_PAGES) + 1) << 16;
	const uint64_t *table = map(memory, baser & BASER_ADDRESS, size);

	if (!table || baser & BASER_ADDRESS_HIGH)
		return false;
	for (uint64_t i = 0; i < size / sizeof *table; i++)
		if (table[i])
			return false;
	return true;
}

/* The translation service takes another device table only while it is off. */
static int set_device_table(const struct vm *vm, uint64_t table, uint64_t on)
{
	uint64_t off = 0;
	int result = access_gic(vm, NULL, KVM_SET_DEVICE_ATTR, ITS, GITS_CTLR, &off);

	if (result == 0)
		result = access_gic(vm, NULL, KVM_SET_DEVICE_ATTR, ITS, GITS_BASER0, &table);
	return result < 0 ? result : access_gic(vm, NULL, KVM_SET_DEVICE_ATTR, ITS, GITS_CTLR, &on);
}

/* KVM reads each of the thousands of entries of the device table by itself. If there is none to be
 * found, KVM has no device table meanwhile. */
int state_read_tables(const struct vm *vm, void *(*map)(void *, uint64_t, uint64_t), void *memory)
{
	uint64_t table = 0, on = 0;
	bool is_empty;
	int result = 0;

	if (vm->its_fd < 0)
		return 0;
	access_gic(vm, NULL, KVM_GET_DEVICE_ATTR, ITS, GITS_BASER0, &table);
	access_gic(vm, NULL, KVM_GET_DEVICE_ATTR, ITS, GITS_CTLR, &on);
	is_empty = has_no_device(table, map, memory);
	if (is_empty)
		result = set_device_table(vm, 0, 0);
	if (result == 0)
		result = control(vm->its_fd, KVM_DEV_ARM_ITS_RESTORE_TABLES);
	if (result == 0 && is_empty)
		result = set_device_table(vm, table, on);
	return result;
}

#define ISENABLER 0x100
#define REDIST_ISENABLER0 0x10100

bool state_is_available(const struct vm *vm, const struct vcpu *vcpus, unsigned cpus)
{
	unsigned group = vm->gic == 2 ? DIST : REDIST;
	uint32_t offset = vm->gic == 2 ? ISENABLER : REDIST_ISENABLER0, enabled = 0;
	uint64_t compare;

	if (state_get_register(&vcpus[0], KVM_REG_ARM_PTIMER_CVAL, &compare) == 0)
		return true;
	for (unsigned i = 0; i < cpus; i++) {
		access_gic(vm, &vcpus[i], KVM_GET_DEVICE_ATTR, group, offset, &enabled);
		if (enabled & 1u << (16 + TIMER_PHYSICAL_PPI))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

static void get_struct(const struct vcpu *vcpu, enum state_kind kind, unsigned long request,
		       unsigned size, state_receiver *receive, void *context)
{
	struct state_value value = { .kind = kind, .cpu = vcpu->index, .size = size };

	if (kvm_try(vcpu->fd, request, (uintptr_t)value.bytes) >= 0)
		receive(context, &value);
}

void state_get(const struct vm *vm, const struct vcpu *vcpus, unsigned cpus, uint64_t high,
	       state_receiver *receive, void *context)
{
	get_gic(vm, vcpus, cpus, high, receive, context);
	for (unsigned i = 0; i < cpus; i++) {
		get_registers(&vcpus[i], false, receive, context);
		get_struct(&vcpus[i], STATE_EVENTS, KVM_GET_VCPU_EVENTS,
			   sizeof(struct kvm_vcpu_events), receive, context);
		get_struct(&vcpus[i], STATE_POWER, KVM_GET_MP_STATE, sizeof(struct kvm_mp_state),
			   receive, context);
	}
}

void state_raise_again(const struct vm *vm, unsigned spi)
{
	if (vm_is_edge_triggered(vm, spi))
		return;
	vm_set_irq((void *)(uintptr_t)vm, spi, false);
	vm_set_irq((void *)(uintptr_t)vm, spi, true);
}

int state_set(const struct vm *vm, const struct vcpu *vcpus, const struct state_value *value)
{
	const struct vcpu *vcpu = &vcpus[value->cpu];

	switch (value->kind) {
	case STATE_GIC:
		return set_gic(vm, vcpu, value);
	case STATE_REGISTER:
		return set_register(vcpu, value);
	case STATE_POWER:
		return kvm_try(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)value->bytes);
	case STATE_EVENTS:
		return kvm_try(vcpu->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)value->bytes);
	}
	return -EINVAL;
}
