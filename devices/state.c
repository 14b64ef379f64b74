// SPDX-License-Identifier: MIT
/*
 * Saves and loads the state of any device by its table of fields.
 *
 * Who calls it: vmm/snapshot/. Touches the device it is given.
 */
#include "device.h"

size_t device_state_size(const struct device_ops *ops)
{
	size_t size = ops->expire ? sizeof(uint64_t) : 0;

	for (const struct field *field = ops->fields; field->name; field++)
		size += (size_t)field->size * field->count;
	return size;
}

/*
 * Copies between a field's elements, which may be apart in the struct, and the packed saved state.
 */
static void copy_out(const struct field *field, const char *device, uint8_t *state)
{
	for (size_t i = 0; i < field->count; i++)
		__builtin_memcpy(state + i * field->size,
				 device + field->offset + i * field->stride, field->size);
}

static void copy_in(const struct field *field, char *device, const uint8_t *state)
{
	/* All at once where that can be: some fields have hundreds. */
	if (field->stride == field->size) {
		__builtin_memcpy(device + field->offset, state, (size_t)field->size * field->count);
		return;
	}
	for (size_t i = 0; i < field->count; i++)
		__builtin_memcpy(device + field->offset + i * field->stride,
				 state + i * field->size, field->size);
}

void device_save(const struct device_ops *ops, const void *device, uint8_t *state)
{
	const struct timer_line *timer = &((const struct wires *)device)->timer;

	for (const struct field *field = ops->fields; field->name; field++) {
		copy_out(field, device, state);
		state += (size_t)field->size * field->count;
	}
	if (ops->expire) {
		uint64_t left = timer->left(timer->clock, timer->number);

		__builtin_memcpy(state, &left, sizeof left);
	}
}

/* Is every element of every field within its maximum? */
static bool is_valid(const struct device_ops *ops, const uint8_t *state)
{
	for (const struct field *field = ops->fields; field->name; field++) {
		uint64_t largest = UINT64_MAX >> (64 - 8 * field->size); /* that fits into one */

		for (unsigned i = 0; i < field->count && field->max < largest; i++) {
			uint64_t value = 0;

			__builtin_memcpy(&value, state + (size_t)i * field->size, field->size);
			if (value > field->max)
				return false;
		}
		state += (size_t)field->size * field->count;
	}
	return true;
}

bool device_load(const struct device_ops *ops, void *device, const uint8_t *state)
{
	const struct timer_line *timer = &((const struct wires *)device)->timer;

	if (!is_valid(ops, state)) {
		ops->reset(device);
		return false;
	}
	for (const struct field *field = ops->fields; field->name; field++) {
		copy_in(field, device, state);
		state += (size_t)field->size * field->count;
	}
	if (ops->expire) {
		uint64_t left;

		__builtin_memcpy(&left, state, sizeof left);
		timer_line_set(timer, left);
	}
	if (ops->loaded(device))
		return true;
	ops->reset(device);
	return false;
}
