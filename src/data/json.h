#pragma once
/* JSON: a pull tokenizer over a byte view, and a writer into a buf. No tree is built; strings are
 * unescaped into an arena only when they hold escapes. RFC 8259; input must be UTF-8; depth is
 * limited to JSON_DEPTH_MAX. An escape of a lone surrogate ("\ud800"), which RFC 8259 allows and
 * JSON.stringify writes, has no UTF-8 form: the reader refuses it unless told to be lenient.
 * thread: the owner of the reader.
 *
 *     struct json_reader r;
 *     json_reader_init(&r, bytes, arena);
 *     while ((tok = json_next(&r)) != JSON_END) ...
 *
 * Reader errors are sticky: json_next then returns JSON_ERROR forever, r.error says why and
 * r.error_at where. */
#include "base/arena.h"
#include "base/buf.h"

enum { JSON_DEPTH_MAX = 128 };

enum json_token {
    JSON_ERROR,
    JSON_END, /* the document is complete, nothing but blanks follows */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* r.text */
    JSON_STRING, /* r.text, unescaped */
    JSON_NUMBER, /* r.text, as written */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader {
    struct str input; /* borrowed */
    size_t at;
    struct arena *arena; /* for unescaped strings; NULL: strings with escapes are an error */
    struct str text;     /* of the current key, string or number */
    size_t token_at;     /* where the current token begins */
    const char *error;   /* NULL or a literal */
    size_t error_at;
    unsigned depth;
    bool is_lenient;                         /* set after init: lone surrogates become U+FFFD */
    bool is_skipping;                        /* strings are checked, not unescaped */
    unsigned char expect;                    /* the tokenizer's state */
    unsigned char stack[JSON_DEPTH_MAX / 8]; /* one bit a level: 1 object, 0 array */
};

void json_reader_init(struct json_reader *r, struct str input, struct arena *arena);
enum json_token json_next(struct json_reader *r);

/* Skips the value whose first token `tok` has just been read (whole object or array); its raw text
 * goes to *out_raw when not NULL. Skipped strings are checked but not unescaped, so nothing is
 * taken from the arena for them. False on a syntax error. */
bool json_skip(struct json_reader *r, enum json_token tok, struct str *out_raw);

/* True when bytes are one valid JSON text, lone surrogates included. error_at may be NULL. */
bool json_is_valid(struct str bytes, size_t *out_error_at);

/* Writer: commas and colons are placed by itself. Misuse (a key outside an object) is asserted. */
enum { JSON_WRITER_DEPTH_MAX = 2 * JSON_DEPTH_MAX }; /* what was read may be wrapped */

struct json_writer {
    struct buf *out; /* borrowed */
    unsigned depth;
    bool needs_comma;
    bool has_key;                                   /* a key waits for its value */
    unsigned char stack[JSON_WRITER_DEPTH_MAX / 8]; /* one bit a level: 1 object, 0 array */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str value); /* UTF-8; invalid bytes become U+FFFD */
void json_i64(struct json_writer *w, int64_t value);
void json_u64(struct json_writer *w, uint64_t value);
/* Shortest text that reads back the same; NaN and infinities are written as strings, as AWS does.
 */
void json_double(struct json_writer *w, double value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct str json); /* one value, known to be valid */
