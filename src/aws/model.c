/* Enums of the model tables: text to number and back.
 *
 * Numbers are positions in the model's list, from 1, so that a zeroed C struct means "not given"
 * and the generated enum constants need no table of their own. The lists are short (the longest
 * are instance types) and asked once a request, so they are searched from front to back.
 *
 * thread: any. */
#include "aws/model.h"

unsigned aws_enum_find(const struct aws_shape *shape, struct str text)
{
    for (uint32_t i = 0; i < shape->enum_count; i++)
        if (str_eq(shape->enum_values[i], text))
            return i + 1;
    return 0;
}

struct str aws_enum_text(const struct aws_shape *shape, unsigned value)
{
    if (value == 0 || value > shape->enum_count)
        return STR_NONE;
    return shape->enum_values[value - 1];
}
