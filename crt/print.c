// SPDX-License-Identifier: MIT
/*
 * Formatted print that cannot overrun, and names for error numbers.
 *
 * Who uses it: every message of vmm/. Touches the buffer or the descriptor it is given.
 */
#include "crt.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

/* Where formatted bytes go: a buffer (fd < 0; the excess is only counted), or a descriptor. */
struct sink {
	char *buffer;
	size_t size;  /* bytes of buffer */
	size_t used;  /* bytes in it */
	size_t total; /* bytes formatted so far */
	int fd;
	int error; /* first negative errno of write */
};

/* One conversion specification, between % and its letter. */
struct conversion {
	bool left, zero, alternate;
	int width, precision; /* precision < 0: none given */
	int length;	      /* 'h', 'l', 'z', 0 */
};

int write_all(int fd, const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		long n = sys_write(fd, from, size);

		if (n >= 0) {
			from += n;
			size -= (size_t)n;
		} else if (n == -EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			sys_ppoll(&wait, 1, NULL, NULL, 0);
		} else if (n != -EINTR) {
			return (int)n;
		}
	}
	return 0;
}

static void flush(struct sink *sink)
{
	if (!sink->error)
		sink->error = write_all(sink->fd, sink->buffer, sink->used);
	sink->used = 0;
}

static void put(struct sink *sink, char c)
{
	sink->total++;
	if (sink->used == sink->size && sink->fd >= 0)
		flush(sink);
	if (sink->used < sink->size)
		sink->buffer[sink->used++] = c;
}

static void pad(struct sink *sink, char c, int count)
{
	while (count-- > 0)
		put(sink, c);
}

/* Prints a prefix (sign, 0x) and a body, padded to the field width. */
static void field(struct sink *sink, const struct conversion *c, const char *prefix,
		  const char *body, size_t size)
{
	int fill = c->width - (int)strlen(prefix) - (int)size;

	if (!c->left && !c->zero)
		pad(sink, ' ', fill);
	while (*prefix)
		put(sink, *prefix++);
	if (!c->left && c->zero)
		pad(sink, '0', fill);
	while (size--)
		put(sink, *body++);
	if (c->left)
		pad(sink, ' ', fill);
}

static void number(struct sink *sink, const struct conversion *c, const char *prefix,
		   uint64_t value, unsigned base)
{
	char digits[20]; /* 2^64 has 20 in base ten */
	char *first = digits + sizeof digits;

	do
		*--first = "0123456789abcdef"[value % base];
	while (value /= base);
	field(sink, c, prefix, first, (size_t)(digits + sizeof digits - first));
}

static uint64_t unsigned_argument(const struct conversion *c, va_list *arguments)
{
	switch (c->length) {
	case 'l':
	case 'z':
		return va_arg(*arguments, uint64_t);
	case 'h':
		return (uint16_t)va_arg(*arguments, unsigned);
	default:
		return va_arg(*arguments, unsigned);
	}
}

static int64_t signed_argument(const struct conversion *c, va_list *arguments)
{
	switch (c->length) {
	case 'l':
	case 'z':
		return va_arg(*arguments, int64_t);
	case 'h':
		return (int16_t)va_arg(*arguments, int);
	default:
		return va_arg(*arguments, int);
	}
}

static void convert(struct sink *sink, char letter, struct conversion *c, va_list *arguments)
{
	switch (letter) {
	case '%':
		put(sink, '%');
		break;
	case 'c': {
		char character = (char)va_arg(*arguments, int);

		field(sink, c, "", &character, 1);
		break;
	}
	case 's': {
		const char *string = va_arg(*arguments, const char *) ?: "(null)";

		field(sink, c, "", string,
		      strnlen(string, c->precision < 0 ? INT_MAX : (size_t)c->precision));
		break;
	}
	case 'd':
	case 'i': {
		int64_t value = signed_argument(c, arguments);

		number(sink, c, value < 0 ? "-" : "",
		       value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
		break;
	}
	case 'u':
		number(sink, c, "", unsigned_argument(c, arguments), 10);
		break;
	case 'x': {
		uint64_t value = unsigned_argument(c, arguments);

		number(sink, c, c->alternate && value ? "0x" : "", value, 16);
		break;
	}
	case 'p':
		number(sink, c, "0x", (uintptr_t)va_arg(*arguments, void *), 16);
		break;
	default:
		__builtin_trap();
	}
}

static int decimal(const char **format, va_list *arguments)
{
	int value = 0;

	if (**format == '*') {
		++*format;
		return va_arg(*arguments, int);
	}
	for (; **format >= '0' && **format <= '9'; ++*format)
		value = value * 10 + (**format - '0');
	return value;
}

/* Parses flags, width, precision and length; leaves `format` at the conversion's letter. */
static struct conversion parse(const char **format, va_list *arguments)
{
	struct conversion c = { .precision = -1 };

	for (;; ++*format)
		if (**format == '-')
			c.left = true;
		else if (**format == '0')
			c.zero = true;
		else if (**format == '#')
			c.alternate = true;
		else
			break;
	c.width = decimal(format, arguments);
	if (**format == '.') {
		++*format;
		c.precision = decimal(format, arguments);
	}
	while (**format == 'h' || **format == 'l' || **format == 'z')
		c.length = *(*format)++;
	return c;
}

static void print(struct sink *sink, const char *format, va_list arguments)
{
	va_list rest; /* a va_list parameter may have decayed to a pointer: a copy has not */

	va_copy(rest, arguments);
	for (; *format; format++) {
		if (*format != '%') {
			put(sink, *format);
			continue;
		}
		format++;
		struct conversion c = parse(&format, &rest);

		convert(sink, *format, &c, &rest);
	}
	va_end(rest);
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct sink sink = { .buffer = buffer, .size = size ? size - 1 : 0, .fd = -1 };

	print(&sink, format, arguments);
	if (size)
		buffer[sink.used] = '\0';
	return (int)sink.total;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(buffer, size, format, arguments);

	va_end(arguments);
	return n;
}

int vdprintf(int fd, const char *format, va_list arguments)
{
	char buffer[520];
	struct sink sink = { .buffer = buffer, .size = sizeof buffer, .fd = fd };

	print(&sink, format, arguments);
	flush(&sink);
	return sink.error ? sink.error : (int)sink.total;
}

int dprintf(int fd, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vdprintf(fd, format, arguments);

	va_end(arguments);
	return n;
}

/* The error numbers that the system calls of sys.h can return. */
static const struct {
	int number;
	const char *text;
} errors[] = {
#define ERROR(name, text) name, #name " (" text ")"
	{ ERROR(EPERM, "operation not permitted") },
	{ ERROR(ENOENT, "no such file or directory") },
	{ ERROR(EINTR, "interrupted") },
	{ ERROR(EIO, "input/output error") },
	{ ERROR(ENXIO, "no such device or address") },
	{ ERROR(E2BIG, "argument list too long") },
	{ ERROR(ENOEXEC, "not initialised") },
	{ ERROR(EBADF, "bad file descriptor") },
	{ ERROR(ECHILD, "no child process") },
	{ ERROR(EAGAIN, "try again") },
	{ ERROR(ENOMEM, "out of memory; free some on the host") },
	{ ERROR(EACCES, "permission denied") },
	{ ERROR(EFAULT, "bad address") },
	{ ERROR(EBUSY, "busy") },
	{ ERROR(EEXIST, "exists already") },
	{ ERROR(ENODEV, "no such device") },
	{ ERROR(ENOTDIR, "not a directory") },
	{ ERROR(EISDIR, "is a directory") },
	{ ERROR(EINVAL, "invalid argument") },
	{ ERROR(ENFILE, "too many open files in the system") },
	{ ERROR(EMFILE, "too many open files") },
	{ ERROR(ENOTTY, "inappropriate ioctl") },
	{ ERROR(EFBIG, "file too large") },
	{ ERROR(ENOSPC, "no space left") },
	{ ERROR(EROFS, "read-only file system") },
	{ ERROR(EPIPE, "broken pipe") },
	{ ERROR(ENAMETOOLONG, "name too long") },
	{ ERROR(ENOSYS, "not implemented by this kernel") },
	{ ERROR(ELOOP, "too many symbolic links") },
	{ ERROR(EOPNOTSUPP, "not supported") },
};

const char *error_text(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].number == error)
			return errors[i].text;
	return "an error without a name here";
}
