// SPDX-License-Identifier: MIT
/* Which kinds of networks there are. Who calls it: devices.c, before the sandbox. */
#include "net.h"

#include "crt/crt.h"
#include "vmm/options.h"
#include "vmm/report.h"

/* "fd=N": a tap, or a stream. */
static void inherit(struct net_backend *backend, const char *text)
{
	int fd = options_descriptor(text);

	if (fd < 3)
		die(STATUS_USAGE, "--net %.100s: takes the number of an open descriptor from 3 on",
		    backend->name);
	if (!net_inherit_tap(backend, fd))
		net_inherit_stream(backend, fd);
}

static const struct {
	const char *begin; /* of the text; what is behind it goes to `open` */
	void (*open)(struct net_backend *backend, const char *text);
} kinds[] = {
	{ "tap=", net_open_tap },
	{ "packet=", net_open_packet },
	{ "unix=", net_open_stream },
	{ "fd=", inherit },
};

/* The row of such a text, of which something stands behind the kind; -1 if there is none. */
static int find_kind(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t length = strlen(kinds[i].begin);

		if (!strncmp(kinds[i].begin, text, length) && text[length])
			return (int)i;
	}
	return -1;
}

bool net_is_kind(const char *text)
{
	return find_kind(text) >= 0;
}

void net_open(struct net_backend *backend, const char *text)
{
	int kind = find_kind(text);

	backend->name = text;
	backend->fd = backend->listener = -1;
	kinds[kind].open(backend, text + strlen(kinds[kind].begin));
}
