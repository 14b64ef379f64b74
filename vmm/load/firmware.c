// SPDX-License-Identifier: MIT
/*
 * Firmware, such as EDK2, in the first bank of the flash, and its variables in the second. A kernel
 * is handed to it by fw_cfg.
 *
 * Who calls it: boot.c and devices.c, before the guest runs. Touches the flash and its files.
 */
#include "firmware.h"

#include "crt/crt.h"
#include "load.h"
#include "vmm/report.h"

/* A bank's image, raw, of which these are the first bytes. */
static void check_image(const char *option, const char *name, const uint8_t *data, uint64_t size)
{
	if (size > FLASH_BANK)
		die(STATUS_PAYLOAD, "--%s %.200s: has %lu bytes, and a bank of the flash %u",
		    option, name, size, FLASH_BANK);
	flat_refuse_others(name, data, size, "a raw image");
}

void firmware_open(struct payload *firmware, const char *name)
{
	payload_open(firmware, "--firmware ", name);
	check_image("firmware", name, firmware->data, firmware->size);
	flat_check_entry(firmware);
}

void firmware_open_variables(struct disk *file, const char *name)
{
	uint8_t sector[512] = { 0 };

	disk_open_file(file, "--variables", name, false, false);
	(void)disk_read(file, sector, 0, sizeof sector);
	check_image("variables", name, sector, file->size);
}

static void hand_on(struct machine *machine, enum fw_cfg_file which, const struct payload *file)
{
	if (file->size > UINT32_MAX || file->size > machine->memory.size)
		load_does_not_fit(file, file->size, machine->memory.base, &machine->memory);
	machine->fw_cfg.files[which].bytes = file->data;
	machine->fw_cfg.files[which].size = (uint32_t)file->size;
}

void firmware_load(const struct payload *firmware, const struct payload *kernel,
		   const struct payload *initrd, const char *command_line, struct machine *machine)
{
	const struct payload text = { .data = (const uint8_t *)command_line,
				      .size = strlen(command_line) + 1 };

	flash_fill(&machine->banks[0], firmware->name, firmware->fd,
		   firmware->backing == FILE_PAGES ? NULL : firmware->data, firmware->size);
	hand_on(machine, FW_CFG_KERNEL, kernel);
	hand_on(machine, FW_CFG_INITRD, initrd);
	hand_on(machine, FW_CFG_COMMAND_LINE, &text);
}
