#pragma once
/* Part of a file as an operation's answer, whatever its size (decision 5): read on a worker piece
 * by piece, written on the loop as the client takes it. */
#include "core/op.h"

struct send_range {
    uint64_t from, length; /* bytes; the file must have them */
};

/* For an op that `start` took, instead of op_begin: `out` holds the head by now. Takes fd, uses
 * op->prepared and ends the op. A file that turns out shorter, or cannot be read, breaks the answer
 * off. thread: the op's loop. */
void op_send_file(struct op *op, struct exec *workers, int fd, struct send_range range);
