#pragma once
/* CloudWatch Logs: log groups, streams and events. Registered by app/; README.md says what is
 * supported.
 *
 * Beside its API the service has a port for the platform's own logs: a writer. One belongs to each
 * loop; it gathers lines per stream and sends them to the service's actor, one message per stream
 * at a time: what comes while one is under way is the next one. Groups and streams come into being
 * as Lambda makes them. Memory is bounded: what does not fit is dropped and counted, and the stream
 * says so with an event of its own. */
#include "core/actor.h"
#include "core/op.h"

extern const struct service logs_room;

struct logs_writer;

struct logs_writer_config {
    struct actor *actor; /* of the logs service; borrowed, like all here */
    void *state;         /* of the logs service, from its open */
    struct exec *exec;   /* the loop that the writer belongs to */
    size_t bytes_max;    /* of the lines that wait or are under way */
    int64_t gather_us;   /* how long a first line waits for others; 0: not at all */
};

/* Which stream. Views during the call. */
struct logs_target {
    struct str account, region, group, stream;
};

struct logs_writer *logs_writer_new(const struct logs_writer_config *config);
/* NULL is fine. After the actor was freed and the loop has stopped; what still waits is lost. */
void logs_writer_free(struct logs_writer *writer);

/* One event; an empty message is none. Messages over AWS's 256 KiB of a line are cut into several
 * events, invalid UTF-8 is replaced. False: enough waits for now; a caller that can stop should,
 * until logs_wants_more. thread: the exec's. owner: message is copied. */
bool logs_append(struct logs_writer *writer, const struct logs_target *target, int64_t at_ms,
                 struct str message);
/* Each line of text is an event; "\n" ends a line and is not part of it. */
void logs_append_text(struct logs_writer *writer, const struct logs_target *target, int64_t at_ms,
                      struct str text);
bool logs_wants_more(struct logs_writer *writer, const struct logs_target *target);
/* Sends at once, and posts `idle` to the exec when nothing waits and nothing is under way; one such
 * task at a time.
 * thread: the exec's. */
void logs_writer_drain(struct logs_writer *writer, struct task *idle);
/* Events dropped so far. thread: the exec's. */
uint64_t logs_writer_lost(const struct logs_writer *writer);
