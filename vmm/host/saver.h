/* SPDX-License-Identifier: MIT */
/*
 * Where a snapshot is written to. A file is written under another name, and renamed when it is
 * complete and on the medium: it is the old one or the new one, whole. For that the monitor's
 * sandbox leaves it no names, so a process of its own, which can do nothing else, makes the new
 * file and renames it. A block device is opened before the sandbox; who writes it writes its header
 * last.
 *
 * Who uses it: main opens it, vmm/snapshot/save.c writes. Functions that return an int return 0 or
 * a negative errno, unless they say otherwise.
 */
#ifndef VMM_SAVER_H
#define VMM_SAVER_H

#include "disk.h"

#include <stdbool.h>
#include <stdint.h>

struct saver {
	const char *name;
	int socket;	  /* to the process; -1: it is a device */
	int fd;		  /* the file that is being written; of a device, always; else -1 */
	uint64_t size;	  /* bytes that a device has; of a file UINT64_MAX */
	struct disk last; /* the file that was completed last; its `fd` is -1 if there is none */
};

#define SAVER_FILES 3 /* descriptors that it takes at most */

/* Before the sandbox, and before threads are started. Dies if that cannot be written. */
void saver_open(struct saver *saver, const char *name, bool sandboxed);
/* Begins a new file. Returns its descriptor, which is empty unless it is a device's; or a negative
 * errno. */
int saver_begin(struct saver *saver);
/* Makes the new file's first bytes those of the one that was completed last, if the file system can
 * have both share them, and nobody has changed that one meanwhile. Of a device they are. Returns
 * whether they are now; if not the file is empty. */
bool saver_keep(struct saver *saver, uint64_t size);
/* It is complete: it takes the name's place. */
int saver_commit(struct saver *saver);
/* It is not, and goes away. */
void saver_abort(struct saver *saver);

/* Writes all of these bytes at this offset of a file. */
int saver_write(int fd, const void *bytes, uint64_t size, uint64_t at);

#endif
