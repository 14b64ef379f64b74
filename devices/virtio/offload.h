/* SPDX-License-Identifier: MIT */
/*
 * What a network leaves to its receiver, done for a driver that does not do it: checksums (virtio
 * 1.2, 5.1.6.4), and TCP frames that are to be cut into segments.
 *
 * Who uses it: net.c. Frames are the network's, and may hold anything.
 */
#ifndef DEVICES_VIRTIO_OFFLOAD_H
#define DEVICES_VIRTIO_OFFLOAD_H

#include "net.h"

/* Stores the checksum that the header asks for, if the frame is as it says. */
void offload_checksum(const struct net_header *header, uint8_t *frame, size_t size);

/* Looks whether the frame can be cut, and begins. */
bool segments_begin(struct net_segments *segments, const struct net_header *header,
		    const uint8_t *frame, size_t size);
/* Makes the next segment, with its checksums, out of its part of the frame: where it begins is
 * *at. Returns its bytes; 0 if there is none. */
size_t segments_next(struct net_segments *segments, uint8_t *frame, size_t *at);

#endif
