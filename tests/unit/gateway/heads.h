#pragma once
/* A parsed head from its text, for tests; the text must outlive it. */
#include "net/http1.h"

static inline struct http_head head_of(const char *text)
{
    static struct http_head head; /* Large; one at a time. */
    struct err err;
    int used = http1_parse_request(str_from(text), &head, &err);
    if (used <= 0)
        fail_msg("%d: %s", used, err.text);
    return head;
}
