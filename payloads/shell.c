// SPDX-License-Identifier: MIT
/*
 * Claim: a teaching kernel reaches its shell, and takes typed commands about files on a disk. It
 * runs the same on QEMU's machine `virt`, and does what kernels made for that do: post-indexed and
 * paired stores set up the interrupt controller, keys and the disk interrupt, and each virtio slot
 * is asked whether it is a disk, of either version, which has a FAT16. Never ends by itself: the
 * command poweroff ends it.
 */
#include "virtio.h"

/* ---- the interrupt controller: its distributor (Arm IHI 0048, 4.3, and IHI 0069, 12.9) ---- */

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_IROUTER 0x6000
#define FIRST_SPI 32

/* Each stores what a compiler makes of a loop over an array, and returns the address behind it. */
static uintptr_t store(uintptr_t at, uint32_t value)
{
	__asm__ volatile("str %w1, [%0], #4" : "+r"(at) : "r"(value) : "memory");
	return at;
}

static uintptr_t store_pair(uintptr_t at, uint32_t value)
{
	__asm__ volatile("stp %w1, %w1, [%0], #8" : "+r"(at) : "r"(value) : "memory");
	return at;
}

static uintptr_t store_zeroes(uintptr_t at)
{
	__asm__ volatile("stp xzr, xzr, [%0], #16" : "+r"(at) : : "memory");
	return at;
}

/* All shared interrupts are disabled, have one priority, and are for this CPU. */
static void set_up_distributor(unsigned version)
{
	unsigned interrupts = 32 * ((read32(GIC_DIST_BASE + GICD_TYPER) & 31) + 1);
	uintptr_t disabled = GIC_DIST_BASE + GICD_ICENABLER + FIRST_SPI / 8;
	uintptr_t group = GIC_DIST_BASE + GICD_IGROUPR + FIRST_SPI / 8;
	uintptr_t priority = GIC_DIST_BASE + GICD_IPRIORITYR + FIRST_SPI;
	uintptr_t target = GIC_DIST_BASE + GICD_ITARGETSR + FIRST_SPI;
	uintptr_t route = GIC_DIST_BASE + GICD_IROUTER + 8 * FIRST_SPI;

	store(GIC_DIST_BASE + GICD_CTLR, 0);
	for (unsigned i = FIRST_SPI; i < interrupts; i += 32) {
		disabled = store(disabled, ~0u);
		group = store(group, version == 3 ? ~0u : 0);
	}
	for (unsigned i = FIRST_SPI; i < interrupts; i += 8) {
		priority = store_pair(priority, 0xa0a0a0a0);
		if (version == 2)
			target = store_pair(target, 0x01010101);
	}
	for (unsigned i = FIRST_SPI; version == 3 && i < interrupts; i += 2)
		route = store_zeroes(route);			   /* affinity 0.0.0.0 */
	store(GIC_DIST_BASE + GICD_CTLR, version == 3 ? 0x12 : 1); /* ARE_NS and group 1 */
}

static void enable_interrupt(unsigned intid)
{
	store(GIC_DIST_BASE + GICD_ISENABLER + intid / 32 * 4ul, 1u << intid % 32);
}

/* Interrupts are taken here alone: what waits for one checks its condition before. */
static void sleep(void)
{
	wait_for_interrupt();
	unmask_interrupts();
	mask_interrupts();
}

/* ---- the console ---- */

#define KEYS 1024 /* that wait for the shell; those beyond them are lost */

static char keys[KEYS];
static volatile unsigned keys_typed, keys_taken;

static void start_console(void)
{
	write32(UART_LCR_H, UART_FIFOS);
	write32(UART_CR, UART_ON);
	write32(UART_IMSC, UART_RX | UART_RT);
	enable_interrupt(SPI_INTID + UART_SPI);
}

static void take_keys(void)
{
	while (!(read32(UART_FR) & FR_RXFE)) {
		char key = (char)read32(UART_DR);

		if (keys_typed - keys_taken < KEYS)
			keys[keys_typed++ % KEYS] = key;
	}
}

static char next_key(void)
{
	while (keys_typed == keys_taken)
		sleep();
	return keys[keys_taken++ % KEYS];
}

/* Reads a line of at most `size` - 1 characters, and shows it. */
static void read_line(char *line, unsigned size)
{
	unsigned length = 0;
	char key;

	while ((key = next_key()) != '\r' && key != '\n') {
		if ((key == '\b' || key == 0x7f) && length > 0) {
			length--;
			print("\b \b");
		} else if (key >= ' ' && key <= '~' && length < size - 1) {
			line[length++] = key;
			print_character(key);
		}
	}
	line[length] = '\0';
	print("\n");
}

/* ---- the disk, a sector at a time ---- */

static struct queue queue __attribute__((aligned(PAGE)));
static uintptr_t disk; /* its registers; 0 without one */
static uint8_t sector[SECTOR_SIZE] __attribute__((aligned(8)));
static uint32_t loaded = ~0u; /* the number of the sector in it */

static bool find_disk(void)
{
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		uintptr_t at = VIRTIO_BASE + slot * VIRTIO_SLOT;

		if (read32(at + DEVICE_ID) != BLOCK_ID)
			continue;
		disk = at;
		virtio_start(disk, 0, &queue);
		enable_interrupt(SPI_INTID + VIRTIO_SPI + slot);
		return true;
	}
	return false;
}

/* Reads (IN) or writes (OUT) the sector with the number `loaded`. */
static void transfer(uint32_t type)
{
	struct block_header header = { .type = type, .sector = loaded };
	uint8_t status = 0xff;

	queue_describe(&queue, 0, &header, sizeof header, NEXT);
	queue_describe(&queue, 1, sector, sizeof sector, type == IN ? NEXT | WRITE : NEXT);
	queue_describe(&queue, 2, &status, 1, WRITE);
	queue_submit(&queue, 0);
	queue_notify(disk);
	while (!queue_is_done(&queue))
		sleep();
	check(*(volatile uint8_t *)&status == 0);
}

static void load(uint32_t number)
{
	if (number == loaded)
		return;
	loaded = number;
	transfer(IN);
}

void guest_interrupt(unsigned intid)
{
	if (intid == SPI_INTID + UART_SPI)
		take_keys();
	else
		write32(disk + INTERRUPT_ACK, read32(disk + INTERRUPT_STATUS));
}

/* ---- the file system (Microsoft's FAT specification 1.03) ---- */

#define NAME_LENGTH 11 /* 8 and 3, without the dot */
#define UNUSED 0xe5    /* first byte of a deleted entry's name */
#define NO_FILE 0x18   /* attributes of the volume's label, a directory and parts of long names */
#define ARCHIVE 0x20
#define LAST 0xffff /* entry of a file's last cluster */
#define FAT_PER_SECTOR (SECTOR_SIZE / 2)
#define ENTRIES_PER_SECTOR (SECTOR_SIZE / sizeof(struct entry))

struct entry {
	char name[NAME_LENGTH];
	uint8_t attributes, reserved[10];
	uint16_t time, date, cluster;
	uint32_t size;
};

/* First sectors of the parts, and what they have. */
static struct {
	uint32_t fat, fat_sectors, fats, root, root_entries, data, cluster_sectors, clusters;
} volume;

static uint32_t boot_field(unsigned at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)sector[at + i] << 8 * i;
	return value;
}

/* Reads the boot sector. False if the disk has no FAT16. */
static bool mount(void)
{
	uint32_t sectors;

	load(0);
	sectors = boot_field(19, 2) ? boot_field(19, 2) : boot_field(32, 4);
	volume.cluster_sectors = boot_field(13, 1);
	volume.fat = boot_field(14, 2);
	volume.fats = boot_field(16, 1);
	volume.root_entries = boot_field(17, 2);
	volume.fat_sectors = boot_field(22, 2);
	if (boot_field(510, 2) != 0xaa55 || boot_field(11, 2) != SECTOR_SIZE ||
	    volume.cluster_sectors == 0)
		return false;
	volume.root = volume.fat + volume.fats * volume.fat_sectors;
	volume.data = volume.root + volume.root_entries / (uint32_t)ENTRIES_PER_SECTOR;
	volume.clusters = (sectors - volume.data) / volume.cluster_sectors;
	return volume.clusters >= 4085 && volume.clusters < 65525;
}

static uint16_t *fat_entry(uint32_t copy, uint32_t cluster)
{
	load(volume.fat + copy * volume.fat_sectors + cluster / FAT_PER_SECTOR);
	return (uint16_t *)sector + cluster % FAT_PER_SECTOR;
}

/* The n-th entry of the root directory, until the next sector is loaded; NULL behind its end. */
static struct entry *root_entry(uint32_t n)
{
	if (n >= volume.root_entries)
		return NULL;
	load(volume.root + n / (uint32_t)ENTRIES_PER_SECTOR);
	return (struct entry *)sector + n % ENTRIES_PER_SECTOR;
}

static uint32_t cluster_sector(uint32_t cluster)
{
	check(cluster >= 2 && cluster < volume.clusters + 2);
	return volume.data + (cluster - 2) * volume.cluster_sectors;
}

static bool is_free(const struct entry *entry)
{
	return entry->name[0] == '\0' || (uint8_t)entry->name[0] == UNUSED;
}

static bool is_file(const struct entry *entry)
{
	return !is_free(entry) && !(entry->attributes & NO_FILE);
}

/* Turns a typed name into that of an entry. False if it is none. */
static bool to_entry_name(const char *typed, char *name)
{
	unsigned length = 0, limit = 8;

	for (unsigned i = 0; i < NAME_LENGTH; i++)
		name[i] = ' ';
	for (; *typed && *typed != ' '; typed++) {
		if (*typed == '.' && limit == 8 && length > 0) {
			length = 8;
			limit = NAME_LENGTH;
		} else if (*typed == '.' || length == limit) {
			return false;
		} else {
			name[length++] =
				*typed >= 'a' && *typed <= 'z' ? (char)(*typed - 32) : *typed;
		}
	}
	return length > 0;
}

static struct entry *find_file(const char *name)
{
	struct entry *entry;

	for (uint32_t n = 0; (entry = root_entry(n)); n++) {
		unsigned same = 0;

		while (same < NAME_LENGTH && entry->name[same] == name[same])
			same++;
		if (same == NAME_LENGTH && is_file(entry))
			return entry;
	}
	return NULL;
}

static struct entry *find_free_entry(void)
{
	struct entry *entry = NULL;

	for (uint32_t n = 0; (entry = root_entry(n)) && !is_free(entry); n++)
		;
	return entry;
}

/* A cluster that no file has; 0 if there is none. */
static uint32_t find_free_cluster(void)
{
	for (uint32_t cluster = 2; cluster < volume.clusters + 2; cluster++)
		if (*fat_entry(0, cluster) == 0)
			return cluster;
	return 0;
}

/* ---- commands ---- */

/* What a file's name looks like: in lower case, with a dot before its suffix. */
static void print_name(const char *name)
{
	for (unsigned i = 0; i < NAME_LENGTH; i++) {
		if (i == 8 && name[i] != ' ')
			print(".");
		if (name[i] >= 'A' && name[i] <= 'Z')
			print_character((char)(name[i] + 32));
		else if (name[i] != ' ')
			print_character(name[i]);
	}
}

static void list(const char *unused)
{
	struct entry *entry;

	(void)unused;
	for (uint32_t n = 0; (entry = root_entry(n)); n++) {
		if (!is_file(entry))
			continue;
		print_name(entry->name);
		print(" ");
		print_decimal(entry->size);
		print("\n");
	}
}

static void show(const char *typed)
{
	char name[NAME_LENGTH];
	struct entry *entry = to_entry_name(typed, name) ? find_file(name) : NULL;
	uint32_t cluster, left, in_cluster = volume.cluster_sectors * SECTOR_SIZE;

	if (!entry) {
		print("no such file\n");
		return;
	}
	cluster = entry->cluster;
	left = entry->size;
	for (uint32_t at = 0; at < left; at++) {
		if (at > 0 && at % in_cluster == 0)
			cluster = *fat_entry(0, cluster);
		load(cluster_sector(cluster) + at % in_cluster / SECTOR_SIZE);
		print_character((char)sector[at % SECTOR_SIZE]);
	}
}

/* Writes the text, which is shorter than a sector, to a cluster, and makes that the file's last.
 * Returns the file's size. */
static uint32_t write_cluster(uint32_t cluster, const char *text)
{
	uint32_t size = 0;

	loaded = cluster_sector(cluster);
	for (unsigned i = 0; i < SECTOR_SIZE; i++)
		sector[i] = 0;
	for (; *text; text++)
		sector[size++] = (uint8_t)*text;
	sector[size++] = '\n';
	transfer(OUT);
	for (uint32_t copy = 0; copy < volume.fats; copy++) {
		*fat_entry(copy, cluster) = LAST;
		transfer(OUT);
	}
	return size;
}

/* The file has no time. */
static void write_entry(const char *name, uint32_t cluster, uint32_t size)
{
	struct entry *entry = find_free_entry();

	for (unsigned i = 0; i < sizeof *entry; i++)
		((char *)entry)[i] = i < NAME_LENGTH ? name[i] : '\0';
	entry->attributes = ARCHIVE;
	entry->cluster = (uint16_t)cluster;
	entry->size = size;
	transfer(OUT);
}

/* Makes a file. The text is separated from its name by a space. */
static void write_file(const char *typed)
{
	char name[NAME_LENGTH];
	const char *text = typed;
	uint32_t cluster;

	while (*text && *text != ' ')
		text++;
	if (!to_entry_name(typed, name) || *text == '\0' || find_file(name)) {
		print("needs a new name and a text\n");
		return;
	}
	cluster = find_free_cluster();
	if (cluster && find_free_entry())
		write_entry(name, cluster, write_cluster(cluster, text + 1));
	else
		print("full\n");
}

static void power_off(const char *unused)
{
	(void)unused;
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}

static void help(const char *unused);

static const struct command {
	const char *name, *text;
	void (*run)(const char *argument);
	bool needs_disk;
} commands[] = {
	{ "cat", "cat FILE: print a file", show, true },
	{ "help", "help: this text", help, false },
	{ "ls", "ls: list files, with their sizes", list, true },
	{ "poweroff", "poweroff: switch the machine off", power_off, false },
	{ "write", "write FILE TEXT: make a file", write_file, true },
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void help(const char *unused)
{
	(void)unused;
	for (unsigned i = 0; i < COMMANDS; i++) {
		print(commands[i].text);
		print("\n");
	}
}

/* What follows the command's name in the line; NULL if another command is in it. */
static const char *argument(const char *line, const char *name)
{
	while (*name && *line == *name)
		line++, name++;
	if (*name || (*line && *line != ' '))
		return NULL;
	return *line ? line + 1 : line;
}

static void run_line(const char *line, bool is_mounted)
{
	for (unsigned i = 0; i < COMMANDS; i++) {
		const char *text = argument(line, commands[i].name);

		if (text && commands[i].needs_disk && !is_mounted)
			print("no disk with a FAT16\n");
		else if (text)
			commands[i].run(text);
		if (text)
			return;
	}
	if (*line)
		print("no such command; help lists them\n");
}

void guest_main(const void *device_tree)
{
	static char line[128];
	unsigned version = gic_version(device_tree);
	bool is_mounted;

	mmu_on();
	gic_start(device_tree);
	set_up_distributor(version);
	start_console();
	print("GICv");
	print_decimal(version);
	is_mounted = find_disk() && mount();
	if (is_mounted) {
		print(", FAT16 on a disk of virtio version ");
		print_decimal(read32(disk + VERSION));
	}
	print("\n");
	for (;;) {
		print("$ ");
		read_line(line, sizeof line);
		run_line(line, is_mounted);
	}
}
