#pragma once
/* Text of others on a terminal. */
#include "base/str.h"

/* Prints it so that it cannot drive the terminal: control characters but tab and newline appear as
 * "^[" and the like. */
void print_visibly(struct str text);
