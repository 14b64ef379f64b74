/* SPDX-License-Identifier: MIT */
/* The commands that the user gives at the terminal by Ctrl-A and a key. Used by main. */
#ifndef VMM_COMMANDS_H
#define VMM_COMMANDS_H

#include "vmm/host/terminal.h"

/* Their `context` is the struct machine. */
extern const struct terminal_command terminal_commands[];

#endif
