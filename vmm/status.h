/* SPDX-License-Identifier: MIT */
/* The exit statuses of the program. Used all over vmm/. */
#ifndef VMM_STATUS_H
#define VMM_STATUS_H

/* sysexits.h's numbers, so that a guest's own small codes stay apart. README has the same table. */
enum status {
	STATUS_PASS = 0,      /* the guest powered itself off, or passed */
	STATUS_USAGE = 64,    /* a wrong option */
	STATUS_PAYLOAD = 65,  /* a payload that cannot be started, or that broke --strict */
	STATUS_NO_KVM = 69,   /* no KVM, or one that lacks what is needed */
	STATUS_INTERNAL = 70, /* an unhandled exit, a bug, a failing kernel */
	STATUS_HOST = 75,     /* the host lacks a resource, such as memory */
	STATUS_RESET = 76,    /* the guest reset itself under --no-reboot */
	STATUS_ESCAPE = 130,  /* Ctrl-A x, which ends the run as Ctrl-C ends a program */
	STATUS_SIGNAL = 128,  /* plus the number of the signal that killed the monitor */
};

#endif
