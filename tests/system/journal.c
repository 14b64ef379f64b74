// SPDX-License-Identifier: MIT
/*
 * Runs in a guest: writes numbered records to a file, and says of each, once fsync has said so,
 * that it is there. journal FILE. Never ends by itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_CREAT | O_WRONLY | O_APPEND, 0600) : -1;

	for (unsigned number = 1; fd >= 0; number++) {
		/* Of changing lengths, so that they end at all places of a block. */
		if (dprintf(fd, "record %0*u\n", 6 + number * 37 % 90, number) < 0 || fsync(fd) < 0)
			break;
		dprintf(1, "record %u\n", number);
	}
	perror("journal");
	return 1;
}
