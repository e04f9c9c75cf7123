/* Frames of a hostile instance: fed whole and cut at places that the input chooses, through the
 * copying and the direct way, the reader must see the same frames and never go past its limit. */
#include "base/assert.h"
#include "runtime/frame.h"

enum { LIMIT = 512 };

struct tally {
    uint64_t frames, kept, oversize, last_seq;
    int rc;
};

static void note(struct tally *tally, struct frame_reader *reader)
{
    assert(reader->payload->len <= LIMIT);
    assert(reader->is_oversize || reader->payload->len == reader->frame.size);
    tally->frames++;
    tally->kept += reader->payload->len;
    tally->oversize += reader->is_oversize;
    tally->last_seq = reader->frame.seq;
    buf_reset(reader->payload);
}

/* piece 0: everything at once. */
static struct tally read_all(struct str rest, size_t piece)
{
    struct tally tally = {.rc = 0};
    struct buf payload;
    buf_init(&payload, LIMIT);
    struct frame_reader reader = {.payload = &payload};
    while (rest.len > 0 && tally.rc >= 0) {
        size_t size = 0;
        char *room = piece == 0 ? NULL : frame_room(&reader, &size);
        if (room != NULL) {
            struct str part = str_head(str_head(rest, piece), size);
            memcpy(room, part.ptr, part.len);
            rest = str_skip(rest, part.len);
            tally.rc = (int) frame_fed(&reader, part.len);
        } else {
            struct str part = piece == 0 ? rest : str_head(rest, piece);
            size_t given = part.len;
            tally.rc = frame_feed(&reader, &part, NULL);
            rest = str_skip(rest, given - part.len);
        }
        if (tally.rc == FRAME_IS_WHOLE)
            note(&tally, &reader);
    }
    buf_done(&payload);
    return tally;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str bytes = str_of(data + 1, size - 1);
    struct tally whole = read_all(bytes, 0), cut = read_all(bytes, data[0] % 64 + 1);
    assert(whole.frames == cut.frames && whole.kept == cut.kept);
    assert(whole.oversize == cut.oversize && whole.last_seq == cut.last_seq);
    assert((whole.rc < 0) == (cut.rc < 0));
    return 0;
}
