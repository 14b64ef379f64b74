// SPDX-License-Identifier: MIT
/*
 * Saves and loads the state of any device by its table of fields.
 *
 * Who calls it: who takes and resumes snapshots. Touches the device it is given.
 */
#include "device.h"

static size_t bytes(const struct field *field)
{
	return (size_t)field->size * field->count;
}

static const struct timer_line *timer_of(const struct device_ops *ops, const void *device)
{
	return ops->timer ? (const void *)((const char *)device + ops->timer) : NULL;
}

size_t device_state_size(const struct device_ops *ops)
{
	size_t size = ops->timer ? sizeof(uint64_t) : 0;

	for (const struct field *field = ops->fields; field->name; field++)
		size += bytes(field);
	return size;
}

void device_save(const struct device_ops *ops, const void *device, uint8_t *state)
{
	const struct timer_line *timer = timer_of(ops, device);

	for (const struct field *field = ops->fields; field->name; field++) {
		__builtin_memcpy(state, (const char *)device + field->offset, bytes(field));
		state += bytes(field);
	}
	if (timer) {
		uint64_t left = timer->left(timer->clock, timer->number);

		__builtin_memcpy(state, &left, sizeof left);
	}
}

/* Are all elements of all fields within their bounds? */
static bool is_valid(const struct device_ops *ops, const uint8_t *state)
{
	for (const struct field *field = ops->fields; field->name; field++)
		for (unsigned i = 0; i < field->count; i++) {
			uint64_t value = 0;

			__builtin_memcpy(&value, state, field->size);
			if (value > field->max)
				return false;
			state += field->size;
		}
	return true;
}

bool device_load(const struct device_ops *ops, void *device, const uint8_t *state)
{
	const struct timer_line *timer = timer_of(ops, device);

	if (!is_valid(ops, state)) {
		ops->reset(device);
		return false;
	}
	for (const struct field *field = ops->fields; field->name; field++) {
		__builtin_memcpy((char *)device + field->offset, state, bytes(field));
		state += bytes(field);
	}
	if (timer) {
		uint64_t left;

		__builtin_memcpy(&left, state, sizeof left);
		timer_line_set(timer, left);
	}
	if (ops->loaded(device))
		return true;
	ops->reset(device);
	return false;
}
