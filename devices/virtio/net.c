// SPDX-License-Identifier: MIT
/*
 * Virtio network device (virtio 1.2, 5.1; sections below are this document's).
 *
 * Who calls it: the bus and the transport, by virtio_timed_ops; its network; its timer. Touches its
 * own struct, its queues and the buffers in them.
 */
#include "net.h"

#include "offload.h"

enum { RECEIVE, TRANSMIT, CONTROL, QUEUES };

/* 5.1.3 */
#define F_MTU (1ull << 3)
#define F_MAC (1ull << 5)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS (1ull << 16)
#define F_CTRL_VQ (1ull << 17) /* F_GUEST_ANNOUNCE depends on it (5.1.3.1) */
#define F_GUEST_ANNOUNCE (1ull << 21)

/* Config space (5.1.4): offsets of its fields. */
#define STATUS 6
#define MTU 10

/* Bits of its status. */
#define LINK_UP 1
#define ANNOUNCE 2 /* the driver shall announce itself to its neighbours */

/* The only command of the control queue, and the answers (5.1.6.5). */
#define CTRL_ANNOUNCE 3
#define CTRL_ANNOUNCE_ACK 0
#define CTRL_OK 0
#define CTRL_ERR 1

#define MIN_FRAME 14 /* bytes: an Ethernet header */
/* Bytes with the header. A longer frame comes with others: it is left to the network's thread,
 * which sends them in one go. A shorter one has somebody wait for its answer. */
#define SHORT_FRAME 4096
#define ROUND 64		  /* frames before others have their turn */
#define PATIENCE_NS 1000000000ull /* for a driver that makes no buffers */

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

static struct virtio_net *net_of(struct virtio *device)
{
	return (struct virtio_net *)device;
}

/* Before version 1 a header that cannot be in several buffers does not count them (5.1.6.1). */
static size_t header_size(const struct virtio_net *net)
{
	return net->virtio.legacy && !virtio_has(&net->virtio, F_MRG_RXBUF)
		       ? NET_HEADER
		       : sizeof(struct net_header);
}

static bool is_up(const struct virtio_net *net)
{
	return net->connected && !net->unplugged;
}

uint32_t virtio_net_waits(const struct virtio_net *net)
{
	return __atomic_load_n(&net->waits, __ATOMIC_RELAXED);
}

static void set_waits(struct virtio_net *net, uint32_t what, bool on)
{
	uint32_t waits = on ? net->waits | what : net->waits & ~what;

	if (waits == net->waits)
		return;
	__atomic_store_n(&net->waits, waits, __ATOMIC_RELAXED);
	net->network.waits_changed(net->network.network);
}

/* ---- to the network ---- */

/* The network's own pieces: the header, and the frame without it. */
static enum net_result send(struct virtio_net *net, struct chain *chain)
{
	struct piece pieces[1 + QUEUE_SIZE];
	struct net_header header;
	size_t skipped = header_size(net), length;

	if (chain_read(chain, 0, &header, skipped) != skipped)
		return NET_LOST;
	pieces_skip(chain->pieces, chain->readable, skipped);
	length = pieces_size(chain->pieces, chain->readable);
	if (!is_up(net) || length < MIN_FRAME || length > NET_FRAME)
		return NET_LOST;
	if (!virtio_has(&net->virtio, NET_F_CSUM))
		header = (struct net_header){ .flags = 0 };
	pieces[0] = (struct piece){ &header, NET_HEADER };
	__builtin_memcpy(pieces + 1, chain->pieces, chain->readable * sizeof *pieces);
	return net->network.send(net->network.network, pieces, 1u + chain->readable);
}

/*
 * Sends the driver's frames. One of more than `longest` bytes waits, with those behind it, as if
 * the network were full.
 *
 * One thread at a time. While a frame is sent the device is not locked: another thread that has a
 * frame leaves it to this one, and one that stops the queue cancels what is sent.
 */
static void transmit(struct virtio_net *net, size_t longest)
{
	struct virtio *device = &net->virtio;
	enum net_result result = NET_SENT;
	struct chain chain;
	unsigned left = ROUND;

	if (net->is_sending)
		return;
	net->is_sending = true;
	for (; left && virtio_take(device, TRANSMIT, &chain); left--) {
		struct virtio_event event = { .action = "transmit",
					      .unit = "bytes",
					      .position = UINT64_MAX };

		net->is_cancelled = false;
		result = pieces_size(chain.pieces, chain.readable) > longest ? NET_FULL
									     : send(net, &chain);
		if (net->is_cancelled)
			continue;
		if (result == NET_FULL) {
			virtqueue_put_back(&device->queues[TRANSMIT], 1);
			break;
		}
		*(result == NET_SENT ? &net->sent : &net->unsent) += 1;
		event.amount = pieces_size(chain.pieces, chain.readable);
		event.result = result == NET_SENT ? "ok" : "lost";
		virtio_answer(device, TRANSMIT, &chain, 0, &event);
	}
	net->is_sending = false;
	set_waits(net, NET_ROOM, result == NET_FULL || !left);
	virtio_finish(device, TRANSMIT);
}

/* ---- from the network ---- */

static void lose_held(struct virtio_net *net)
{
	net->lost += net->held != 0;
	net->held = 0;
	net->segments.next = net->segments.size;
}

/* The driver shall make buffers. If it has not for long, the frame that is held is lost rather than
 * kept for ever, and so are those that find no buffer. */
static void wait_for_buffers(struct virtio_net *net)
{
	if (net->gave_up) {
		lose_held(net);
		return;
	}
	set_waits(net, NET_FRAMES, false);
	timer_line_set(&net->virtio.wires.timer, PATIENCE_NS);
}

/* Takes the next frame away from the network. Its bytes; 0 if there is none. */
static size_t read_frame(struct virtio_net *net)
{
	struct piece pieces[] = { { &net->header, NET_HEADER }, { net->frame, NET_FRAME } };

	return net->network.receive(net->network.network, pieces, 2);
}

/* The same with a frame that cannot be given to the driver. */
static bool lose_frame(struct virtio_net *net)
{
	bool was_there = read_frame(net) != 0;

	net->lost += was_there;
	return was_there;
}

static void count_received(struct virtio_net *net, unsigned buffers, size_t size)
{
	const struct virtio_event event = { .action = "receive",
					    .unit = "bytes",
					    .result = "ok",
					    .amount = size,
					    .position = UINT64_MAX };

	virtio_count(&net->virtio, buffers, size, &event);
	net->received++;
}

/* Forgets buffers that were taken for a frame before. */
static void take_none(struct net_buffers *buffers)
{
	buffers->count = 0;
	buffers->room = 0;
	buffers->all.readable = buffers->all.writable = 0;
}

static void put_back(struct virtio_net *net, unsigned count)
{
	virtqueue_put_back(&net->virtio.queues[RECEIVE], count);
}

/* Takes buffers, if a frame may be in several (5.1.6.4), until they have room for `size` bytes,
 * with the header. False if there are not enough. */
static bool take_more(struct virtio_net *net, size_t size)
{
	struct net_buffers *buffers = &net->buffers;
	struct chain *all = &buffers->all, next;

	while (buffers->room < size) {
		if ((buffers->count && !virtio_has(&net->virtio, F_MRG_RXBUF)) ||
		    buffers->count == QUEUE_SIZE || !virtio_take(&net->virtio, RECEIVE, &next))
			return false;
		if (all->writable + next.writable > QUEUE_SIZE) {
			put_back(net, 1);
			return false;
		}
		__builtin_memcpy(all->pieces + all->writable, next.pieces + next.readable,
				 next.writable * sizeof *next.pieces);
		all->writable = (uint16_t)(all->writable + next.writable);
		buffers->room += pieces_size(next.pieces + next.readable, next.writable);
		buffers->heads[buffers->count] = next.head;
		buffers->ends[buffers->count++] = buffers->room;
		if (buffers->room < header_size(net))
			net->virtio.queues[RECEIVE].broken = true;
	}
	return true;
}

/* Shows the driver the frame, for which there is room in the buffers that were taken, all at once.
 * Those that it does not need are put back. */
static void give(struct virtio_net *net, size_t size)
{
	struct virtqueue *queue = &net->virtio.queues[RECEIVE];
	const struct net_buffers *buffers = &net->buffers;
	size_t header = header_size(net), end;
	unsigned count = 0;

	for (size_t done = 0; done < header + size; done = end, count++) {
		end = lesser(buffers->ends[count], header + size);
		virtqueue_add_used(queue, buffers->heads[count], (uint32_t)(end - done));
	}
	put_back(net, buffers->count - count);
	net->header.buffers = (uint16_t)count;
	chain_write(queue, &buffers->all, 0, &net->header, header);
	virtqueue_publish(queue);
	count_received(net, count, size);
	net->gave_up = false;
}

/* There are not enough buffers for the frame that is held: it is lost if it is too long for what
 * the driver has, else it waits. */
static void wait_or_lose(struct virtio_net *net)
{
	bool can_wait = !net->buffers.count || virtio_has(&net->virtio, F_MRG_RXBUF);

	put_back(net, net->buffers.count);
	if (can_wait)
		wait_for_buffers(net);
	else
		lose_held(net);
}

/* Gives the driver the frame that is held, or loses it. False if it still waits. */
static bool give_held(struct virtio_net *net)
{
	take_none(&net->buffers);
	if (take_more(net, header_size(net) + net->held)) {
		chain_write(&net->virtio.queues[RECEIVE], &net->buffers.all, header_size(net),
			    net->frame + net->held_at, net->held);
		give(net, net->held);
		net->held = 0;
	} else {
		wait_or_lose(net);
	}
	return !net->held;
}

/* So many bytes were read into these pieces. */
static void mark_written(struct virtio_net *net, const struct piece *pieces, size_t size)
{
	for (size_t done = 0, length; done < size; done += length, pieces++) {
		length = lesser(size - done, pieces->length);
		dma_written(&net->virtio.wires.dma, pieces->base, length);
	}
}

/* A frame that was read into buffers, which were too few, waits in `frame`, where its end is. */
static void hold(struct virtio_net *net, const struct piece *pieces, size_t size, size_t direct)
{
	for (size_t done = 0; done < direct; done += pieces++->length)
		__builtin_memcpy(net->frame + done, pieces->base, pieces->length);
	net->held = size;
	net->held_at = 0;
	wait_or_lose(net);
}

/* Buffers that were taken, without the header, and `frame` for what they have no room for, become
 * pieces of a network. Returns their number. */
static unsigned make_pieces(struct virtio_net *net, struct piece *pieces, size_t room)
{
	const struct chain *all = &net->buffers.all;

	pieces[0] = (struct piece){ &net->header, NET_HEADER };
	__builtin_memcpy(pieces + 1, all->pieces, all->writable * sizeof *pieces);
	pieces_skip(pieces + 1, all->writable, header_size(net));
	room = lesser(room, NET_FRAME);
	pieces[1 + all->writable] = (struct piece){ net->frame + room, NET_FRAME - room };
	return 2u + all->writable;
}

/*
 * Reads the next frame into as many of the driver's buffers as one like the last ones needs, and
 * what these have no room for into `frame`. False if there is no frame, or no buffer.
 */
static bool receive_directly(struct virtio_net *net)
{
	struct net_buffers *buffers = &net->buffers;
	struct piece pieces[2 + QUEUE_SIZE];
	size_t header = header_size(net), size, room, direct;

	take_none(buffers);
	(void)take_more(net, header + net->expected);
	if (buffers->room < header) {
		if (net->gave_up)
			return lose_frame(net);
		wait_for_buffers(net);
		return false;
	}
	room = buffers->room - header;
	size = net->network.receive(net->network.network, pieces, make_pieces(net, pieces, room));
	if (!size) {
		put_back(net, buffers->count);
		return false;
	}
	direct = lesser(size, room);
	mark_written(net, pieces + 1, direct);
	/* Long frames come with short ones between them. */
	net->expected -= net->expected / 8;
	if (net->expected < size)
		net->expected = size;
	if (take_more(net, header + size)) {
		chain_write(&net->virtio.queues[RECEIVE], &buffers->all, header + direct,
			    net->frame + direct, size - direct);
		give(net, size);
	} else {
		hold(net, pieces + 1, size, direct);
	}
	return !net->held;
}

/* ---- for drivers that take fewer offloads than the network ---- */

/* Did the driver take segmentation of this type (5.1.6)? */
static bool takes_segments(const struct virtio_net *net)
{
	static const struct {
		uint8_t type;
		uint16_t features;
	} types[] = {
		{ 0, 0 },
		{ NET_TCPV4, NET_F_GUEST_TSO4 },
		{ NET_UDP, NET_F_GUEST_UFO },
		{ NET_TCPV6, NET_F_GUEST_TSO6 },
		{ NET_ECN | NET_TCPV4, NET_F_GUEST_TSO4 | NET_F_GUEST_ECN },
		{ NET_ECN | NET_TCPV6, NET_F_GUEST_TSO6 | NET_F_GUEST_ECN },
	};

	for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].type == net->header.gso_type)
			return (net->virtio.accepted & types[i].features) == types[i].features;
	return false;
}

/* The next segment of a frame that is cut. False if there is none. */
static bool hold_segment(struct virtio_net *net)
{
	net->held = segments_next(&net->segments, net->frame, &net->held_at);
	net->header = (struct net_header){ .flags = 0 };
	return net->held != 0;
}

/* Reads the next frame and makes it one, or several, that the driver takes. False if there is
 * none. */
static bool receive_finished(struct virtio_net *net)
{
	net->held = read_frame(net);
	net->held_at = 0;
	if (!net->held)
		return false;
	if (!takes_segments(net)) {
		if (!segments_begin(&net->segments, &net->header, net->frame, net->held))
			lose_held(net);
		else
			hold_segment(net);
	} else if (!virtio_has(&net->virtio, NET_F_GUEST_CSUM)) {
		offload_checksum(&net->header, net->frame, net->held);
		net->header = (struct net_header){ .flags = 0 };
	}
	return true;
}

/* ---- both ---- */

static bool receive_one(struct virtio_net *net)
{
	uint64_t offloads = net->network.offloads & NET_GUEST_OFFLOADS;

	if (net->held || hold_segment(net))
		return give_held(net);
	if (!virtio_is_running(&net->virtio) || !is_up(net))
		return lose_frame(net);
	return (net->virtio.accepted & offloads) == offloads ? receive_directly(net)
							     : receive_finished(net);
}

/* Gives the driver a frame that is held, and of one that is cut the rest. */
static void give_all_held(struct virtio_net *net)
{
	while ((net->held || hold_segment(net)) && give_held(net))
		;
}

static void receive(struct virtio_net *net)
{
	for (unsigned left = ROUND; left && receive_one(net); left--)
		;
	give_all_held(net); /* the network does not say that it is there */
	virtio_finish(&net->virtio, RECEIVE);
}

void virtio_net_work(struct virtio_net *net, uint32_t what)
{
	if (what & NET_FRAMES)
		receive(net);
	if (what & NET_ROOM)
		transmit(net, SIZE_MAX);
}

/* There are buffers. A network is read by the event loop's thread alone. */
static void continue_receiving(struct virtio_net *net)
{
	timer_line_set(&net->virtio.wires.timer, TIMER_OFF);
	net->gave_up = false;
	give_all_held(net);
	if (!net->held)
		set_waits(net, NET_FRAMES, true);
	virtio_finish(&net->virtio, RECEIVE);
}

/* ---- commands of the driver ---- */

static uint8_t carry_out(struct virtio_net *net, const struct chain *chain)
{
	uint8_t command[2];

	if (chain_read(chain, 0, command, sizeof command) != sizeof command ||
	    command[0] != CTRL_ANNOUNCE || command[1] != CTRL_ANNOUNCE_ACK)
		return CTRL_ERR;
	net->config[STATUS] &= (uint8_t)~ANNOUNCE;
	virtio_refresh(&net->virtio);
	return CTRL_OK;
}

static void control(struct virtio_net *net)
{
	struct virtqueue *queue = &net->virtio.queues[CONTROL];
	struct chain chain;

	for (unsigned left = QUEUE_SIZE; left && virtio_take(&net->virtio, CONTROL, &chain);
	     left--) {
		uint8_t answer = carry_out(net, &chain);
		const struct virtio_event event = { .action = "control",
						    .result = answer == CTRL_OK ? "ok" : "error",
						    .position = UINT64_MAX };
		size_t written = chain_write(queue, &chain, 0, &answer, sizeof answer);

		virtio_answer(&net->virtio, CONTROL, &chain, (uint32_t)written, &event);
	}
	virtio_finish(&net->virtio, CONTROL);
}

/* ---- all three ---- */

static void notified(struct virtio *device, unsigned queue)
{
	struct virtio_net *net = net_of(device);

	if (queue == CONTROL)
		control(net);
	else if (queue == TRANSMIT)
		transmit(net, SHORT_FRAME);
	else if (!(net->waits & NET_FRAMES) || net->gave_up)
		continue_receiving(net);
}

static void expire(struct virtio *device)
{
	struct virtio_net *net = net_of(device);

	net->gave_up = true;
	lose_held(net);
	set_waits(net, NET_FRAMES, true);
}

static void reset(struct virtio *device)
{
	struct virtio_net *net = net_of(device);

	timer_line_set(&device->wires.timer, TIMER_OFF);
	net->config[STATUS] &= (uint8_t)~ANNOUNCE;
	net->gave_up = false;
	lose_held(net);
	set_waits(net, NET_ROOM, false);
	set_waits(net, NET_FRAMES, true);
}

/* A frame that is being sent is in the driver's memory. */
static void stopped(struct virtio *device, unsigned queue)
{
	struct virtio_net *net = net_of(device);

	if (queue != TRANSMIT || !net->is_sending)
		return;
	net->is_cancelled = true;
	net->network.finish(net->network.network);
}

/* ---- the link ---- */

/* A driver that has just got its link back announces itself: its neighbours, and the switches
 * between them, may have forgotten it, or know it elsewhere. */
static void show_link(struct virtio_net *net)
{
	bool announces = virtio_has(&net->virtio, F_GUEST_ANNOUNCE);

	net->config[STATUS] = is_up(net) ? LINK_UP | (announces ? ANNOUNCE : 0) : 0;
	virtio_config_changed(&net->virtio);
}

static void change_link(struct virtio_net *net, bool *part, bool to)
{
	bool was_up = is_up(net);

	*part = to;
	if (is_up(net) != was_up)
		show_link(net);
}

void virtio_net_connect(struct virtio_net *net, bool connected)
{
	change_link(net, &net->connected, connected);
}

void virtio_net_plug(struct virtio_net *net, bool plugged)
{
	change_link(net, &net->unplugged, !plugged);
}

/* The network is another one than that to which the driver was connected: its link may be down, and
 * it may take the frames that the other one has not. */
static void resumed(struct virtio *device)
{
	struct virtio_net *net = net_of(device);

	show_link(net);
	set_waits(net, NET_ROOM, true);
}

/* ---- the whole ---- */

static const struct virtio_counter counters[] = {
	{ "frames sent", offsetof(struct virtio_net, sent) },
	{ "frames not sent", offsetof(struct virtio_net, unsent) },
	{ "frames received", offsetof(struct virtio_net, received) },
	{ "frames lost before the driver", offsetof(struct virtio_net, lost) },
	{ .name = NULL },
};

static const struct virtio_type type = {
	.name = "net",
	.id = VIRTIO_NET,
	.queues = QUEUES,
	.config_size = SIZE_OF_FIELD(struct virtio_net, config),
	.notified = notified,
	.reset = reset,
	.stopped = stopped,
	.resumed = resumed,
	.expire = expire,
	.counters = counters,
};

void virtio_net_init(struct virtio_net *net, bool legacy)
{
	const struct network *network = &net->network;

	net->virtio.type = &type;
	net->virtio.config = net->config;
	net->virtio.legacy = legacy;
	net->virtio.features = F_MAC | F_STATUS | F_MRG_RXBUF | F_CTRL_VQ | F_GUEST_ANNOUNCE |
			       (network->mtu ? F_MTU : 0) | network->offloads;
	__builtin_memcpy(net->config, network->mac, NET_MAC);
	net->config[STATUS] = is_up(net) ? LINK_UP : 0;
	net->config[MTU] = (uint8_t)network->mtu;
	net->config[MTU + 1] = (uint8_t)(network->mtu >> 8);
}
