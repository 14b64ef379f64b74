// SPDX-License-Identifier: MIT
/*
 * Claim: a disk does what the words of bootargs say, and the guest prints how each ended. They are
 * @SLOT (select a disk; at first slot 0), i (print what it is), rSECTOR (read), wSECTOR=TEXT
 * (write), zSECTOR (write zeroes), tSECTOR (discard), f (flush), k (wait for a key), x (reset the
 * guest with requests under way, until the count in sector 0 is 10), b (violate the specification
 * with requests under way), l (read until somebody else ends the run), s (ask to be saved), q (a
 * key: r resets the guest, any other does nothing).
 */
#include "virtio.h"

/* Bit of the status, and features (virtio 1.2, 2.1 and 5.2.3). */
#define NEEDS_RESET 64
#define F_RO (1u << 5)
#define F_FLUSH (1u << 9)
#define F_DISCARD (1u << 13)
#define F_WRITE_ZEROES (1u << 14)

#define LARGE 65536 /* bytes of each request when many are under way */
#define SEGMENT 16  /* bytes */
#define ID 20	    /* bytes of a serial number */

static struct queue ring __attribute__((aligned(PAGE)));
static struct block_header headers[ENTRIES];
static uint8_t statuses[ENTRIES];
static char data[LARGE] __attribute__((aligned(PAGE)));

static uintptr_t base; /* of the disk's registers */
static uint32_t features;

/* Selects the disk in this slot and initialises it, with the features used here. */
static void choose(unsigned slot)
{
	base = VIRTIO_BASE + slot * VIRTIO_SLOT;
	check(read32(base + DEVICE_ID) == BLOCK_ID);
	features = virtio_start(base, F_RO | F_FLUSH | F_DISCARD | F_WRITE_ZEROES, &ring);
}

/* Makes a request available, in descriptors 3n to 3n + 2; without data if `length` is 0. */
static void submit(unsigned n, uint32_t type, uint64_t sector, uint32_t length)
{
	unsigned at = 3 * n;
	uint16_t device_writes = type == IN || type == GET_ID ? WRITE : 0;

	headers[n].type = type;
	headers[n].sector = sector;
	statuses[n] = 0xff;
	queue_describe(&ring, at, &headers[n], sizeof headers[n], NEXT);
	if (length)
		queue_describe(&ring, at + 1, data, length, NEXT | device_writes);
	else
		ring.table[at].next = (uint16_t)(at + 2);
	queue_describe(&ring, at + 2, &statuses[n], 1, WRITE);
	queue_submit(&ring, at);
}

/* Notifies the device, and waits until all requests are used. */
static void wait_for_disk(void)
{
	queue_notify(base);
	while (!queue_is_done(&ring))
		;
	check(read32(base + INTERRUPT_STATUS) == 1);
	write32(base + INTERRUPT_ACK, 1);
}

/* Makes a request and prints its name and result. Returns 1, without printing the result, if it has
 * succeeded and the caller prints its data. */
static int request(const char *name, uint32_t type, uint64_t sector, uint32_t length)
{
	static const char *const results[] = { "ok", "I/O error", "unsupported" };

	submit(0, type, sector, length);
	wait_for_disk();
	print(name);
	if (type != FLUSH && type != GET_ID) {
		print(" ");
		print_decimal(sector);
	}
	print(": ");
	if (statuses[0] == 0 && (type == IN || type == GET_ID))
		return 1;
	print(statuses[0] < 3 ? results[statuses[0]] : "no answer");
	print("\n");
	return 0;
}

/* ---- words of bootargs ---- */

static uint64_t number(const char **text)
{
	uint64_t value = 0;

	while (**text >= '0' && **text <= '9')
		value = value * 10 + (uint64_t)(*(*text)++ - '0');
	return value;
}

static void clear(void)
{
	for (unsigned i = 0; i < SECTOR_SIZE; i++)
		data[i] = 0;
}

static void identify(void)
{
	print_decimal(read32(base + CONFIG));
	print(" sectors, version ");
	print_decimal(read32(base + VERSION));
	print(features & F_RO ? ", read only\n" : "\n");
	clear();
	if (request("serial", GET_ID, 0, ID)) {
		print(data);
		print("\n");
	}
}

static void read_text(uint64_t sector)
{
	clear();
	if (!request("read", IN, sector, SECTOR_SIZE))
		return;
	data[SECTOR_SIZE] = '\0';
	for (unsigned i = 0; i < SECTOR_SIZE; i++)
		if (data[i] == '\n')
			data[i] = '\0';
	print(data);
	print("\n");
}

static void write_text(uint64_t sector, const char **text)
{
	clear();
	for (unsigned i = 0; **text && **text != ' '; i++)
		data[i] = *(*text)++;
	request("write", OUT, sector, SECTOR_SIZE);
}

/* Makes a discard or write zeroes request for one sector (5.2.6). */
static void request_segment(const char *name, uint32_t type, uint64_t sector)
{
	clear();
	*(uint64_t *)data = sector;
	*(uint32_t *)(data + 8) = 1;
	request(name, type, sector, SEGMENT);
}

static void wait_for_key(void)
{
	print("key?\n");
	take_key();
}

/* Resets the guest while reads and writes of the same sectors are under way. Sector 0 has the
 * number of such resets. */
static void reset_busy(void)
{
	static const unsigned count = ENTRIES / 3;

	if (!request("count", IN, 0, SECTOR_SIZE) || data[0] >= 10) {
		print_decimal((uint64_t)data[0]);
		print(" resets\n");
		return;
	}
	print("up\n");
	data[0]++;
	request("write", OUT, 0, SECTOR_SIZE);
	for (unsigned n = 0; n < count; n++)
		submit(n, n % 2 ? IN : OUT, 128 + 8ull * n, LARGE);
	queue_notify(base);
	psci(PSCI_SYSTEM_RESET, 0, 0, 0);
}

static void read_for_ever(void)
{
	print("reads\n");
	for (;;) {
		for (unsigned n = 0; n < ENTRIES / 3; n++)
			submit(n, IN, 8ull * n, LARGE);
		wait_for_disk();
	}
}

/*
 * Writes an invalid index to the available ring while writes are under way. Before that it behaves
 * as a regular driver with an edge-triggered interrupt, so that the device is on the fast path.
 */
static void break_rule(void)
{
	static const unsigned edge = 2, count = ENTRIES / 3;

	write32(GIC_DIST_BASE + 0xc00 + (32 + VIRTIO_SPI) / 16 * 4,
		edge << (32 + VIRTIO_SPI) % 16 * 2);
	do {
		choose(0);
		for (unsigned n = 0; n < 100; n++) {
			submit(0, IN, 0, SECTOR_SIZE);
			wait_for_disk();
		}
		for (unsigned n = 0; n < count; n++)
			submit(n, OUT, 128 + 128ull * n, LARGE);
		queue_notify(base);
		__atomic_store_n(&ring.idx, (uint16_t)(ring.idx + 2 * ENTRIES), __ATOMIC_RELEASE);
		pause(100000);
	} while (!(read32(base + STATUS) & NEEDS_RESET)); /* else the writes were done too early */
	print("needs a reset\n");
	choose(0);
}

/* Carries out the word at *text, and moves *text behind it. */
static void carry_out(const char **text)
{
	char word = *(*text)++;
	uint64_t n = number(text);

	if (word == '@')
		choose((unsigned)n);
	else if (word == 'i')
		identify();
	else if (word == 'r')
		read_text(n);
	else if (word == 'w' && *(*text)++ == '=')
		write_text(n, text);
	else if (word == 'z')
		request_segment("zeroes", ZEROES, n);
	else if (word == 't')
		request_segment("discard", DISCARD, n);
	else if (word == 'f')
		request("flush", FLUSH, 0, 0);
	else if (word == 'k')
		wait_for_key();
	else if (word == 'x')
		reset_busy();
	else if (word == 'b')
		break_rule();
	else if (word == 'l')
		read_for_ever();
	else if (word == 's')
		write32(FINISHER_BASE, 0x6666);
	else if (word == 'q' && take_key() == 'r')
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	else if (word == 'q')
		return;
	else
		check(!"a word that is known");
}

void guest_main(const void *device_tree)
{
	const char *text = tree_property(device_tree, "bootargs", 0);

	mmu_on();
	choose(0);
	while (text && *text) {
		if (*text == ' ')
			text++;
		else
			carry_out(&text);
	}
}
