// SPDX-License-Identifier: MIT
/*
 * A network interface of the host's: a tap (Documentation/networking/tuntap.rst), or the wire of
 * one by a packet socket (packet(7)).
 *
 * Who calls it: net.c; vmm/machine/nets.c by the operations. Touches the interface and its
 * descriptor.
 */
#include "net.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* linux/if.h and the C library's net/if.h have the same names (netdevice(7)). */
struct interface {
	char name[16];
	union {
		int16_t flags;
		int32_t number; /* its index, or its MTU */
		struct {
			uint16_t family;
			uint8_t address[14];
		} hardware;
		uint8_t room[24];
	};
};
#define IS_UP 1 /* of its flags */

#define RECEIVE_BUFFER (4 << 20) /* bytes: some 50 frames of the largest size */
#define SEND_BUFFER (1 << 20)

/* ---- frames ---- */

static int send_frame(struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	long n = sys_writev(backend->fd, pieces, count);

	return n < 0 ? (int)n : 0;
}

/* Errors that pass. */
static bool is_passing(long error)
{
	return error == -EAGAIN || error == -EINTR || error == -ENETDOWN || error == -ENOMEM ||
	       error == -ENOBUFS;
}

static size_t receive_frame(struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	long n = sys_readv(backend->fd, pieces, count);

	if (n > BACKEND_HEADER)
		return (size_t)n - BACKEND_HEADER;
	if (n < 0 && !is_passing(n)) {
		report("--net %.200s: %s; the guest's link is down from now on", backend->name,
		       error_text((int)-n));
		backend->fd = -1; /* not closed: another thread may be writing to it */
	}
	return 0;
}

static const struct net_backend_ops ops = { .send = send_frame, .receive = receive_frame };

/* ---- set-up ---- */

static _Noreturn void fail(const struct net_backend *backend, long error, const char *advice)
{
	die(STATUS_HOST, "--net %.200s: %s%s", backend->name, error_text((int)-error), advice);
}

static int must(const struct net_backend *backend, long result, const char *advice)
{
	if (result < 0)
		fail(backend, result, advice);
	return (int)result;
}

static void name_it(const struct net_backend *backend, struct interface *interface,
		    const char *name)
{
	*interface = (struct interface){ .number = 0 };
	if (strlen(name) >= sizeof interface->name)
		die(STATUS_USAGE, "--net %.200s: an interface's name has at most 15 characters",
		    backend->name);
	memcpy(interface->name, name, strlen(name));
}

/* Learns of an interface what a guest needs, and switches it on. */
static void use_interface(struct net_backend *backend, const char *name)
{
	long fd = must(backend, sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "");
	struct interface interface;

	name_it(backend, &interface, name);
	if (ioctl_restart((int)fd, SIOCGIFMTU, (uintptr_t)&interface) == 0)
		backend->mtu = (unsigned)interface.number;
	if (ioctl_restart((int)fd, SIOCGIFHWADDR, (uintptr_t)&interface) == 0)
		memcpy(backend->mac, interface.hardware.address, sizeof backend->mac);
	must(backend, ioctl_restart((int)fd, SIOCGIFFLAGS, (uintptr_t)&interface), "");
	if (!(interface.flags & IS_UP)) {
		interface.flags |= IS_UP;
		must(backend, ioctl_restart((int)fd, SIOCSIFFLAGS, (uintptr_t)&interface),
		     "; it is down, and cannot be switched on");
	}
	sys_close((int)fd);
}

/* ---- tap ---- */

/* As many offloads as the host's kernel takes; a header of the size that packet sockets have. */
static void set_up_tap(struct net_backend *backend, int fd)
{
	static const unsigned offloads[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		0,
	};
	int header = BACKEND_HEADER, on = 1;

	must(backend, ioctl_restart(fd, TUNSETVNETHDRSZ, (uintptr_t)&header), "");
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++) {
		backend->offloads = offloads[i];
		if (ioctl_restart(fd, TUNSETOFFLOAD, offloads[i]) == 0)
			break;
	}
	must(backend, ioctl_restart(fd, FIONBIO, (uintptr_t)&on), "");
	backend->fd = fd;
	backend->ops = &ops;
}

void net_open_tap(struct net_backend *backend, const char *name)
{
	struct interface interface;
	long fd = sys_openat(AT_FDCWD, "/dev/net/tun", O_RDWR | O_CLOEXEC, 0);
	long result;

	if (fd < 0)
		fail(backend, fd,
		     fd == -ENOENT ? ": /dev/net/tun; load the host's module \"tun\""
				   : ": /dev/net/tun");
	name_it(backend, &interface, name);
	interface.flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	result = ioctl_restart((int)fd, TUNSETIFF, (uintptr_t)&interface);
	if (result < 0)
		fail(backend, result,
		     result == -EPERM	 ? "; only root makes one, or uses one of another user's"
		     : result == -EBUSY	 ? "; another process has it"
		     : result == -EINVAL ? "; is there, and is no tap"
					 : "");
	set_up_tap(backend, (int)fd);
	use_interface(backend, name);
	memset(backend->mac, 0, sizeof backend->mac); /* it is another one each time */
}

bool net_inherit_tap(struct net_backend *backend, int fd)
{
	struct interface interface = { .number = 0 };

	if (ioctl_restart(fd, TUNGETIFF, (uintptr_t)&interface) < 0)
		return false;
	if (!(interface.flags & IFF_TAP) || !(interface.flags & IFF_VNET_HDR) ||
	    !(interface.flags & IFF_NO_PI))
		die(STATUS_HOST,
		    "--net %.200s: must have been made with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR",
		    backend->name);
	set_up_tap(backend, fd);
	return true;
}

/* ---- packet socket ---- */

static void set_option(struct net_backend *backend, int fd, int option, const void *value,
		       size_t size)
{
	must(backend, sys_setsockopt(fd, SOL_PACKET, option, value, size), "");
}

/* The guest is a station of its own on the wire: it gets all frames, but for those that the host
 * itself sends, as on a switch of which the host's interface is the uplink. */
void net_open_packet(struct net_backend *backend, const char *name)
{
	long fd = must(backend, sys_socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		       "; only root has packet sockets");
	struct packet_mreq promiscuous = { .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = __builtin_bswap16(ETH_P_ALL) };
	const int on = 1, receive = RECEIVE_BUFFER, send = SEND_BUFFER;
	struct interface interface;

	name_it(backend, &interface, name);
	must(backend, ioctl_restart((int)fd, SIOCGIFINDEX, (uintptr_t)&interface), "");
	address.sll_ifindex = promiscuous.mr_ifindex = interface.number;
	use_interface(backend, name);
	set_option(backend, (int)fd, PACKET_VNET_HDR, &on, sizeof on);
	set_option(backend, (int)fd, PACKET_IGNORE_OUTGOING, &on, sizeof on);
	set_option(backend, (int)fd, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous);
	/* Who may not has the host's default. */
	(void)sys_setsockopt((int)fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive);
	(void)sys_setsockopt((int)fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send);
	must(backend, sys_bind((int)fd, &address, sizeof address), "");
	/* The interface's own, but locally administered: the same at each start of this host. */
	backend->mac[0] = (uint8_t)((backend->mac[0] | 2) & ~1);
	backend->mac[5] ^= 0x80;
	backend->offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO;
	backend->fd = (int)fd;
	backend->ops = &ops;
}
