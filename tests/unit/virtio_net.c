// SPDX-License-Identifier: MIT
/* devices/virtio/net.c: frames to a network that may be full, and from it to a driver that may have
 * no buffers. */
#include "virtio.h"

#include "devices/virtio/net.h"

enum { RECEIVE, TRANSMIT, CONTROL };

#define HEADER 12
#define MRG_RXBUF (1ull << 15)

static struct virtio_net net;

/* What the network was given: the frame sent last, with its header; and how it takes them. */
static struct net_header sent_header;
static uint8_t sent[NET_FRAME];
static size_t sent_size;
static unsigned sent_count, room; /* frames that it still takes */
static bool refuses;

/* Frames that it has; all of the same size, each byte of the nth being n + its offset. */
static size_t frame_size;
static unsigned frames, frames_read;
static struct net_header frame_header;
static uint8_t *raw;	/* if not NULL the frame is this */
static size_t indirect; /* bytes of the last frame that were not read into the driver's buffers */

static bool is_in_send;	  /* another thread uses the device while a frame is sent, */
static unsigned finished; /* and waits for its end */

static unsigned changes; /* of what the device waits for */

static enum net_result send(void *network, struct piece *pieces, unsigned count)
{
	assert_ptr_equal(network, &room);
	assert_int_equal(pieces[0].length, NET_HEADER);
	if (refuses)
		return NET_LOST;
	if (!room)
		return NET_FULL;
	room--;
	memcpy(&sent_header, pieces[0].base, NET_HEADER);
	sent_size = 0;
	for (unsigned i = 1; i < count; i++) {
		memcpy(sent + sent_size, pieces[i].base, pieces[i].length);
		sent_size += pieces[i].length;
	}
	sent_count++;
	return NET_SENT;
}

static size_t receive(void *network, struct piece *pieces, unsigned count)
{
	size_t done = 0;

	assert_ptr_equal(network, &room);
	assert_int_equal(pieces[0].length, NET_HEADER);
	if (!frames)
		return 0;
	frames--;
	indirect = 0;
	memcpy(pieces[0].base, &frame_header, NET_HEADER);
	for (unsigned i = 1; i < count; i++)
		for (size_t j = 0; j < pieces[i].length && done < frame_size; j++, done++) {
			uint8_t *at = (uint8_t *)pieces[i].base + j;

			*at = raw ? raw[done] : (uint8_t)(frames_read + done);
			indirect += at < ram || at >= ram + sizeof ram;
		}
	assert_int_equal(done, frame_size);
	frames_read++;
	return done;
}

static void finish(void *network)
{
	assert_ptr_equal(network, &room);
	assert_true(is_in_send);
	finished++;
}

static void waits_changed(void *network)
{
	assert_ptr_equal(network, &room);
	changes++;
}

static void make(uint64_t offloads, bool legacy)
{
	memset(&net, 0, sizeof net);
	net.network = (struct network){ .offloads = offloads,
					.mtu = 1500,
					.mac = { 2, 3, 4, 5, 6, 7 },
					.send = send,
					.finish = finish,
					.receive = receive,
					.waits_changed = waits_changed,
					.network = &room };
	virtio_net_init(&net, legacy);
	connect(&net.virtio, &virtio_timed_ops);
	virtio_net_connect(&net, true);
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof ram; i++)
		ram[i] = (uint8_t)(i * 7 % 251);
	sent_count = frames = frames_read = 0;
	frame_header = (struct net_header){ 0 };
	raw = NULL;
	refuses = false;
	room = 1000;
	frame_size = 100;
	make(NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS, false);
	start_driver(2);
	changes = 0;
	return 0;
}

/* The nth frame from the network lies at this place, from its byte `first` on. */
static void assert_frame(uint32_t at, unsigned n, size_t first, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(ram[at + i], (uint8_t)(n + first + i));
}

static uint16_t buffers_at(uint32_t at)
{
	uint16_t count;

	memcpy(&count, ram + at + 10, sizeof count);
	return count;
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get_register(0x008), 1);
	put_register(0x14, 0);
	assert_int_equal(get_register(0x10), 3u << 28 | 0x23 << 16 | 0xffab);
	put_register(0x14, 1);
	assert_int_equal(get_register(0x10), 1);
	assert_int_equal(get_register(0x100), 0x05040302);
	assert_int_equal(get_register(0x104), 0x00010706);
	assert_int_equal(get_register(0x108), 1500u << 16);
	make(0, false);
	put_register(0x14, 0);
	assert_int_equal(get_register(0x10), 3u << 28 | 0x23 << 16 | 0x8028);
}

/* The driver is told of the link's state when that changes, whichever of the two changes it; when
 * it comes up, the driver shall announce itself. */
static void test_link(void **state)
{
	(void)state;
	virtio_net_plug(&net, false);
	assert_int_equal(get_register(0x60), 2);
	assert_int_equal(get_register(0x104) >> 16, 0);
	acknowledge();
	virtio_net_connect(&net, false);
	virtio_net_plug(&net, true);
	assert_int_equal(get_register(0x60), 0);
	virtio_net_connect(&net, true);
	assert_int_equal(get_register(0x60), 2);
	assert_int_equal(get_register(0x104) >> 16, 3);
}

/* Sends a command. Its answer; 0x55 if there is none. */
static uint8_t command(uint8_t class, uint8_t number, uint32_t size)
{
	const struct buffer buffers[] = { { BUFFERS, size, 0 }, { BUFFERS + 8, 1, WRITE } };
	unsigned before = answered(CONTROL);

	ram[BUFFERS] = class;
	ram[BUFFERS + 1] = number;
	ram[BUFFERS + 8] = 0x55;
	add(CONTROL, buffers, 2);
	notify(CONTROL);
	assert_int_equal(answered(CONTROL), before + 1);
	assert_int_equal(answer_length(CONTROL, before), 1);
	return ram[BUFFERS + 8];
}

static void page_changed(void *fast, const uint32_t *word)
{
	(void)fast, (void)word;
}

/* A resumed driver is asked to announce itself until it has done so; nothing else is a command. */
static void test_announce(void **state)
{
	static uint32_t page[128];

	(void)state;
	start_driver(3);
	assert_int_equal(get_register(0x104) >> 16, 1);
	virtio_resumed(&net.virtio);
	assert_int_equal(get_register(0x60), 2);
	assert_int_equal(get_register(0x104) >> 16, 3);
	acknowledge();
	net.virtio.page_changed = page_changed;
	virtio_set_shadow(&net.virtio, page);
	assert_int_equal(command(1, 0, 2), 1);
	assert_int_equal(command(3, 1, 2), 1);
	assert_int_equal(command(3, 0, 1), 1);
	assert_int_equal(page[0x104 / 4] >> 16, 3);
	assert_int_equal(command(3, 0, 2), 0);
	assert_int_equal(page[0x104 / 4] >> 16, 1);
	virtio_set_shadow(&net.virtio, NULL);
	virtio_resumed(&net.virtio);
	start_driver(3);
	assert_int_equal(get_register(0x104) >> 16, 1);
	/* Without a link there is nobody to be told, and without the feature nothing to do. */
	virtio_net_connect(&net, false);
	virtio_resumed(&net.virtio);
	assert_int_equal(get_register(0x104) >> 16, 0);
	net.virtio.accepted &= ~(1ull << 21);
	virtio_net_connect(&net, true);
	assert_int_equal(get_register(0x104) >> 16, 1);
}

/* What a full network has not taken goes to the one that takes its place. */
static void test_full_and_resumed(void **state)
{
	(void)state;
	room = 0;
	add_one(TRANSMIT, BUFFERS, HEADER + 50, 0);
	notify(TRANSMIT);
	net.waits = NET_FRAMES; /* as after a reset */
	virtio_resumed(&net.virtio);
	assert_true(virtio_net_waits(&net) & NET_ROOM);
	room = 5;
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(sent_count, 1);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

static void test_transmit(void **state)
{
	const struct buffer buffers[] = { { BUFFERS, 5, 0 },
					  { BUFFERS + 5, 7, 0 },
					  { BUFFERS + 100, 300, 0 },
					  { BUFFERS + 400, 100, 0 } };

	(void)state;
	add(TRANSMIT, buffers, 4);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent_size, 400);
	assert_memory_equal(sent, ram + BUFFERS + 100, 400);
	assert_memory_equal(&sent_header, ram + BUFFERS, NET_HEADER);
	assert_int_equal(answered(TRANSMIT), 1);
	assert_int_equal(answer_length(TRANSMIT, 0), 0);
	assert_int_equal(driver.raised, 1);
	assert_int_equal(net.sent, 1);
	/* The header and the frame in one. */
	add_one(TRANSMIT, BUFFERS, HEADER + 60, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_size, 60);
	assert_memory_equal(sent, ram + BUFFERS + HEADER, 60);
}

/* A header means nothing to a network unless the driver has taken what it may say. */
static void test_no_offload(void **state)
{
	(void)state;
	make(0, false);
	start_driver(2);
	add_one(TRANSMIT, BUFFERS, HEADER + 60, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 1);
	for (unsigned i = 0; i < NET_HEADER; i++)
		assert_int_equal(((uint8_t *)&sent_header)[i], 0);
}

/* What is no frame is answered all the same; lengths that lie break the queue. */
static void test_no_frame(void **state)
{
	static const uint32_t lengths[] = { 0,	    1,		 HEADER - 1,
					    HEADER, HEADER + 13, HEADER + NET_FRAME + 1 };
	const unsigned count = sizeof lengths / sizeof *lengths;

	(void)state;
	for (unsigned i = 0; i < count; i++)
		add_one(TRANSMIT, BUFFERS, lengths[i], 0);
	add_one(TRANSMIT, BUFFERS, 100, WRITE);
	notify(TRANSMIT);
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(answered(TRANSMIT), count + 1);
	assert_int_equal(sent_count, 0);
	assert_int_equal(net.unsent, count + 1);
	add_one(TRANSMIT, BUFFERS, HEADER + NET_FRAME, 0);
	add_one(TRANSMIT, BUFFERS, HEADER + 14, 0);
	notify(TRANSMIT);
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(sent_count, 2);
	add_one(TRANSMIT, RAM_BYTES - 20, 100, 0);
	notify(TRANSMIT);
	assert_int_equal(get_register(0x70), 15 | 64);
	assert_int_equal(sent_count, 2);
	add_one(TRANSMIT, BUFFERS, 100, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 2);
}

/* A full network holds the queue: no frame is lost, none is sent twice. */
static void test_full(void **state)
{
	(void)state;
	room = 1;
	for (unsigned i = 0; i < 3; i++)
		add_one(TRANSMIT, BUFFERS + 100 * i, HEADER + 50, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 1);
	assert_int_equal(answered(TRANSMIT), 1);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES | NET_ROOM);
	assert_int_equal(changes, 1);
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(answered(TRANSMIT), 1);
	room = 5;
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(answered(TRANSMIT), 3);
	assert_memory_equal(sent, ram + BUFFERS + 200 + HEADER, 50);
	assert_int_equal(sent_count, 3);
	assert_int_equal(net.unsent, 0);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

/* A long frame, and what comes after it, is left to the network's thread, which is told once. */
static void test_long(void **state)
{
	(void)state;
	add_one(TRANSMIT, BUFFERS, HEADER + 50, 0);
	for (unsigned i = 0; i < 3; i++) {
		add_one(TRANSMIT, BUFFERS, HEADER + 60000, 0);
		notify(TRANSMIT);
	}
	add_one(TRANSMIT, BUFFERS + 100, HEADER + 50, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 1);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES | NET_ROOM);
	assert_int_equal(changes, 1);
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(answered(TRANSMIT), 5);
	assert_int_equal(sent_count, 5);
	assert_memory_equal(sent, ram + BUFFERS + 100 + HEADER, 50);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

static void test_full_and_reset(void **state)
{
	(void)state;
	room = 0;
	add_one(TRANSMIT, BUFFERS, HEADER + 50, 0);
	notify(TRANSMIT);
	start_driver(2);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	room = 5;
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(sent_count, 0);
	add_one(TRANSMIT, BUFFERS, HEADER + 60, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_size, 60);
}

/* With the link down, or a network that fails, frames are lost, and counted. */
static void test_lost_on_the_way_out(void **state)
{
	(void)state;
	refuses = true;
	add_one(TRANSMIT, BUFFERS, HEADER + 50, 0);
	notify(TRANSMIT);
	refuses = false;
	virtio_net_plug(&net, false);
	add_one(TRANSMIT, BUFFERS, HEADER + 50, 0);
	notify(TRANSMIT);
	assert_int_equal(answered(TRANSMIT), 2);
	assert_int_equal(sent_count, 0);
	assert_int_equal(net.unsent, 2);
}

static enum net_result make_another(void *network, struct piece *pieces, unsigned count)
{
	add_one(TRANSMIT, BUFFERS, HEADER + 20, 0);
	return send(network, pieces, count);
}

/* While a frame is sent another CPU adds one: it is sent behind the first, once. */
static enum net_result send_beside_another(void *network, struct piece *pieces, unsigned count)
{
	net.network.send = send;
	add_one(TRANSMIT, BUFFERS + 100, HEADER + 30, 0);
	notify(TRANSMIT);
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(sent_count, 0);
	return send(network, pieces, count);
}

static void test_send_beside_another(void **state)
{
	(void)state;
	net.network.send = send_beside_another;
	add_one(TRANSMIT, BUFFERS, HEADER + 20, 0);
	notify(TRANSMIT);
	assert_int_equal(answered(TRANSMIT), 2);
	assert_int_equal(sent_count, 2);
	assert_int_equal(sent_size, 30);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

/* While a frame is sent another CPU resets the device and starts it again: the frame is not
 * answered, in whichever queue, and the new driver's are sent. */
static enum net_result send_beside_reset(void *network, struct piece *pieces, unsigned count)
{
	enum net_result result = send(network, pieces, count);

	net.network.send = send;
	is_in_send = true;
	start_driver(2);
	is_in_send = false;
	add_one(TRANSMIT, BUFFERS + 100, HEADER + 30, 0);
	notify(TRANSMIT);
	return result;
}

static void test_send_beside_reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		room = i;
		finished = 0;
		net.network.send = send_beside_reset;
		add_one(TRANSMIT, BUFFERS, HEADER + 20, 0);
		notify(TRANSMIT);
		assert_int_equal(finished, 1);
		room = 5;
		virtio_net_work(&net, NET_ROOM);
		assert_int_equal(answered(TRANSMIT), 1);
		assert_int_equal(answer_length(TRANSMIT, 0), 0);
		assert_int_equal(sent_size, 30);
	}
	assert_int_equal(net.sent, 2);
}

/* A driver that sends without end keeps nobody waiting. */
static void test_endless(void **state)
{
	(void)state;
	net.network.send = make_another;
	add_one(TRANSMIT, BUFFERS, HEADER + 20, 0);
	notify(TRANSMIT);
	assert_in_range(sent_count, 10, 500);
	assert_true(virtio_net_waits(&net) & NET_ROOM);
	net.network.send = send;
	virtio_net_work(&net, NET_ROOM);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

static void test_receive(void **state)
{
	const struct buffer buffers[] = { { BUFFERS, 8, WRITE },
					  { BUFFERS + 100, 10, WRITE },
					  { BUFFERS + 200, 300, WRITE } };

	(void)state;
	frame_header = (struct net_header){ .flags = 1, .csum_start = 34, .csum_offset = 16 };
	add(RECEIVE, buffers, 3);
	add_one(RECEIVE, BUFFERS + 0x1000, 1600, WRITE);
	notify(RECEIVE);
	driver.written = 0;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 1);
	assert_int_equal(answer_length(RECEIVE, 0), HEADER + 100);
	assert_int_equal(driver.raised, 1);
	assert_frame(BUFFERS + 104, 0, 0, 6);
	assert_frame(BUFFERS + 200, 0, 6, 94);
	assert_memory_equal(ram + BUFFERS, &frame_header, 8);
	assert_int_equal(ram[BUFFERS + 102], 1); /* buffers */
	/* All that was written is marked: the frame, its header and the used ring. */
	assert_int_equal(driver.written, 100 + HEADER + 8 + 2);
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 2);
	assert_frame(BUFFERS + 0x1000 + HEADER, 1, 0, 100);
	assert_int_equal(net.received, 2);
	assert_int_equal(net.lost, 0);
}

/* A long frame goes into several buffers, which the driver sees at once. */
static void test_merged(void **state)
{
	(void)state;
	frame_size = 250;
	frames = 1;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	add_one(RECEIVE, BUFFERS + 0x1000, 0, WRITE);
	add_one(RECEIVE, BUFFERS + 0x2000, 100, WRITE);
	add_one(RECEIVE, BUFFERS + 0x3000, 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 4);
	assert_int_equal(buffers_at(BUFFERS), 4);
	assert_int_equal(answer_length(RECEIVE, 0), HEADER + 100);
	assert_int_equal(answer_length(RECEIVE, 1), 0);
	assert_int_equal(answer_length(RECEIVE, 3), 50);
	assert_frame(BUFFERS + HEADER, 0, 0, 100);
	assert_frame(BUFFERS + 0x2000, 0, 100, 100);
	assert_frame(BUFFERS + 0x3000, 0, 200, 50);
	assert_int_equal(driver.raised, 1);
	assert_int_equal(net.received, 1);
}

/* Long frames behind a long one are read into all of their buffers; a short one among them leaves
 * buffers for the next. */
static void test_direct(void **state)
{
	static const struct {
		size_t size, indirect;
		unsigned buffers; /* that it is in */
	} rows[] = {
		{ 250, 150, 3 }, { 250, 0, 3 },	 { 60, 0, 1 },
		{ 240, 0, 3 },	 { 340, 52, 4 }, { 80, 0, 1 },
	};
	unsigned done = 0;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		add_one(RECEIVE, BUFFERS + 0x1000 * i, i ? 100 : HEADER + 100, WRITE);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t first = BUFFERS + 0x1000 * done;
		size_t at = done ? 100 - HEADER : 100;

		frame_size = rows[i].size;
		frames = 1;
		virtio_net_work(&net, NET_FRAMES);
		assert_int_equal(indirect, rows[i].indirect);
		done += rows[i].buffers;
		assert_int_equal(answered(RECEIVE), done);
		assert_int_equal(buffers_at(first), rows[i].buffers);
		assert_frame(first + HEADER, i, 0, at < frame_size ? at : frame_size);
		for (; at < frame_size; at += 100)
			assert_frame(first += 0x1000, i, at,
				     frame_size - at < 100 ? frame_size - at : 100);
	}
	/* It waits for buffers that are too few, and is whole then. */
	frame_size = 350;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), done);
	add_one(RECEIVE, BUFFERS, 400, WRITE);
	notify(RECEIVE);
	assert_int_equal(answered(RECEIVE), done + 2);
	assert_frame(BUFFERS + 0x1000 * done + HEADER, 6, 0, 88);
	assert_frame(BUFFERS, 6, 88, 262);
}

/* A frame for which there are not enough buffers waits for them, whole; so do those behind it. */
static void test_wait(void **state)
{
	(void)state;
	frame_size = 250;
	frames = 2;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	add_one(RECEIVE, BUFFERS + 0x1000, 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 0);
	assert_int_equal(frames_read, 1);
	assert_int_equal(virtio_net_waits(&net), 0);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(frames_read, 1);
	add_one(RECEIVE, BUFFERS + 0x2000, 100, WRITE);
	notify(RECEIVE);
	assert_int_equal(answered(RECEIVE), 3);
	assert_int_equal(buffers_at(BUFFERS), 3);
	assert_frame(BUFFERS + HEADER, 0, 0, 100);
	assert_frame(BUFFERS + 0x1000, 0, 100, 100);
	assert_frame(BUFFERS + 0x2000, 0, 200, 50);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	assert_int_equal(driver.timer, TIMER_OFF);
	assert_int_equal(frames_read, 1); /* by the event loop's thread alone */
	add_one(RECEIVE, BUFFERS, HEADER + 250, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 1, 0, 250);
	assert_int_equal(net.lost, 0);
}

/* A frame that needs more pieces than a queue has entries is lost after a time; its buffers, each
 * a table of many pieces, do for the next. */
static void test_pieces(void **state)
{
	enum { PIECES = 200, INDIRECT = 4, NEXT = 1 };
	struct {
		uint64_t address;
		uint32_t length;
		uint16_t flags, next;
	} *table = (void *)(ram + BUFFERS);

	(void)state;
	for (unsigned i = 0; i < PIECES; i++) {
		table[i].address = RAM_AT + BUFFERS + 0x1000 + 0x100ull * i;
		table[i].length = i ? 2 : HEADER;
		table[i].flags = (uint16_t)(WRITE | (i + 1 < PIECES ? NEXT : 0));
		table[i].next = (uint16_t)(i + 1);
	}
	for (unsigned i = 0; i < 2; i++)
		add_one(RECEIVE, BUFFERS, PIECES * sizeof *table, INDIRECT);
	frame_size = 2ul * PIECES;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(frames_read, 1);
	assert_int_equal(virtio_net_waits(&net), 0);
	driver.timer = 0;
	assert_true(expire());
	assert_int_equal(net.lost, 1);
	assert_int_equal(answered(RECEIVE), 0);
	frame_size = 2ul * (PIECES - 1);
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 1);
	assert_frame(BUFFERS + 0x1100, 1, 0, 2);
}

/* A driver that makes no buffers for long loses what comes, until it makes some. */
static void test_patience(void **state)
{
	(void)state;
	frames = 5;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(frames_read, 0);
	assert_int_equal(driver.timer, 1000000000);
	driver.timer = 0;
	assert_true(expire());
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(frames_read, 5);
	assert_int_equal(net.lost, 5);
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	notify(RECEIVE);
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 5, 0, 100);
	/* The same with a frame that it has waiting. */
	frame_size = 250;
	frames = 1;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	driver.timer = 0;
	assert_true(expire());
	assert_int_equal(net.lost, 6);
	assert_int_equal(answered(RECEIVE), 1);
	/* What the buffers that there are do for is not lost; what needs more than these is. */
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(net.lost, 7);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	frame_size = 100;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(net.lost, 7);
	assert_int_equal(answered(RECEIVE), 2);
	/* And now it is waited again. */
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(net.lost, 7);
	assert_int_equal(virtio_net_waits(&net), 0);
}

/* Without a driver, and with the link down, nothing is kept. */
static void test_nobody(void **state)
{
	(void)state;
	frames = 2;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	virtio_net_plug(&net, false);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 0);
	put_register(0x70, 0);
	frames = 2;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(frames, 0);
	assert_int_equal(net.lost, 4);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
}

/* A driver's reset takes its buffers away, and with them the frame that waits for more. */
static void test_wait_and_reset(void **state)
{
	(void)state;
	frame_size = 250;
	frames = 1;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	start_driver(2);
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	assert_int_equal(net.lost, 1);
	frames = 1;
	frame_size = 60;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 1, 0, 60);
}

/* Buffers that lie, or that have no room for a header. */
static void test_broken(void **state)
{
	static const struct buffer wrong[] = { { RAM_BYTES - 10, 100, WRITE },
					       { BUFFERS, HEADER - 1, WRITE },
					       { BUFFERS, 100, 0 } };

	(void)state;
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		start_driver(2);
		add(RECEIVE, &wrong[i], 1);
		frames = 1;
		virtio_net_work(&net, NET_FRAMES);
		assert_int_equal(get_register(0x70), 15 | 64);
		assert_int_equal(answered(RECEIVE), 0);
	}
	/* The second of two that are merged. */
	start_driver(2);
	frames = 1;
	frame_size = 200;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	add_one(RECEIVE, RAM_BYTES, 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(get_register(0x70), 15 | 64);
	assert_int_equal(answered(RECEIVE), 0);
}

/* With all of its queue in the guest's buffers, and the largest frame. */
static void test_largest(void **state)
{
	(void)state;
	frame_size = NET_FRAME;
	frames = 1;
	for (unsigned i = 0; i < RING; i++)
		add_one(RECEIVE, BUFFERS + 0x2000 * i, 0x1200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 16);
	assert_frame(BUFFERS + 0x2000 * 15, 0, 15 * 0x1200 - HEADER,
		     NET_FRAME - 15 * 0x1200 + HEADER);
	frames = 1;
	add_one(RECEIVE, BUFFERS, HEADER + NET_FRAME + 100, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 1, 0, NET_FRAME);
}

/* As start_driver, of a driver that takes only these features. */
static void start_simple_driver(uint32_t features)
{
	put_register(0x70, 0);
	put_register(0x70, 3);
	put_register(0x24, 0);
	put_register(0x20, features);
	put_register(0x24, 1);
	put_register(0x20, 1);
	put_register(0x70, 11);
	set_up_queue(RECEIVE);
	set_up_queue(TRANSMIT);
	put_register(0x70, 15);
}

/* A driver without merged buffers loses what is too long for one, and no more. */
static void test_unmerged(void **state)
{
	(void)state;
	start_simple_driver((uint32_t)NET_GUEST_OFFLOADS);
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	frame_size = 101;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(net.lost, 1);
	frame_size = 100;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 1, 0, 100);
	/* The same of one that takes no offload. */
	start_simple_driver(0);
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	frame_size = 101;
	frames = 2;
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(net.lost, 3);
	frame_size = 100;
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + HEADER, 4, 0, 100);
}

/* A driver that takes no checksums to be completed gets whole ones (RFC 1071, 3: an example). */
static void test_checksum(void **state)
{
	static const uint8_t payload[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	uint8_t frame[52] = { 0 };

	(void)state;
	start_simple_driver((uint32_t)MRG_RXBUF);
	memcpy(frame + 34, payload, sizeof payload);
	raw = frame;
	frame_size = sizeof frame;
	frame_header = (struct net_header){ .flags = 1, .csum_start = 34, .csum_offset = 16 };
	frames = 1;
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 1);
	assert_int_equal(ram[BUFFERS], 0); /* flags */
	assert_int_equal(ram[BUFFERS + HEADER + 50], 0x22);
	assert_int_equal(ram[BUFFERS + HEADER + 51], 0x0d);
	/* One that lies beyond the frame is no reason to do anything. */
	frame_header.csum_offset = 17;
	frames = 1;
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_memory_equal(ram + BUFFERS + HEADER, frame, sizeof frame);
}

/* Segments are for drivers that take them. */
static void test_segments(void **state)
{
	static const struct {
		uint8_t type;
		uint64_t features;
	} types[] = { { 1, NET_F_GUEST_TSO4 },
		      { 3, NET_F_GUEST_UFO },
		      { 4, NET_F_GUEST_TSO6 },
		      { 0x81, NET_F_GUEST_TSO4 | NET_F_GUEST_ECN },
		      { 0x84, NET_F_GUEST_TSO6 | NET_F_GUEST_ECN } };

	(void)state;
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
		for (unsigned takes = 0; takes < 2; takes++) {
			uint64_t other = types[i].features & -types[i].features;

			frame_header.gso_type = types[i].type;
			start_simple_driver((uint32_t)(NET_F_GUEST_CSUM | MRG_RXBUF |
						       (takes ? types[i].features
							      : NET_GUEST_OFFLOADS & ~other)));
			net.lost = 0;
			frames = 1;
			add_one(RECEIVE, BUFFERS, 200, WRITE);
			virtio_net_work(&net, NET_FRAMES);
			assert_int_equal(answered(RECEIVE), takes);
			assert_int_equal(net.lost, !takes);
		}
	frame_header.gso_type = 77;
	start_simple_driver((uint32_t)MRG_RXBUF);
	frames = 1;
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 0);
}

/* A frame that is to be cut comes in segments, also to a driver whose buffers come late. */
static void test_cut(void **state)
{
	uint8_t frame[54 + 250] = { [46] = 0x50 };

	(void)state;
	start_simple_driver(0);
	raw = frame;
	frame_size = sizeof frame;
	frame_header = (struct net_header){
		.flags = 1, .gso_type = 1, .gso_size = 100, .csum_start = 34, .csum_offset = 16
	};
	frames = 1;
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 1);
	assert_int_equal(answer_length(RECEIVE, 0), HEADER + 54 + 100);
	assert_int_equal(virtio_net_waits(&net), 0);
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	add_one(RECEIVE, BUFFERS + 200, 200, WRITE);
	notify(RECEIVE);
	assert_int_equal(answered(RECEIVE), 3);
	assert_int_equal(answer_length(RECEIVE, 2), HEADER + 54 + 50);
	for (unsigned i = 0; i < HEADER - 2; i++)
		assert_int_equal(ram[BUFFERS + 200 + i], 0);
	assert_int_equal(ram[BUFFERS + 200 + HEADER + 54 - 13], 200); /* of its sequence number */
	assert_int_equal(virtio_net_waits(&net), NET_FRAMES);
	assert_int_equal(net.received, 3);
	/* What a reset takes away is one frame, whatever of it is left. */
	frames = 1;
	virtio_net_work(&net, NET_FRAMES);
	driver.timer = 0;
	assert_true(expire());
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	notify(RECEIVE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 3);
	assert_int_equal(net.lost, 1);
	/* The next driver takes frames as they are. */
	frames = 1;
	add_one(RECEIVE, BUFFERS, 200, WRITE);
	notify(RECEIVE);
	virtio_net_work(&net, NET_FRAMES);
	assert_int_equal(answered(RECEIVE), 5);
	start_driver(2);
	raw = NULL;
	frame_size = 250;
	frame_header = (struct net_header){ 0 };
	frames_read = 0;
	frames = 1;
	add_one(RECEIVE, BUFFERS, HEADER + 100, WRITE);
	add_one(RECEIVE, BUFFERS + 0x1000, 200, WRITE);
	virtio_net_work(&net, NET_FRAMES);
	assert_frame(BUFFERS + 0x1000, 0, 100, 150);
}

/* Of version 1, as Linux does it. Without merged buffers its header is two bytes shorter. */
static void test_legacy(void **state)
{
	static const uint32_t steps[][2] = {
		{ 0x28, 4096 }, { 0x70, 0 },	{ 0x70, 3 },
		{ 0x24, 0 },	{ 0x20, 0 },	{ 0x30, 1 },
		{ 0x38, RING }, { 0x3c, 4096 }, { 0x40, RAM_AT / 4096 },
		{ 0x70, 7 }
	};
	const uint64_t address = RAM_AT + BUFFERS;
	const uint32_t length = 70;

	(void)state;
	make(0, true);
	memset(ram, 0, BUFFERS);
	memcpy(ram, &address, sizeof address);
	memcpy(ram + 8, &length, sizeof length);
	for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
		put_register(steps[i][0], steps[i][1]);
	ram[16 * RING + 2] = 1; /* the available index */
	notify(TRANSMIT);
	assert_int_equal(sent_size, 60);
	assert_memory_equal(sent, ram + BUFFERS + 10, 60);
	assert_int_equal(ram[0x1002], 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_link),
		TEST(test_announce),
		TEST(test_transmit),
		TEST(test_no_offload),
		TEST(test_no_frame),
		TEST(test_full),
		TEST(test_long),
		TEST(test_full_and_reset),
		TEST(test_full_and_resumed),
		TEST(test_lost_on_the_way_out),
		TEST(test_send_beside_another),
		TEST(test_send_beside_reset),
		TEST(test_endless),
		TEST(test_receive),
		TEST(test_merged),
		TEST(test_direct),
		TEST(test_wait),
		TEST(test_pieces),
		TEST(test_patience),
		TEST(test_nobody),
		TEST(test_wait_and_reset),
		TEST(test_broken),
		TEST(test_largest),
		TEST(test_unmerged),
		TEST(test_checksum),
		TEST(test_segments),
		TEST(test_cut),
		TEST(test_legacy),
	};

	return RUN(tests);
}
