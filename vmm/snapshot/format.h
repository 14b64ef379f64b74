/* SPDX-License-Identifier: MIT */
/*
 * The file format of a snapshot (docs/snapshots.md): a header, entries of state, and behind them,
 * aligned so that it can be mapped, the guest's RAM without the parts that are zero.
 *
 * Who uses it: save.c, resume.c and snapshot_text.c. It knows bytes only. Numbers are
 * little-endian.
 */
#ifndef VMM_SNAPSHOT_FORMAT_H
#define VMM_SNAPSHOT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_ALIGN 65536ul		 /* of RAM in file and guest: the largest page of a host */
#define SNAPSHOT_PAGE 4096		 /* bytes of RAM that have a checksum */
#define SNAPSHOT_EXTENTS 64		 /* max; each is one mmap of a resume */
#define SNAPSHOT_STATE_MAX (256ul << 20) /* bytes of header and entries */

struct snapshot_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* bytes; the entries follow */
	uint64_t state_size;  /* bytes of header and entries */
	uint64_t file_size;
	uint64_t ram_checksum; /* sum of snapshot_page_checksum of all pages of the extents */
	uint64_t checksum;     /* of header and entries, taken with this field zero */
};

enum snapshot_kind {
	SNAPSHOT_SHAPE = 1, /* one struct snapshot_shape, the first entry */
	SNAPSHOT_EXTENT,    /* struct snapshot_extent: a part of memory that is in the file */
	SNAPSHOT_STOLEN,    /* what the guest sees at STEAL_BASE */
	SNAPSHOT_DEVICE,    /* a device's fields; id: its guest-physical address */
	SNAPSHOT_CPU_IS,    /* a register that says what CPU 0 is: it has to be the same */
	SNAPSHOT_DISK,	    /* struct snapshot_extent: all of a volatile disk; index: its slot */
	SNAPSHOT_FW_CFG,    /* struct snapshot_extent: a file of fw_cfg; index: which; id: bytes */
	SNAPSHOT_VARIABLES, /* struct snapshot_variables */
	SNAPSHOT_KVM =
		16, /* and enum state_kind: what KVM holds (vmm/kvm/kvm_state.h); id: its number */
};

/* Bytes follow, padded to a multiple of 8. */
struct snapshot_entry {
	uint32_t kind;
	uint32_t index; /* of the CPU */
	uint64_t id;
	uint32_t size; /* bytes, without padding */
	uint32_t zero;
};

/* A part of the guest's memory, which is RAM or flash; or a disk, or a file of fw_cfg. */
struct snapshot_extent {
	uint64_t at;	 /* guest-physical address; of others than memory 0 */
	uint64_t size;	 /* bytes */
	uint64_t offset; /* in the file */
};

/* The file of --variables. What is in it is in the flash. */
struct snapshot_variables {
	uint64_t changed; /* when it was, in ns since 1970; 0: not known */
	uint64_t size;	  /* bytes */
};

#define SNAPSHOT_SLOTS 32

/* A virtio device. */
struct snapshot_slot {
	uint32_t type;	/* virtio's number; 0: none */
	uint32_t flags; /* SNAPSHOT_LEGACY and so on */
	uint64_t sectors;
	uint8_t serial[24]; /* of a disk; or the address of a network, 6 bytes */
	uint64_t changed;   /* when a disk's file was, in ns since 1970; 0: not known */
};
#define SNAPSHOT_LEGACY 1
#define SNAPSHOT_READ_ONLY 2
#define SNAPSHOT_VOLATILE 4

/* What the machine has to be for this state. */
struct snapshot_shape {
	uint64_t memory; /* bytes of RAM */
	uint32_t cpus;
	uint32_t gic;	   /* version */
	uint32_t features; /* SNAPSHOT_PMU and so on */
	uint32_t zero;
	uint64_t frequency; /* of the counter, in Hz; 0: the host did not know */
	uint64_t counter;   /* the guest's virtual counter */
	uint64_t physical;  /* the physical counter, which is the host's */
	uint64_t seconds;   /* of CLOCK_REALTIME */
	uint64_t flash;	    /* a bit for each block of 2 MiB that was written */
	struct snapshot_slot slots[SNAPSHOT_SLOTS];
};
#define SNAPSHOT_PMU 1
#define SNAPSHOT_SVE 2
#define SNAPSHOT_PAUTH 4
#define SNAPSHOT_STOLEN_TIME 8
#define SNAPSHOT_EL2 16 /* times a bit of enum el2 */

/* ---- writing ---- */

/* State under construction in memory of the caller's. */
struct snapshot_writer {
	uint8_t *bytes;
	size_t size, used;
};

/* Starts with a header, yet empty. The memory is aligned to 8. */
void snapshot_begin(struct snapshot_writer *writer, void *memory, size_t size);
/* Adds an entry; the caller fills its bytes. No room is a bug of the caller's, and traps. */
void *snapshot_add(struct snapshot_writer *writer, uint32_t kind, uint32_t index, uint64_t id,
		   uint32_t size);
/* Completes the header. Returns it. */
const struct snapshot_header *snapshot_finish(struct snapshot_writer *writer, uint64_t file_size,
					      uint64_t ram_checksum);

/* Continues a checksum, 0 at first, with so many bytes, a multiple of 8. A change of a single word
 * always changes the result. */
uint64_t snapshot_checksum(uint64_t checksum, const void *bytes, size_t size);
/* What a page of memory, at this guest-physical address, adds to the checksum of RAM: a page that
 * changes changes the sum by the difference. A page of zeros adds nothing. */
uint64_t snapshot_page_checksum(uint64_t at, const void *page);
/* Are so many bytes, whole words in memory that is aligned to them, all zero? */
bool snapshot_is_zero(const void *bytes, uint64_t size);

/* ---- reading ---- */

/* Does this file begin like a snapshot, whole or damaged? */
bool snapshot_matches(const void *bytes, size_t size);
/* Bytes of header and entries, to be read before snapshot_check; 0 if the header cannot be right.
 * `size`: of the file. */
uint64_t snapshot_state_size(const void *bytes, uint64_t size);
/* Is it whole, and of a version that is known here? Returns NULL or what is wrong. After NULL, the
 * other functions of this header trust the bytes, which therefore may not change any more. */
const char *snapshot_check(const void *bytes, uint64_t file_size);

const struct snapshot_shape *snapshot_shape_of(const void *state);
/* The next entry, after NULL the first; NULL: there is none. */
const struct snapshot_entry *snapshot_next(const void *state, const struct snapshot_entry *entry);
static inline const void *snapshot_bytes(const struct snapshot_entry *entry)
{
	return entry + 1;
}
/* Moves *entry, NULL at first, to the next one that is an extent, of memory or of something else.
 * False if there is none. */
bool snapshot_next_extent(const void *state, const struct snapshot_entry **entry,
			  struct snapshot_extent *extent);

#endif
