/* SPDX-License-Identifier: MIT */
/* Lets any thread wake the event loop, so that it checks everything that it waits for. Used all
 * over vmm/. */
#ifndef VMM_WAKE_H
#define VMM_WAKE_H

/* `wake` is the event loop's eventfd (struct loop). Safe in a signal handler. */
void wake_loop(int wake);

#endif
