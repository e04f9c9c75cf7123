#pragma once
/* CBOR (RFC 8949): a pull reader over a byte view, and a writer into a buf. No tree is built. Text
 * must be UTF-8; depth is limited to CBOR_DEPTH_MAX. thread: the owner of the reader.
 *
 * Reader errors are sticky: cbor_next then returns CBOR_ERROR forever, r.error says why and
 * r.error_at where. */
#include "base/arena.h"
#include "base/buf.h"

enum { CBOR_DEPTH_MAX = 128 };

enum cbor_token {
    CBOR_ERROR,
    CBOR_END,      /* the one item is complete, nothing follows */
    CBOR_UINT,     /* r.number */
    CBOR_NEGATIVE, /* -1 - r.number */
    CBOR_BYTES,    /* r.text; strings that come in chunks are joined in the arena */
    CBOR_TEXT,     /* r.text, valid UTF-8 */
    CBOR_ARRAY_BEGIN,
    CBOR_ARRAY_END,
    CBOR_MAP_BEGIN, /* then keys and values in turn */
    CBOR_MAP_END,
    CBOR_TAG, /* r.number; the tagged item follows */
    CBOR_FALSE,
    CBOR_TRUE,
    CBOR_NULL,  /* or "undefined" */
    CBOR_FLOAT, /* r.real, from any of the three widths */
};

struct cbor_level {
    uint64_t left; /* items to come, keys and values counted each; CBOR_OPEN: until the break */
    bool is_map;
    bool is_odd; /* of a map without a count: a key waits for its value */
};

struct cbor_reader {
    struct str input; /* borrowed */
    size_t at;
    struct arena *arena; /* for strings in chunks; NULL: such strings are an error */
    uint64_t number;
    double real;
    struct str text;
    size_t token_at;   /* where the current token begins */
    const char *error; /* NULL or a literal */
    size_t error_at;
    unsigned depth;
    bool is_tagged; /* the next item belongs to a tag */
    bool is_done;   /* the outermost item is complete */
    struct cbor_level stack[CBOR_DEPTH_MAX];
};

void cbor_reader_init(struct cbor_reader *r, struct str input, struct arena *arena);
enum cbor_token cbor_next(struct cbor_reader *r);
/* Skips the item whose first token `tok` has just been read. False on a syntax error. */
bool cbor_skip(struct cbor_reader *r, enum cbor_token tok);

/* Writers: one item each, with the shortest head and a definite length. The caller counts. */
void cbor_put_u64(struct buf *out, uint64_t value);
void cbor_put_i64(struct buf *out, int64_t value);
void cbor_put_text(struct buf *out, struct str text); /* invalid bytes become U+FFFD */
void cbor_put_bytes(struct buf *out, struct str bytes);
void cbor_put_array(struct buf *out, size_t count); /* then so many items */
void cbor_put_map(struct buf *out, size_t count);   /* then so many keys and values */
void cbor_put_tag(struct buf *out, uint64_t tag);   /* then its item */
void cbor_put_bool(struct buf *out, bool value);
void cbor_put_null(struct buf *out);
void cbor_put_float(struct buf *out, float value);
void cbor_put_double(struct buf *out, double value);
