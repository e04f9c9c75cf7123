#pragma once
/* Operation parameters as the official cases write them: JSON by member names whatever the wire
 * says, timestamps in seconds, blobs as text. */
#include "aws/model.h"
#include "base/arena.h"
#include "data/json.h"

/* Reads the value whose first token is `tok`. False: the case does not fit the model. */
bool canon_read(struct json_reader *r, enum json_token tok, const struct aws_member *member,
                void *to, struct arena *arena);
void canon_write(struct json_writer *w, const struct aws_member *member, const void *value);
