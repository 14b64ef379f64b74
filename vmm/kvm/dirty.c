// SPDX-License-Identifier: MIT
/*
 * KVM's dirty log. Who calls it: vmm/snapshot/passes.c, on the event loop's thread, while vCPUs may
 * run. Touches the VM.
 */
#include "dirty.h"

/*
 * With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 reading the log does not write-protect its pages, which
 * would hold up the guest for as long as that takes for all of its memory: each page is protected
 * when it is cleared, shortly before it is copied. If the host has KVM_DIRTY_LOG_INITIALLY_SET, the
 * start does not protect them either.
 */
int dirty_log_start(struct dirty_log *log, const struct vm *vm, unsigned slot, gpa_t at,
		    void *memory, uint64_t size)
{
	struct kvm_enable_cap manual = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };

	manual.args[0] = (unsigned)kvm_capability(vm->fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
			 (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	*log = (struct dirty_log){ .vm = vm, .slot = slot };
	log->is_cleared_apart =
		manual.args[0] && kvm_try(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&manual) == 0;
	return vm_set_slot(vm, slot, KVM_MEM_LOG_DIRTY_PAGES, at, memory, size);
}

int dirty_log_read(const struct dirty_log *log, uint64_t *bits)
{
	struct kvm_dirty_log read = { .slot = log->slot, .dirty_bitmap = bits };

	return kvm_try(log->vm->fd, KVM_GET_DIRTY_LOG, (uintptr_t)&read);
}

int dirty_log_clear(const struct dirty_log *log, const uint64_t *bits, uint64_t first,
		    uint32_t count)
{
	struct kvm_clear_dirty_log clear = {
		.slot = log->slot,
		.first_page = first,
		.num_pages = count,
		.dirty_bitmap = (void *)(uintptr_t)bits,
	};

	return log->is_cleared_apart ? kvm_try(log->vm->fd, KVM_CLEAR_DIRTY_LOG, (uintptr_t)&clear)
				     : 0;
}

int dirty_log_stop(const struct dirty_log *log, gpa_t at, void *memory, uint64_t size)
{
	return vm_set_slot(log->vm, log->slot, 0, at, memory, size);
}
