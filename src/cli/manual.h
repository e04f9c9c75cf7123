#pragma once
/* What is made of the tables of all commands, on standard output: the manual page, and what shells
 * need to complete command lines. */
#include "cli/cli.h"

/* The manual page of section 1. source: man(7). */
void manual_print(const struct cli_commands *commands);

/* shell: "bash", "zsh" or "fish"; false: another one, nothing was printed. */
bool completion_print(const struct cli_commands *commands, const char *shell);
