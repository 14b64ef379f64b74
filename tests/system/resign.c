// SPDX-License-Identifier: MIT
/*
 * Changes a snapshot and makes its checksum fit: resign FILE OFFSET SIZE VALUE, so many bytes,
 * little-endian; or ^VALUE, which is a byte's bits to be flipped. OFFSET may be KIND+N: N bytes
 * into the first entry of that kind; or KIND=SIZE+N: the same of a new one, of so many bytes, which
 * are zero, of CPU 0. The file is then one that a hostile author would make, or a host that
 * differs.
 *
 * Who runs it: snapshot-cases.sh, in the host. A static program with musl's libc.
 */
#include "vmm/snapshot/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(uint64_t) uint8_t bytes[1 << 20];

/* The checksum as docs/snapshots.md has it. */
static uint64_t checksum_of(size_t size)
{
	uint64_t checksum = 0;

	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof word);
		checksum = (checksum ^ word) * 0x9e3779b97f4a7c15;
		checksum = checksum << 29 | checksum >> 35;
	}
	return checksum;
}

/* Where the bytes of the first entry of this kind begin; 0: there is none. */
static size_t find(uint32_t kind, uint64_t state_size)
{
	size_t at = sizeof(struct snapshot_header);

	while (at < state_size) {
		struct snapshot_entry entry;

		memcpy(&entry, bytes + at, sizeof entry);
		if (entry.kind == kind)
			return at + sizeof entry;
		at += sizeof entry + ((entry.size + 7ull) & ~7ull);
	}
	return 0;
}

/* Adds an entry; there is room before the guest's RAM. Returns where its bytes begin. */
static size_t add(uint32_t kind, uint32_t size)
{
	struct snapshot_header *header = (struct snapshot_header *)bytes;
	const struct snapshot_entry entry = { .kind = kind, .size = size };
	size_t at = header->state_size;

	memset(bytes + at, 0, sizeof entry + size);
	memcpy(bytes + at, &entry, sizeof entry);
	header->state_size += sizeof entry + ((size + 7ull) & ~7ull);
	return at + sizeof entry;
}

int main(int argc, char **argv)
{
	struct snapshot_header *header = (struct snapshot_header *)bytes;
	FILE *file = argc == 5 ? fopen(argv[1], "r+") : NULL;
	uint64_t value;
	char *plus;
	size_t at, got;

	if (!file)
		return 1;
	got = fread(bytes, 1, sizeof bytes, file);
	at = strtoul(argv[2], &plus, 0);
	if (*plus == '=')
		at = add((uint32_t)at, (uint32_t)strtoul(plus + 1, &plus, 0)) +
		     strtoul(plus + 1, NULL, 0);
	else if (*plus == '+')
		at = find((uint32_t)at, header->state_size) + strtoul(plus + 1, NULL, 0);
	if (got < header->state_size || header->state_size > sizeof bytes || at == 0)
		return 1;
	value = strtoull(argv[4] + (argv[4][0] == '^'), NULL, 0);
	if (argv[4][0] == '^')
		value ^= bytes[at];
	memcpy(bytes + at, &value, strtoul(argv[3], NULL, 0));
	header->checksum = 0;
	header->checksum = checksum_of(header->state_size);
	rewind(file);
	fwrite(bytes, 1, got, file);
	return fclose(file) != 0;
}
