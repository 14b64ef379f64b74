// SPDX-License-Identifier: MIT
/*
 * inherit TAP COMMAND...: runs COMMAND with descriptors that it inherits: 3 is a tap of this name,
 * 4 and 5 are the ends of a connection. Who runs it: net.t, in the host. A static program with
 * musl's libc.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The beginning of the kernel's struct ifreq (netdevice(7)). */
struct request {
	char name[16];
	short flags;
	char room[22];
};

int main(int argc, char **argv)
{
	struct request request = { .flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int tap = open("/dev/net/tun", O_RDWR), ends[2];

	if (argc < 3) {
		fprintf(stderr, "inherit TAP COMMAND...\n");
		return 64;
	}
	strncpy(request.name, argv[1], sizeof request.name - 1);
	if (tap != 3 || ioctl(tap, TUNSETIFF, &request) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
		perror("inherit");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
