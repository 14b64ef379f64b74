/* SPDX-License-Identifier: MIT */
/*
 * Included in front of crt's sources when they are built for the developer's machine: ours get a
 * prefix, so that the machine's own libc can stand beside them as the oracle.
 */
#define memcpy crt_memcpy
#define memmove crt_memmove
#define memset crt_memset
#define memcmp crt_memcmp
#define memchr crt_memchr
#define strnlen crt_strnlen
#define strlen crt_strlen
#define strncmp crt_strncmp
#define strcmp crt_strcmp
#define strchr crt_strchr
#define strrchr crt_strrchr
#define snprintf crt_snprintf
#define vsnprintf crt_vsnprintf
#define dprintf crt_dprintf
#define vdprintf crt_vdprintf
