/* The platform's way into the logs: lines from a loop to the service's actor.
 *
 *     logs_append ──> stream.waiting ──send──> message in the actor's mailbox
 *                          ^                       │ run: append to the database
 *                          │                       │ done: on disk
 *                          └──── arrived (loop) <──┘
 *
 * One batch per stream is under way at most, so a stream's lines keep their order, and batches grow
 * as the disk gets slower. What waits is sent by one timer for all streams, so that the lines of
 * many functions share a commit: a busy loop costs the disk a few commits a second, not one for
 * each call. A mailbox that is full leaves a batch where it is, and the timer tries again.
 *
 * Who can wait with more should: logs_append says when a stream has enough waiting, or all of them
 * together have. When memory is used up all the same, or the database refuses a batch, lines are
 * lost; the count goes into the stream with its next batch (made for this alone if need be), and
 * into logs_writer_lost in any case.
 *
 * A stream's entry lives from its first line until nothing of it waits.
 * thread: the exec's, but for batch_run and batch_done (actor), which touch the batch alone: while
 * it is under way it belongs to the actor. */
#include "services/logs/logs_int.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>

enum {
    LINE_BYTES = 262144 - LOGS_EVENT_OVERHEAD, /* as Lambda cuts lines */
    RETRY_US = 20 * 1000,
    NAME_MAX_LEN = 512, /* CloudWatch's limit of group and stream names */
    STREAM_COST = 512,  /* counted for each stream that waits */
    STREAM_BATCHES = 2, /* that wait, full ones: enough for one stream */
};

struct batch_line {
    int64_t at_ms;
    size_t at, len; /* in text */
};

struct batch {
    struct list_node node; /* stream.waiting */
    struct message message;
    struct task arrived;
    struct writer_stream *stream; /* the loop's */
    struct logs_state *state;     /* the actor's */
    struct buf text;
    struct batch_line *lines; /* owned */
    size_t line_count, line_cap;
    uint64_t lost; /* lines that the stream lost before these */
    int64_t now_ms;
    struct err err; /* of run */
    int rc;         /* of run, then of the commit */
};

struct writer_stream {
    struct logs_writer *writer;
    struct str key; /* owned: account, region, group, stream, each behind a NUL but the first */
    struct logs_target target; /* views of key */
    struct list waiting;       /* of struct batch, owned; the last one is being filled */
    size_t waiting_count;
    struct batch *under_way; /* the actor's; NULL: none */
    uint64_t lost;           /* not told in the stream yet */
};

struct logs_writer {
    struct logs_writer_config config;
    struct map streams; /* of struct writer_stream, owned */
    size_t bytes;       /* of all lines and streams */
    uint64_t lost;
    struct timer send; /* set while something waits that no batch under way will send */
    struct task *idle; /* NULL: nobody asks */
};

/* --- batches -------------------------------------------------------------------------------- */

static struct batch *batch_of(struct message *message)
{
    return CONTAINER_OF(message, struct batch, message);
}

static void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    buf_done(&batch->text);
    free(batch->lines);
    free(batch);
}

static size_t batch_bytes(const struct batch *batch)
{
    return batch->text.len + batch->line_count * sizeof *batch->lines;
}

static int find_group(struct db *db, struct arena *arena, const struct batch *batch,
                      struct logs_group *group, struct err *err)
{
    const struct logs_target *target = &batch->stream->target;
    int rc =
        logs_db_group_find(db, arena, target->account, target->region, target->group, group, err);
    if (rc != -ENOENT)
        return rc;
    *group = (struct logs_group){
        .account = target->account,
        .region = target->region,
        .name = target->group,
        .group_class = STR("STANDARD"),
        .created_at_ms = batch->now_ms,
    };
    return logs_db_group_insert(db, group, err);
}

static int find_stream(struct db *db, struct arena *arena, const struct batch *batch,
                       struct logs_stream *stream, struct err *err)
{
    struct logs_group group;
    int rc = find_group(db, arena, batch, &group, err);
    if (rc < 0)
        return rc;
    struct str name = batch->stream->target.stream;
    rc = logs_db_stream_find(db, arena, group.id, name, stream, err);
    if (rc != -ENOENT)
        return rc;
    *stream =
        (struct logs_stream){.group_id = group.id, .name = name, .created_at_ms = batch->now_ms};
    return logs_db_stream_insert(db, stream, err);
}

static int batch_store(struct batch *batch, struct db *db, struct arena *arena, struct err *err)
{
    struct logs_stream stream;
    struct logs_line *lines = ARENA_ARRAY(arena, struct logs_line, batch->line_count + 1);
    assert(lines != NULL); /* The arena is made for it. */
    size_t count = 0;
    if (batch->lost > 0)
        lines[count++] = (struct logs_line){
            batch->now_ms, arena_printf(arena,
                                        "[virga] %" PRIu64 " log events were lost before this one: "
                                        "they came faster than they could be stored.",
                                        batch->lost)};
    for (size_t i = 0; i < batch->line_count; i++) {
        const struct batch_line *line = &batch->lines[i];
        lines[count++] =
            (struct logs_line){line->at_ms, str_of(batch->text.ptr + line->at, line->len)};
    }
    int rc = find_stream(db, arena, batch, &stream, err);
    if (rc == 0)
        rc = logs_db_append(db, &stream, lines, count, batch->now_ms, err);
    return rc;
}

static int batch_run(struct message *message, struct db *db)
{
    struct batch *batch = batch_of(message);
    struct arena arena;
    /* Names, the lines' views and one text. */
    arena_init(&arena, 16384 + (batch->line_count + 1) * sizeof(struct logs_line));
    batch->now_ms = clock_utc_ms(batch->state->clock);
    int rc = batch_store(batch, db, &arena, &batch->err);
    if (rc == 0)
        rc = logs_tidy(batch->state, db, batch->now_ms, &batch->err);
    arena_done(&arena);
    batch->rc = rc;
    return rc;
}

static void batch_done(struct message *message, int rc)
{
    struct batch *batch = batch_of(message);
    if (rc < 0)
        batch->rc = rc;
    exec_post(batch->stream->writer->config.exec, &batch->arrived);
}

static void batch_arrived(struct task *task);

static struct batch *batch_new(struct writer_stream *stream)
{
    struct batch *batch = NEW(struct batch);
    batch->message =
        (struct message){.account = stream->target.account, .run = batch_run, .done = batch_done};
    batch->arrived.run = batch_arrived;
    batch->stream = stream;
    batch->state = stream->writer->config.state;
    buf_init(&batch->text, LOGS_BATCH_BYTES);
    return batch;
}

/* False: the batch is full. */
static bool batch_add(struct batch *batch, int64_t at_ms, struct str message)
{
    if (batch->line_count == LOGS_EVENTS_MAX || batch->text.len + message.len > LOGS_BATCH_BYTES)
        return false;
    if (batch->line_count == batch->line_cap) {
        batch->line_cap = batch->line_cap * 2 + 8;
        batch->lines = mem_resize(batch->lines, batch->line_cap * sizeof *batch->lines);
    }
    batch->lines[batch->line_count++] = (struct batch_line){at_ms, batch->text.len, message.len};
    buf_put(&batch->text, message);
    return true;
}

/* --- streams -------------------------------------------------------------------------------- */

/* On the stack: a line's way must not cost an allocation before it is known where it goes. */
struct key {
    char text[4 * (NAME_MAX_LEN + 1)];
};

static struct str key_format(const struct logs_target *target, struct key *key)
{
    const struct str parts[] = {target->account, target->region, target->group, target->stream};
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert(parts[i].len <= NAME_MAX_LEN);
        memcpy(key->text + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
        key->text[at++] = '\0';
    }
    return str_of(key->text, at);
}

static struct writer_stream *stream_new(struct logs_writer *writer, struct str key)
{
    struct writer_stream *stream = NEW(struct writer_stream);
    struct str rest = str_of(mem_copy(key.ptr, key.len), key.len);
    stream->writer = writer;
    stream->key = rest;
    list_init(&stream->waiting);
    struct str *parts[] = {&stream->target.account, &stream->target.region, &stream->target.group,
                           &stream->target.stream};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        (void) str_split(&rest, '\0', parts[i]); /* as many as key_format wrote */
    writer->bytes += STREAM_COST;
    void *before = map_put(&writer->streams, stream->key, stream);
    assert(before == NULL);
    return stream;
}

static struct batch *stream_take_first(struct writer_stream *stream)
{
    struct list_node *node = list_pop_front(&stream->waiting);
    if (node == NULL)
        return NULL;
    stream->waiting_count--;
    return CONTAINER_OF(node, struct batch, node);
}

static void stream_free(struct writer_stream *stream)
{
    struct batch *batch;
    while ((batch = stream_take_first(stream)) != NULL)
        batch_free(batch);
    batch_free(stream->under_way);
    free((char *) stream->key.ptr);
    free(stream);
}

static void send_after(struct logs_writer *writer, int64_t after_us)
{
    if (!writer->send.is_set)
        timer_set(writer->config.exec, &writer->send, exec_now_us(writer->config.exec) + after_us);
}

/* Sends what has waited longest; it stays when the mailbox is full. */
static void stream_send(struct writer_stream *stream)
{
    struct logs_writer *writer = stream->writer;
    struct batch *batch = stream_take_first(stream);
    assert(stream->under_way == NULL && batch != NULL);
    batch->lost = stream->lost;
    stream->under_way = batch;
    if (actor_post(writer->config.actor, &batch->message) < 0) {
        stream->under_way = NULL;
        list_push_front(&stream->waiting, &batch->node);
        stream->waiting_count++;
        send_after(writer, RETRY_US);
        return;
    }
    /* The batch may have run by now; only arrived, on this thread, gives it back. */
    stream->lost = 0;
}

static void writer_send(struct logs_writer *writer)
{
    struct writer_stream *stream;
    size_t at = 0;
    while ((stream = map_next(&writer->streams, &at, NULL)) != NULL) {
        if (stream->waiting_count > 0 && stream->under_way == NULL)
            stream_send(stream);
    }
}

static void send_fire(struct timer *timer)
{
    writer_send(CONTAINER_OF(timer, struct logs_writer, send));
}

static void writer_settle(struct logs_writer *writer)
{
    if (writer->streams.len > 0 || writer->idle == NULL)
        return;
    struct task *idle = take_ptr(&writer->idle);
    exec_post(writer->config.exec, idle);
}

static void stream_count_lost(struct writer_stream *stream, uint64_t lines)
{
    stream->lost += lines;
    stream->writer->lost += lines;
}

/* The actor gives a batch back: the next one goes, or the stream is done with. */
static void batch_arrived(struct task *task)
{
    struct batch *batch = CONTAINER_OF(task, struct batch, arrived);
    struct writer_stream *stream = batch->stream;
    struct logs_writer *writer = stream->writer;
    stream->under_way = NULL;
    if (batch->rc < 0) {
        struct log_text why;
        log_warn("logs", "log events lost", "group=" STR_FMT " events=%zu err=%s",
                 STR_ARG(stream->target.group), batch->line_count,
                 log_quote(&why, batch->err.code < 0 ? str_from(batch->err.text)
                                                     : STR("the commit failed")));
        stream_count_lost(stream, batch->line_count);
        stream->lost += batch->lost; /* the older loss was not told either */
    }
    writer->bytes -= batch_bytes(batch);
    batch_free(batch);
    if (stream->waiting_count > 0) { /* they have waited long enough */
        stream_send(stream);
        return;
    }
    writer->bytes -= STREAM_COST;
    (void) map_remove(&writer->streams, stream->key);
    stream_free(stream);
    writer_settle(writer);
}

/* --- the writer ----------------------------------------------------------------------------- */

struct logs_writer *logs_writer_new(const struct logs_writer_config *config)
{
    struct logs_writer *writer = NEW(struct logs_writer);
    writer->config = *config;
    writer->send.fire = send_fire;
    map_init(&writer->streams);
    return writer;
}

void logs_writer_free(struct logs_writer *writer)
{
    if (writer == NULL)
        return;
    struct writer_stream *stream;
    size_t at = 0;
    while ((stream = map_next(&writer->streams, &at, NULL)) != NULL)
        stream_free(stream);
    map_done(&writer->streams);
    free(writer);
}

/* A quarter more for streams alone, so that one can tell what it lost to the lines of others. NULL:
 * that is used up as well. */
static struct writer_stream *stream_find(struct logs_writer *writer,
                                         const struct logs_target *target)
{
    struct key key;
    struct str text = key_format(target, &key);
    struct writer_stream *stream = map_find(&writer->streams, text);
    size_t max = writer->config.bytes_max + writer->config.bytes_max / 4;
    if (stream == NULL && writer->bytes + STREAM_COST <= max)
        stream = stream_new(writer, text);
    return stream;
}

static struct batch *stream_add_batch(struct writer_stream *stream)
{
    struct batch *batch = batch_new(stream);
    list_push_back(&stream->waiting, &batch->node);
    stream->waiting_count++;
    return batch;
}

static void append_line(struct writer_stream *stream, int64_t at_ms, struct str message)
{
    struct logs_writer *writer = stream->writer;
    struct batch *last = stream->waiting_count == 0
                             ? stream_add_batch(stream)
                             : CONTAINER_OF(stream->waiting.head.prev, struct batch, node);
    size_t cost = message.len + sizeof(struct batch_line);
    if (writer->bytes + cost > writer->config.bytes_max) {
        stream_count_lost(stream, 1);
        return;
    }
    if (!batch_add(last, at_ms, message)) {
        bool fits = batch_add(stream_add_batch(stream), at_ms, message);
        assert(fits);
    }
    writer->bytes += cost;
}

static bool wants_more(const struct writer_stream *stream)
{
    const struct logs_writer *writer = stream->writer;
    return stream->waiting_count <= STREAM_BATCHES && writer->bytes <= writer->config.bytes_max / 2;
}

bool logs_append(struct logs_writer *writer, const struct logs_target *target, int64_t at_ms,
                 struct str message)
{
    struct str clean;
    if (message.len == 0)
        return true;
    AUTO_BUF struct buf scratch;
    buf_init(&scratch, 3 * message.len + 1); /* each byte may become U+FFFD */
    int rc = logs_message_clean(message, &scratch, &clean);
    assert(rc == 0);
    struct writer_stream *stream = stream_find(writer, target);
    if (stream == NULL) {
        writer->lost++;
        return false;
    }
    while (clean.len > 0) {
        size_t n = clean.len < LINE_BYTES ? clean.len : LINE_BYTES;
        while (n < clean.len && (clean.ptr[n] & 0xC0) == 0x80)
            n--; /* not inside a character */
        append_line(stream, at_ms, str_head(clean, n));
        clean = str_skip(clean, n);
    }
    if (stream->under_way == NULL && writer->config.gather_us == 0)
        stream_send(stream);
    else if (stream->under_way == NULL)
        send_after(writer, writer->config.gather_us);
    return wants_more(stream);
}

void logs_append_text(struct logs_writer *writer, const struct logs_target *target, int64_t at_ms,
                      struct str text)
{
    struct str line;
    while (str_split(&text, '\n', &line))
        (void) logs_append(writer, target, at_ms, line); /* this caller cannot wait */
}

bool logs_wants_more(struct logs_writer *writer, const struct logs_target *target)
{
    struct key key;
    const struct writer_stream *stream = map_find(&writer->streams, key_format(target, &key));
    return stream == NULL ? writer->bytes <= writer->config.bytes_max / 2 : wants_more(stream);
}

void logs_writer_drain(struct logs_writer *writer, struct task *idle)
{
    assert(writer->idle == NULL);
    writer->idle = idle;
    timer_clear(writer->config.exec, &writer->send);
    writer_send(writer);
    writer_settle(writer);
}

uint64_t logs_writer_lost(const struct logs_writer *writer)
{
    return writer->lost;
}
