// SPDX-License-Identifier: MIT
/*
 * Fills a bank of the flash from a file, and keeps what the guest programs in a file. Who calls it:
 * machine.c and firmware.c, before the guest runs; the flash, on a vCPU's thread. Touches the
 * bank's storage and the file.
 */
#include "crt/crt.h"
#include "crt/sys.h"
#include "machine.h"
#include "vmm/report.h"

#include <sys/mman.h>

void flash_fill(struct flash_bank *bank, const char *name, int fd, const uint8_t *data,
		uint64_t size)
{
	uint8_t *storage = bank->flash.storage;
	uint64_t end = (size + FLASH_BLOCK - 1) & -(uint64_t)FLASH_BLOCK;
	long result = 0;

	if (data)
		memcpy(storage, data, size);
	else
		result = sys_mmap((uintptr_t)storage, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_FIXED, fd, 0);
	if (result < 0)
		die(STATUS_HOST, "%.200s: cannot be mapped: %s", name, error_text((int)-result));
	memset(storage + size, 0xff, end - size);
	bank->written = (uint32_t)((1ull << end / FLASH_BLOCK) - 1);
}

/* What lies behind the file's end is not kept. The first error is reported. */
bool flash_keep(void *opaque, uint64_t offset, uint64_t length)
{
	struct flash_bank *bank = opaque;
	struct disk *file = bank->machine->variables;
	int result;

	if (offset >= file->size)
		return true;
	if (length > file->size - offset)
		length = file->size - offset;
	file->is_changed = true;
	result = disk_write(file, bank->flash.storage + offset, offset, length, true);
	if (result < 0 && !file->failed) {
		file->failed = true;
		report("--variables %.200s: write at %lu: %s; the guest gets an error, further "
		       "ones are not reported",
		       file->name, offset, error_text(-result));
	}
	return result >= 0;
}
