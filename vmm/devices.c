// SPDX-License-Identifier: MIT
/*
 * Creates the devices that the command line asks for. Who calls it: main, before the sandbox.
 * Touches files and devices of the host.
 */
#include "devices.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "pages.h"
#include "report.h"
#include "vmm/load/firmware.h"
#include "vmm/load/payload.h"

/* Copies a part of an option's value, up to the next comma, as a string. */
static const char *copy(const char *part)
{
	size_t length = options_part(part);
	char *string = pages_take(length + 1, 0, "devices");

	memcpy(string, part, length);
	return string;
}

static struct disk_device *open_disk(struct devices *devices, const struct device_option *option)
{
	struct disk_device *device = pages_take(sizeof *device, 0, "devices");
	const char *file = copy(option->file);
	const struct bundled *bundled = option->image ? NULL : payload_find_bundled(file);
	const uint8_t *image = bundled ? bundled->start : option->image;
	uint64_t size = bundled ? (uint64_t)(bundled->end - bundled->start) : option->image_size;

	if (bundled && !option->read_only && !option->is_volatile)
		die(STATUS_USAGE,
		    "--disk %.200s: is bundled and cannot be changed; add ,ro or ,volatile", file);
	if (image)
		disk_open_image(&device->disk, file, image, size, option->read_only,
				option->is_volatile);
	else
		disk_open_file(&device->disk, "--disk", file, option->read_only,
			       option->is_volatile);
	disk_device_init(device, &devices->worker, option->serial ? copy(option->serial) : NULL,
			 option->legacy);
	return device;
}

/* Six bytes in hexadecimal, with colons between; not one of a group of stations. */
static bool parse_mac(const char *text, uint8_t mac[NET_MAC])
{
	for (unsigned i = 0; i < 3 * NET_MAC; i++) {
		const char *digits = "0123456789abcdefABCDEF";
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (i % 3 == 2) {
			if (text[i] != (i + 1 < 3 * NET_MAC ? ':' : '\0'))
				return false;
			continue;
		}
		if (!digit)
			return false;
		mac[i / 3] = (uint8_t)(mac[i / 3] << 4 |
				       (digit - digits - (digit - digits < 16 ? 0 : 6)));
	}
	return !(mac[0] & 1);
}

/* The one that the user wants, or else the network; a random one, which is another each time. */
static void choose_mac(const struct net_device *device, const struct device_option *option,
		       uint8_t mac[NET_MAC])
{
	static const uint8_t none[NET_MAC];

	memcpy(mac, device->backend.mac, NET_MAC);
	if (option->mac && !parse_mac(copy(option->mac), mac))
		die(STATUS_USAGE, "--net %.200s: a MAC address is like 52:54:00:12:34:56",
		    option->file);
	if (memcmp(mac, none, NET_MAC) != 0)
		return;
	random_bytes(mac, NET_MAC);
	memcpy(mac, "\x52\x54", 3); /* as QEMU's are */
}

static struct net_device *open_net(const struct options *options,
				   const struct device_option *option)
{
	struct net_device *device = pages_take(sizeof *device, 0, "devices");
	const char *what = copy(option->file);
	uint8_t mac[NET_MAC];

	if (!net_is_kind(what))
		die(STATUS_USAGE,
		    "--net %.200s: takes tap=NAME, packet=INTERFACE, unix=PATH or fd=NUMBER", what);
	if (!options->check)
		net_open(&device->backend, what);
	choose_mac(device, option, mac);
	net_device_init(device, mac, option->legacy);
	return device;
}

void devices_open(struct devices *devices, const struct options *options)
{
	*devices = (struct devices){ .options = options };
	for (unsigned i = 0; i < options->device_count; i++) {
		const struct device_option *option = &options->devices[i];

		if (option->kind == DEVICE_DISK)
			devices->disks[i] = open_disk(devices, option);
		else if (option->kind == DEVICE_NET)
			devices->nets[i] = open_net(options, option);
	}
	if (options->variables)
		firmware_open_variables(&devices->variables, options->variables);
	virtio_entropy_init(&devices->entropy, random_bytes);
}

static void add_disk(struct disk_device *disk, struct machine *machine)
{
	disk->run = &machine->run;
	machine_add_virtio(machine, &virtio_block_ops, &disk->block.virtio, &disk->lock);
}

static void add_net(struct net_device *device, struct machine *machine)
{
	machine_add_virtio(machine, &virtio_timed_ops, &device->net.virtio, &device->lock);
}

static void add_console(struct machine *machine, bool legacy)
{
	struct virtio_console *device = pages_take(sizeof *device, 0, "devices");

	console_add_virtio(machine->console, device, legacy);
	machine_add_virtio(machine, &virtio_timed_ops, &device->virtio,
			   &machine->console->virtio_lock);
}

static void add_balloon(struct machine *machine, bool legacy)
{
	struct virtio_balloon *device = pages_take(sizeof *device, 0, "devices");

	virtio_balloon_init(device, legacy);
	device->give_back = memory_give_back;
	device->memory = &machine->memory;
	machine_add_virtio(machine, &virtio_timed_ops, &device->virtio, NULL);
}

void devices_add(struct devices *devices, struct machine *machine)
{
	for (unsigned i = 0; i < devices->options->device_count; i++) {
		const struct device_option *option = &devices->options->devices[i];

		switch (option->kind) {
		case DEVICE_DISK:
			add_disk(devices->disks[i], machine);
			break;
		case DEVICE_NET:
			add_net(devices->nets[i], machine);
			break;
		case DEVICE_CONSOLE:
			add_console(machine, option->legacy);
			break;
		case DEVICE_BALLOON:
			add_balloon(machine, option->legacy);
			break;
		}
	}
	machine_add_virtio(machine, &virtio_timed_ops, &devices->entropy.virtio, NULL);
	machine->variables = devices->options->variables ? &devices->variables : NULL;
}

void devices_attach(struct devices *devices, struct machine *machine)
{
	for (unsigned i = 0; i < devices->options->device_count; i++)
		if (devices->nets[i])
			net_device_attach(devices->nets[i], &machine->run.loop);
}

#define NET_FILES 2 /* a stream's connection, and what listens for the next */

unsigned devices_files(const struct options *options)
{
	return (options->variables != NULL) + options_devices(options, DEVICE_DISK) +
	       options_devices(options, DEVICE_CONSOLE) +
	       NET_FILES * options_devices(options, DEVICE_NET);
}

/* Is there a network of which the frames go over a stream? */
static bool has_stream(const struct devices *devices)
{
	for (unsigned i = 0; i < devices->options->device_count; i++)
		if (devices->nets[i] && net_is_stream(&devices->nets[i]->backend))
			return true;
	return false;
}

unsigned devices_directories(struct devices *devices, const char *directories[MAX_DEVICES])
{
	unsigned count = 0;

	for (unsigned i = 0; i < devices->options->device_count; i++) {
		const char *directory = devices->nets[i]
						? net_keep_stream(&devices->nets[i]->backend, count)
						: NULL;

		if (directory)
			directories[count++] = directory;
	}
	return count;
}

unsigned devices_roles(const struct devices *devices)
{
	const struct options *options = devices->options;
	unsigned roles =
		options_devices(options, DEVICE_DISK) || options->variables ? VCPU_WITH_DISK : 0;

	if (options_devices(options, DEVICE_NET))
		roles |= VCPU_WITH_NET | LOOP_WITH_NET;
	if (has_stream(devices))
		roles |= VCPU_WITH_STREAM | LOOP_WITH_STREAM;
	return roles;
}

unsigned devices_inherited(const struct options *options, int fds[MAX_DEVICES])
{
	unsigned count = 0;

	for (unsigned i = 0; i < options->device_count; i++) {
		const struct device_option *option = &options->devices[i];
		char text[16] = "";
		size_t length = options_part(option->file);

		if (option->kind != DEVICE_NET || length >= sizeof text)
			continue;
		memcpy(text, option->file, length);
		if (!strncmp(text, "fd=", 3) && options_descriptor(text + 3) >= 0)
			fds[count++] = options_descriptor(text + 3);
	}
	return count;
}

void devices_start(struct devices *devices, bool sandboxed)
{
	int result = options_devices(devices->options, DEVICE_DISK)
			     ? worker_start(&devices->worker, sandboxed)
			     : 0;

	if (result < 0)
		die(status_of_error(-result), "thread for disks: %s", error_text(-result));
}
