/* Streamed answers: from an instance to the sink of who called, while the function runs.
 *
 *     instance ──frames, or a body over the Runtime API──→ home ──→ sink
 *              ←── not read any more ── "enough" ── told to wait ──┘
 *
 * When the caller is on the home's own loop, bytes go straight to the sink; when it has enough, the
 * instance is not read until runtime_resume, so that the function waits in its own write. Nothing
 * is kept here.
 *
 * When the caller is on another loop, bytes travel in one parcel that goes back and forth. While it
 * is away, what the instance says is gathered, and from GATHERED_HIGH on the instance is not read;
 * the caller sends the parcel back empty once its sink takes more. So a slow client costs two
 * buffers, whatever the function writes. The invocation's end waits for the parcel, whose memory is
 * the invocation's.
 *
 * thread: the home's, but for the two functions of the caller's side, which say so. */
#include "runtime/runtime_int.h"

#include "base/log.h"

enum {
    STREAM_SIZE_MAX = 200 * 1024 * 1024, /* AWS's quota, by default */
    GATHERED_HIGH = 256 * 1024,
    GATHERED_MAX = 16 * 1024 * 1024, /* an instance's last words are read without asking */
};

static bool is_local(const struct invocation *inv)
{
    return inv->origin == inv->stream.home->index;
}

uint64_t stream_size_max(const struct runtime *runtime)
{
    uint64_t max = runtime->config.stream_bytes_max;
    return max > 0 ? max : STREAM_SIZE_MAX;
}

/* ---- the instance's side of waiting ---- */

static void pause_reading(struct instance *inst)
{
    inst->is_paused = true;
    if (instance_speaks_http(inst))
        api_pause(inst->api);
    else
        channel_pause(inst);
}

static void resume_reading(struct instance *inst)
{
    if (!inst->is_paused)
        return;
    inst->is_paused = false;
    if (instance_speaks_http(inst))
        api_resume(inst->api); /* more may come inside */
    else
        channel_resume(inst);
}

/* ---- the parcel ---- */

static void parcel_returned(struct task *task);

/* The caller's loop. */
static void parcel_return(struct invocation *inv)
{
    inv->stream.task.run = parcel_returned;
    exec_post(inv->stream.home->exec, &inv->stream.task);
}

/* The caller's loop. */
static void parcel_arrived(struct task *task)
{
    struct invocation *inv = CONTAINER_OF(task, struct invocation, stream.task);
    struct invocation_stream *stream = &inv->stream;
    if (!stream->is_told)
        inv->sink->begin(inv, buf_str(&stream->type));
    stream->is_told = true;
    bool goes_on = stream->parcel.len == 0 || inv->sink->write(inv, buf_str(&stream->parcel));
    buf_reset(&stream->parcel);
    stream->is_waiting = !goes_on;
    if (goes_on)
        parcel_return(inv);
}

static void parcel_send(struct invocation *inv)
{
    struct invocation_stream *stream = &inv->stream;
    const struct buf empty = stream->parcel;
    stream->parcel = stream->gathered;
    stream->gathered = empty;
    stream->is_away = true;
    stream->task.run = parcel_arrived;
    exec_post(loop_exec(inv->runtime->config.loops[inv->origin]), &stream->task);
}

static void parcel_returned(struct task *task)
{
    struct invocation *inv = CONTAINER_OF(task, struct invocation, stream.task);
    struct invocation_stream *stream = &inv->stream;
    stream->is_away = false;
    if (stream->gathered.len > 0)
        parcel_send(inv);
    if (stream->inst != NULL)
        resume_reading(stream->inst);
    else if (!stream->is_away && stream->is_ended)
        home_done(stream->home, inv);
}

/* ---- what an instance says ---- */

void stream_begin(struct instance *inst, struct str type)
{
    struct invocation *inv = inst->slot.invocation;
    struct invocation_stream *stream = &inv->stream;
    assert(inv->sink != NULL && !inv->is_streamed);
    inv->is_streamed = true;
    if (inv->answer_us == 0)
        inv->answer_us = exec_now_us(inst->home->exec);
    stream->inst = inst;
    if (is_local(inv)) {
        inv->sink->begin(inv, type);
        return;
    }
    buf_init(&stream->type, FRAME_CHUNK_MAX);
    buf_init(&stream->parcel, GATHERED_MAX);
    buf_init(&stream->gathered, GATHERED_MAX);
    buf_put(&stream->type, type);
    parcel_send(inv);
}

void stream_note_type(struct invocation *inv, struct str type)
{
    buf_init(&inv->stream.type, FRAME_CHUNK_MAX);
    buf_put(&inv->stream.type, type);
}

void stream_write(struct instance *inst, struct str bytes)
{
    struct invocation *inv = inst->slot.invocation;
    struct invocation_stream *stream = &inv->stream;
    assert(inv->is_streamed && stream->inst == inst);
    stream->bytes += bytes.len;
    stream->is_over |= stream->bytes > stream_size_max(inv->runtime);
    if (stream->is_over)
        return;
    bool goes_on;
    if (is_local(inv)) {
        goes_on = inv->sink->write(inv, bytes);
    } else {
        buf_put(&stream->gathered, bytes);
        stream->is_over |= buf_is_over(&stream->gathered);
        if (!stream->is_away)
            parcel_send(inv);
        goes_on = stream->gathered.len < GATHERED_HIGH;
    }
    if (!goes_on)
        pause_reading(inst);
}

/* The invocation has ended: the instance is another one's now, or nobody's. */
void stream_leave(struct instance *inst, struct invocation *inv)
{
    inv->stream.inst = NULL;
    if (inst->is_paused && !instance_speaks_http(inst))
        channel_resume(inst);
    inst->is_paused = false; /* a body that is still under way is not looked at any more */
}

bool stream_holds(struct invocation *inv)
{
    inv->stream.is_ended = inv->stream.is_away;
    return inv->stream.is_away;
}

void stream_done(struct invocation_stream *stream)
{
    buf_done(&stream->type);
    buf_done(&stream->parcel);
    buf_done(&stream->gathered);
}

/* ---- what the caller says; on his loop ---- */

void runtime_resume(struct invocation *inv)
{
    struct invocation_stream *stream = &inv->stream;
    if (stream->home == NULL)
        return; /* never started */
    if (is_local(inv)) {
        if (stream->inst != NULL)
            resume_reading(stream->inst);
    } else if (stream->is_waiting) {
        stream->is_waiting = false;
        parcel_return(inv);
    }
}
