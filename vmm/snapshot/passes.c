// SPDX-License-Identifier: MIT
/*
 * Writes the guest's memory in passes. Who calls it: save.c, on the event loop's thread; vCPUs and
 * the worker may write the same memory meanwhile. Touches the file, reads the memory, and has KVM
 * log what vCPUs write to it.
 */
#include "passes.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/host/saver.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <linux/auxvec.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#define WORD_BITS 64 /* of a bitmap */

/* An extent that was written does not move in the file. What comes to be used between two of them
 * gets one of its own, of which there is one for each gap if there are at most so many before the
 * last pass. */
#define EXTENTS_BEFORE_LAST (SNAPSHOT_EXTENTS / 2 - 1)
/* Bytes of zeros between two extents, up to which they are one. In a file they are a hole, and a
 * resume maps each extent, which costs it as much as ten registers. */
#define GAP (1ul << 20)

/* ---- places ---- */

static uint64_t address_of(uint64_t place)
{
	return place < FLASH_SIZE ? FLASH_BASE + place : RAM_BASE + (place - FLASH_SIZE);
}

static uint64_t place_of(uint64_t address)
{
	return address < RAM_BASE ? address - FLASH_BASE : FLASH_SIZE + (address - RAM_BASE);
}

static struct guest_memory *memory_of(const struct passes *passes, uint64_t place)
{
	return place < FLASH_SIZE ? &passes->machine->flash : &passes->machine->memory;
}

static uint8_t *bytes_at(const struct passes *passes, uint64_t place)
{
	const struct guest_memory *memory = memory_of(passes, place);

	return memory->host + (address_of(place) - memory->base.address);
}

/* ---- what there is ---- */

/* Of the flash only those blocks count that were written. */
static bool is_used(const struct passes *passes, uint64_t place)
{
	return place >= FLASH_SIZE || passes->machine->banks[place / FLASH_BANK].written >>
						      place % FLASH_BANK / FLASH_BLOCK &
					      1;
}

/* The chunk at this place gets an extent, unless these bytes of it are zero. */
static void mark_chunk(struct passes *passes, uint64_t place, uint64_t size)
{
	uint64_t chunk = place / SNAPSHOT_ALIGN;

	if (is_used(passes, place) && !snapshot_is_zero(bytes_at(passes, place), size))
		passes->chunks[chunk / WORD_BITS] |= 1ull << chunk % WORD_BITS;
}

/* Which of these pages are in the host's memory. Others were never written, unless the host has
 * swapped them out or they are a file's; then all count as there. */
static uint64_t pages_present(const struct passes *passes, uint64_t place, uint64_t size)
{
	uint8_t present[WORD_BITS];
	uint64_t pages = 0;

	if (place < FLASH_SIZE || passes->is_swapping || passes->machine->memory.has_file_pages ||
	    sys_mincore((uintptr_t)bytes_at(passes, place), size, present) < 0)
		return ~0ull;
	for (uint64_t i = 0; i < size / passes->page; i++)
		pages |= (present[i] & 1ull) << i;
	return pages;
}

static const struct snapshot_extent *extent_at(const struct passes *passes, uint64_t address)
{
	for (unsigned i = 0; i < passes->count; i++)
		if (address - passes->extents[i].at < passes->extents[i].size)
			return &passes->extents[i];
	return NULL;
}

/* Marks the chunks that the pages of a word make up, unless they have an extent. */
static void scan_word(struct passes *passes, uint64_t place, uint64_t size)
{
	uint64_t pages = pages_present(passes, place, size);
	uint64_t per_chunk = SNAPSHOT_ALIGN / passes->page;

	for (uint64_t done = 0; done < size; done += SNAPSHOT_ALIGN, pages >>= per_chunk)
		if (pages & ((1ull << per_chunk) - 1) &&
		    !extent_at(passes, address_of(place + done)))
			mark_chunk(passes, place + done, SNAPSHOT_ALIGN);
}

static bool has_swap(void)
{
	struct sysinfo info = { 0 };

	return sys_sysinfo(&info) < 0 || info.totalswap != 0;
}

/* ---- extents ---- */

/* Is there an extent among the first `count` that begins between these addresses? */
static bool is_between(const struct passes *passes, unsigned count, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < count; i++)
		if (passes->extents[i].at >= start && passes->extents[i].at < end)
			return true;
	return false;
}

/* The last extent, if it is none of the first `first`, and ends at most `gap` bytes before this
 * address in the same memory with no older one between them. Else NULL. */
static struct snapshot_extent *extent_before(struct passes *passes, unsigned first, uint64_t at,
					     uint64_t gap)
{
	struct snapshot_extent *last;

	if (passes->count == first)
		return NULL;
	last = &passes->extents[passes->count - 1];
	return at - (last->at + last->size) <= gap && (last->at < RAM_BASE) == (at < RAM_BASE) &&
			       !is_between(passes, first, last->at, at)
		       ? last
		       : NULL;
}

/* Adds a chunk to that extent, or as a new one. False if there are `max`. */
static bool add_chunk(struct passes *passes, unsigned first, unsigned max, uint64_t at,
		      uint64_t gap)
{
	struct snapshot_extent *last = extent_before(passes, first, at, gap);

	if (last) {
		last->size = at + SNAPSHOT_ALIGN - last->at;
		return true;
	}
	if (passes->count == max)
		return false;
	passes->extents[passes->count++] =
		(struct snapshot_extent){ .at = at, .size = SNAPSHOT_ALIGN };
	return true;
}

static bool add_chunks(struct passes *passes, unsigned first, unsigned max, uint64_t gap)
{
	passes->count = first;
	for (uint64_t i = 0; i < passes->chunk_words; i++)
		for (uint64_t left = passes->chunks[i]; left; left &= left - 1) {
			uint64_t chunk = i * WORD_BITS + (unsigned)__builtin_ctzll(left);

			if (!add_chunk(passes, first, max, address_of(chunk * SNAPSHOT_ALIGN), gap))
				return false;
		}
	return true;
}

/* All pages of these extents are to be written. */
static void mark_extents(const struct passes *passes, unsigned first, unsigned count)
{
	for (unsigned i = first; i < count; i++) {
		const struct snapshot_extent *extent = &passes->extents[i];
		uint64_t place = place_of(extent->at);

		memory_mark(memory_of(passes, place), bytes_at(passes, place), extent->size);
	}
}

/*
 * Gives the chunks extents, at most `max` with those that there are: the largest gaps are left out.
 * If that cannot be they stay as they are.
 */
static void add_extents(struct passes *passes, unsigned max)
{
	unsigned first = passes->count;
	uint64_t gap = GAP;

	while (!add_chunks(passes, first, max, gap)) {
		gap *= 2;
		if (gap > 2 * passes->size) {
			passes->count = first;
			return;
		}
	}
	memset(passes->chunks, 0, passes->chunk_words * sizeof *passes->chunks);
	for (unsigned i = first; i < passes->count; i++) {
		passes->extents[i].offset = passes->end;
		passes->end += passes->extents[i].size;
	}
	mark_extents(passes, first, passes->count);
}

/* Before the last pass: some are left for what comes to be used in later ones. */
static void add_some_extents(struct passes *passes)
{
	add_extents(passes, (passes->count + EXTENTS_BEFORE_LAST + 1) / 2);
}

/* ---- writing ---- */

/* Takes a page's checksum, and counts it as what the file has. Returns what it had. */
static uint64_t count_page(struct passes *passes, uint64_t place)
{
	uint64_t *checksum = &passes->checksums[place / SNAPSHOT_PAGE];
	uint64_t before = *checksum;

	*checksum = snapshot_page_checksum(address_of(place), bytes_at(passes, place));
	passes->checksum += *checksum - before;
	return before;
}

static int write_bytes(struct passes *passes, const uint8_t *bytes, uint64_t size, uint64_t offset)
{
	passes->written += size;
	return saver_write(passes->fd, bytes, size, offset);
}

/*
 * Pages of one extent, as many at a time as lie in a row. With `is_kept` those are left out that
 * have the checksum of what the file has. A page that was zero when its checksum was taken is not
 * read again: the guest may write something and take it back before that page is looked at next.
 */
static int write_pages(struct passes *passes, uint64_t place, uint64_t size, uint64_t offset,
		       bool is_kept)
{
	const uint8_t *bytes = bytes_at(passes, place);
	uint64_t start = 0;
	int result = 0;

	passes->handled += size;
	for (uint64_t done = 0; done <= size && result == 0; done += SNAPSHOT_PAGE) {
		uint64_t before = 0, now = 0;

		if (done < size) {
			before = count_page(passes, place + done);
			now = passes->checksums[(place + done) / SNAPSHOT_PAGE];
			if (now && !(is_kept && now == before))
				continue;
		}
		result = write_bytes(passes, bytes + start, done - start, offset + start);
		if (result == 0 && done < size && !now &&
		    (before || !(is_kept || passes->has_holes)))
			result = write_bytes(passes, passes->zeros, SNAPSHOT_PAGE, offset + done);
		start = done + SNAPSHOT_PAGE;
	}
	return result;
}

/* Dirty pages. Those that no extent has are remembered as chunks, unless they are zero. */
static int write_dirty(struct passes *passes, uint64_t place, uint64_t size)
{
	int result = 0;

	while (size && result == 0) {
		uint64_t address = address_of(place);
		const struct snapshot_extent *extent = extent_at(passes, address);
		uint64_t n = SNAPSHOT_ALIGN - address % SNAPSHOT_ALIGN;

		if (extent)
			n = extent->at + extent->size - address;
		if (n > size)
			n = size;
		if (extent)
			result = write_pages(passes, place, n,
					     extent->offset + (address - extent->at),
					     extent - passes->extents < passes->kept);
		else
			mark_chunk(passes, place, n);
		place += n;
		size -= n;
	}
	return result;
}

/* The pages of a word of the bitmap, each row of ones at once. */
static int write_word(struct passes *passes, uint64_t word)
{
	uint64_t bits = __atomic_exchange_n(&passes->dirty[word], 0, __ATOMIC_ACQUIRE);
	uint64_t place = word * WORD_BITS * passes->page;
	int result = 0;

	while (bits && result == 0) {
		unsigned zeros = (unsigned)__builtin_ctzll(bits), ones;

		bits >>= zeros;
		ones = ~bits ? (unsigned)__builtin_ctzll(~bits) : WORD_BITS;
		place += zeros * passes->page;
		result = write_dirty(passes, place, ones * passes->page);
		place += ones * passes->page;
		bits = ones < WORD_BITS ? bits >> ones : 0;
	}
	return result;
}

/* ---- passes ---- */

/* Reads KVM's log, and adds it to what is dirty. */
static int read_log(struct passes *passes)
{
	int result = passes->is_live ? dirty_log_read(&passes->log, passes->logged) : 0;

	for (uint64_t i = passes->flash_words; passes->is_live && i < passes->words; i++)
		if (passes->logged[i - passes->flash_words])
			__atomic_fetch_or(&passes->dirty[i],
					  passes->logged[i - passes->flash_words],
					  __ATOMIC_RELAXED);
	return result;
}

/* Of a word, before the pages that it stands for are read. */
static int clear_log(const struct passes *passes, uint64_t word, uint64_t pages)
{
	const uint64_t *bits = &passes->logged[word - passes->flash_words];

	if (!passes->is_live || word < passes->flash_words || !*bits)
		return 0;
	return dirty_log_clear(&passes->log, bits, (word - passes->flash_words) * WORD_BITS,
			       (uint32_t)pages);
}

int passes_step(struct passes *passes)
{
	uint64_t word = passes->at++, place = word * WORD_BITS * passes->page;
	uint64_t size = WORD_BITS * passes->page;
	int result;

	if (size > passes->size - place)
		size = passes->size - place;
	result = clear_log(passes, word, size / passes->page);
	if (result == 0 && passes->is_scanning)
		scan_word(passes, place, size);
	else if (result == 0)
		result = write_word(passes, word);
	if (result < 0 || passes->at < passes->words)
		return result < 0 ? result : 1;
	if (!passes->is_scanning)
		return 0;
	passes->is_scanning = false;
	passes->at = 0;
	/* This was cleared word by word, and may be logged again: the first pass must not clear it.
	 */
	memset(passes->logged, 0, (passes->words - passes->flash_words) * sizeof *passes->logged);
	add_some_extents(passes);
	mark_extents(passes, 0, passes->count);
	return 1;
}

long passes_next(struct passes *passes)
{
	int result = read_log(passes);
	uint64_t pages = 0;

	add_some_extents(passes);
	passes->at = passes->kept = 0;
	for (uint64_t i = 0; i < passes->words; i++)
		for (uint64_t left = passes->dirty[i]; left; left &= left - 1)
			pages++;
	return result < 0 ? result : (long)pages;
}

static int finish_pass(struct passes *passes)
{
	int result;

	while ((result = passes_step(passes)) > 0)
		;
	return result;
}

int passes_finish(struct passes *passes)
{
	int result = read_log(passes);

	/* What the pass under way has written may have been something else than what had this
	 * checksum; then it was written once more meanwhile. */
	if (passes->is_live)
		passes->kept = 0;
	passes->is_live = false;
	passes->at = 0;
	if (result >= 0)
		result = finish_pass(passes);
	if (result < 0)
		return result;
	add_extents(passes, SNAPSHOT_EXTENTS);
	passes->at = 0;
	return finish_pass(passes);
}

/* ---- begin and end ---- */

/* The arrays lie in one mapping, of which only that takes memory which is used. */
static size_t arrays_size(const struct passes *passes)
{
	return (2 * passes->words + passes->size / SNAPSHOT_PAGE + passes->chunk_words) *
		       sizeof(uint64_t) +
	       SNAPSHOT_EXTENTS * sizeof(struct snapshot_extent);
}

void passes_create(struct passes *passes, struct machine *machine)
{
	uint64_t page = getauxval(AT_PAGESZ), size = FLASH_SIZE + machine->memory.size;

	*passes = (struct passes){
		.machine = machine,
		.page = page,
		.size = size,
		.words = (size / page + WORD_BITS - 1) / WORD_BITS,
		.flash_words = FLASH_SIZE / page / WORD_BITS,
		.chunk_words = (size / SNAPSHOT_ALIGN + WORD_BITS - 1) / WORD_BITS,
	};
	passes->zeros = pages_take(SNAPSHOT_PAGE, 0, "--save");
	passes->buffer = pages_take(SNAPSHOT_ALIGN, 0, "--save");
	passes->dirty = pages_take(arrays_size(passes), MAP_NORESERVE, "--save");
	passes->logged = passes->dirty + passes->words;
	passes->checksums = passes->logged + passes->words;
	passes->chunks = passes->checksums + size / SNAPSHOT_PAGE;
	passes->extents = (struct snapshot_extent *)(passes->chunks + passes->chunk_words);
}

/* From now on, or not any more: who writes memory for the guest marks it. Who has begun to write
 * before that does so under a device's lock: what it writes is there when that has been taken. */
static void set_marks(struct passes *passes, uint64_t *dirty)
{
	struct machine *machine = passes->machine;

	machine->flash.dirty_page = machine->memory.dirty_page = passes->page;
	__atomic_store_n(&machine->flash.dirty, dirty, __ATOMIC_RELEASE);
	__atomic_store_n(&machine->memory.dirty, dirty ? dirty + passes->flash_words : NULL,
			 __ATOMIC_RELEASE);
	for (unsigned i = 0; i < machine->bus.count; i++) {
		lock_acquire(&machine->bus.regions[i].lock);
		lock_release(&machine->bus.regions[i].lock);
	}
}

/* No extent is kept. */
static void forget(struct passes *passes)
{
	(void)sys_madvise((uintptr_t)passes->dirty, arrays_size(passes), MADV_DONTNEED);
	passes->count = 0;
	passes->checksum = 0;
}

int passes_begin(struct passes *passes, uint64_t offset, bool is_live)
{
	const struct machine *machine = passes->machine;
	int result;

	if (passes->count > EXTENTS_BEFORE_LAST || passes->start != offset)
		forget(passes);
	if (!passes->count)
		passes->start = passes->end = offset;
	passes->is_live = passes->is_logged = is_live;
	passes->is_scanning = true;
	passes->is_swapping = has_swap();
	passes->kept = passes->count;
	passes->kept_end = passes->end;
	passes->at = passes->handled = passes->written = 0;
	set_marks(passes, passes->dirty);
	if (!is_live)
		return 0;
	result = dirty_log_start(&passes->log, &machine->vm, RAM_SLOT, machine->memory.base,
				 machine->memory.host, machine->memory.size);
	/* What it holds at first is cleared by the first pass, which reads all pages anyway. */
	return result < 0 ? result : dirty_log_read(&passes->log, passes->logged);
}

void passes_set_file(struct passes *passes, int fd, bool has_holes, bool is_kept)
{
	passes->fd = fd;
	passes->has_holes = has_holes;
	passes->kept = is_kept ? passes->kept : 0;
}

void passes_end(struct passes *passes, bool is_complete)
{
	const struct guest_memory *memory = &passes->machine->memory;

	set_marks(passes, NULL);
	if (passes->is_logged)
		(void)dirty_log_stop(&passes->log, memory->base, memory->host, memory->size);
	passes->is_logged = false;
	if (is_complete) /* devices may have marked what they wrote since the last pass */
		memset(passes->dirty, 0, (uintptr_t)passes->checksums - (uintptr_t)passes->dirty);
	else
		forget(passes);
}
