#pragma once
/* Lines out of a stream of bytes: what a function prints arrives in pieces as large as the pipe
 * gives, and leaves as events of the log. Pure; thread: the owner's. */
#include "base/buf.h"

enum {
    /* Of one event, as Lambda cuts them: 256 KiB less what CloudWatch counts beside the text. */
    LINE_SIZE_MAX = 262144 - 26,
};

struct lines {
    struct buf rest;  /* the beginning of a line whose end has not come */
    int64_t since_ms; /* when it began; valid while rest is not empty */
};

/* at_ms: when the line began. line: with its "\n" if it has one; valid during the call. */
typedef void (*lines_fn)(void *arg, int64_t at_ms, struct str line);

void lines_init(struct lines *lines);
void lines_done(struct lines *lines);

/* Hands out the lines that these bytes complete. A NUL stands for a newline inside a line, which is
 * how the bootstraps keep a text of many lines one event; bytes hold newlines there afterwards. */
void lines_feed(struct lines *lines, int64_t at_ms, char *bytes, size_t len, lines_fn fn,
                void *arg);
void lines_restore_newlines(char *bytes, size_t len); /* the same, when nobody wants the lines */
/* Hands out what has no end yet. */
void lines_flush(struct lines *lines, lines_fn fn, void *arg);

static inline bool lines_has_rest(const struct lines *lines)
{
    return lines->rest.len > 0;
}
