/* The bytes of an instance: its control socket (frames), non-blocking. Output is output.c's.
 *
 * Writing is optimistic: a frame goes out with one sendmsg from where it lies, and only what did
 * not fit waits for the socket. Reading takes whatever is there into the home's scratch buffer;
 * once a large payload is under way it is read straight into the answer. */
#include "runtime/runtime_int.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { READS_PER_TURN = 16 };

/* ---- out ---- */

bool channel_is_sent(const struct instance *inst)
{
    return inst->sent == inst->out.len + inst->event.len;
}

static void close_fd(int *fd)
{
    cleanup_close(fd);
    *fd = -1;
}

/* Sends what the socket takes. A broken socket is not reported here: it is readable as well, and
 * the reader finds the end. */
void channel_send(struct instance *inst)
{
    if (inst->image_fd >= 0) { /* goes with the first byte of the START block */
        int n = sandbox_send_fd(inst->control_fd, buf_str(&inst->out), inst->image_fd, NULL);
        if (n == -EAGAIN) {
            watch_set(inst->control_watch, WATCH_READ | WATCH_WRITE);
            return;
        }
        close_fd(&inst->image_fd);
        inst->sent = n > 0 ? (size_t) n : 0;
        if (n < 0)
            return;
    }
    while (!channel_is_sent(inst)) {
        struct str head = str_skip(buf_str(&inst->out), inst->sent);
        size_t event_sent = inst->sent > inst->out.len ? inst->sent - inst->out.len : 0;
        struct str event = str_skip(inst->event, event_sent);
        struct iovec iov[2] = {{(void *) (uintptr_t) head.ptr, head.len},
                               {(void *) (uintptr_t) event.ptr, event.len}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = event.len > 0 ? 2 : 1};
        ssize_t n = sendmsg(inst->control_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        inst->sent += (size_t) n;
    }
    bool waits = !channel_is_sent(inst) && errno == EAGAIN;
    watch_set(inst->control_watch, waits ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

/* ---- in ---- */

/* Hands out the frames in bytes; false: the instance is not to be read from any more. */
static bool feed(struct instance *inst, struct str bytes)
{
    while (bytes.len > 0) {
        struct err err;
        int rc = frame_feed(&inst->reader, &bytes, &err);
        if (rc < 0) {
            log_debug("runtime", "instance violates the protocol", "id=%" PRIu64 " err=\"%s\"",
                      inst->id, err.text);
            instance_violated(inst);
            return false;
        }
        if (rc == FRAME_NEEDS_MORE)
            return true;
        instance_frame(inst, &inst->reader.frame, inst->reader.is_oversize);
        if (inst->control_fd < 0)
            return false;
        buf_reset(&inst->answer);
    }
    return true;
}

/* One read; false: nothing more to do now. */
static bool read_some(struct instance *inst)
{
    size_t size;
    char *room = frame_room(&inst->reader, &size);
    bool is_direct = room != NULL && size > SCRATCH_SIZE;
    if (!is_direct) {
        room = inst->home->scratch;
        size = SCRATCH_SIZE;
    }
    ssize_t n = recv(inst->control_fd, room, size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) {
        instance_lost(inst);
        return false;
    }
    if (is_direct) {
        if (frame_fed(&inst->reader, (size_t) n) == FRAME_IS_WHOLE) {
            instance_frame(inst, &inst->reader.frame, false);
            if (inst->control_fd < 0)
                return false;
            buf_reset(&inst->answer);
        }
    } else if (!feed(inst, str_of(room, (size_t) n))) {
        return false;
    }
    return (size_t) n == size; /* less than asked for: the socket is empty */
}

void channel_read(struct instance *inst)
{
    for (int i = 0; i < READS_PER_TURN && inst->control_fd >= 0 && !inst->is_paused; i++)
        if (!read_some(inst))
            return;
}

void channel_read_rest(struct instance *inst)
{
    do {
        inst->is_paused = false;
        channel_read(inst);
    } while (inst->is_paused);
}

void channel_pause(struct instance *inst)
{
    if (inst->control_watch != NULL)
        watch_set(inst->control_watch, 0);
}

void channel_resume(struct instance *inst)
{
    if (inst->control_watch != NULL)
        watch_set(inst->control_watch, WATCH_READ);
}

static void on_control(void *arg, int events)
{
    struct instance *inst = arg;
    if ((events & WATCH_WRITE) != 0)
        channel_send(inst);
    if ((events & WATCH_READ) != 0)
        channel_read(inst);
}

/* ---- descriptors ---- */

int channel_open(struct instance *inst, struct err *err)
{
    int rc =
        watch_new(inst->home->loop, inst->control_fd, on_control, inst, &inst->control_watch, err);
    if (rc == 0)
        rc =
            watch_new(inst->home->loop, inst->log_fd, output_readable, inst, &inst->log_watch, err);
    if (rc < 0)
        return err_wrap(err, "watch an instance");
    watch_set(inst->control_watch, WATCH_READ);
    watch_set(inst->log_watch, WATCH_READ);
    return 0;
}

void channel_deafen(struct instance *inst)
{
    watch_set(inst->control_watch, 0);
}

void channel_close_control(struct instance *inst)
{
    watch_free(take_ptr(&inst->control_watch));
    close_fd(&inst->control_fd);
}

void channel_close(struct instance *inst)
{
    channel_close_control(inst);
    watch_free(take_ptr(&inst->log_watch));
    close_fd(&inst->log_fd);
    close_fd(&inst->freeze_fd);
    close_fd(&inst->memory_fd);
    close_fd(&inst->image_fd);
}

uint64_t channel_memory_peak(const struct instance *inst)
{
    char text[24];
    if (inst->memory_fd < 0)
        return 0;
    ssize_t n = pread(inst->memory_fd, text, sizeof text, 0);
    if (n <= 0)
        return 0;
    struct str digits = str_of(text, (size_t) n);
    if (text[n - 1] == '\n')
        digits.len--;
    uint64_t bytes;
    return parse_u64(digits, UINT64_MAX, &bytes) == 0 ? bytes : 0;
}
