/* A state machine over bytes:
 *
 *     SIZE ──line──> DATA ──n bytes──> DATA_END ──CRLF──> SIZE
 *       └─ size 0 ─> TRAILER ──lines until an empty one──> DONE
 *
 * Lines are collected in a small buffer; data is handed out without a copy. Each signed chunk's
 * signature covers the one before it, starting from the request's own:
 *
 *     HMAC(key, "AWS4-HMAC-SHA256-PAYLOAD" \n time \n scope \n previous \n sha256("") \n
 * sha256(data)) HMAC(key, "AWS4-HMAC-SHA256-TRAILER" \n time \n scope \n previous \n sha256(trailer
 * lines))
 */
#include "aws/chunked.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/hash.h"

enum { LINE_MAX_BYTES = 1024, TRAILERS_MAX = 8 * 1024 };

enum state { STATE_SIZE, STATE_DATA, STATE_DATA_END, STATE_TRAILER, STATE_DONE };

struct awschunk {
    enum state state;
    enum awschunk_fault fault; /* sticky */
    bool is_signed, has_trailer;

    uint64_t left;    /* bytes of the current chunk still to come */
    uint64_t decoded; /* bytes handed out */
    uint64_t announced;
    struct buf line;
    struct buf trailers; /* "name:value\n" of every trailer but the signature */
    char claimed[65];    /* signature of the current chunk, or of the trailer */

    bool is_checked; /* signatures are verified */
    unsigned char key[SIGV4_KEY_SIZE];
    struct buf context; /* time \n scope \n */
    char previous[SIGV4_SIGNATURE_SIZE];
    struct hasher *hasher; /* of the current chunk; owned */

    struct checksum checksum; /* of the whole, when a trailer announced one */
    char computed[CHECKSUM_TEXT_MAX + 1];
    bool has_checksum;
};

static bool form_read(struct awschunk *c, struct str form)
{
    static const struct {
        struct str name;
        bool is_signed, has_trailer;
    } forms[] = {
        {STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), true, false},
        {STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), true, true},
        {STR_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (str_eq(form, forms[i].name)) {
            c->is_signed = forms[i].is_signed;
            c->has_trailer = forms[i].has_trailer;
            return true;
        }
    return false;
}

enum awschunk_fault awschunk_new(const struct awschunk_config *config, struct awschunk **out_chunk)
{
    struct awschunk form = {0};
    if (!form_read(&form, config->payload_hash))
        return AWSCHUNK_UNKNOWN_FORM;
    enum checksum_kind kind = CHECKSUM_NONE;
    if (config->trailer.ptr != NULL) {
        kind = checksum_of_header(str_trim(config->trailer));
        if (kind == CHECKSUM_NONE || !form.has_trailer)
            return AWSCHUNK_BAD_TRAILER;
    }
    struct awschunk *c = NEW(struct awschunk);
    c->is_signed = form.is_signed;
    c->has_trailer = form.has_trailer;
    c->announced = config->decoded_length;
    c->is_checked = form.is_signed && config->key != NULL;
    buf_init(&c->line, LINE_MAX_BYTES);
    buf_init(&c->trailers, TRAILERS_MAX);
    buf_init(&c->context, LINE_MAX_BYTES);
    checksum_init(&c->checksum, kind);
    if (c->is_checked) {
        memcpy(c->key, config->key, sizeof c->key);
        buf_printf(&c->context, STR_FMT "\n" STR_FMT "\n", STR_ARG(config->sig->timestamp),
                   STR_ARG(config->sig->scope));
        struct str first = str_head(config->sig->signature, SIGV4_SIGNATURE_SIZE - 1);
        memcpy(c->previous, first.ptr, first.len);
        c->hasher = hasher_new(HASH_SHA256);
    }
    *out_chunk = c;
    return AWSCHUNK_OK;
}

void awschunk_free(struct awschunk *c)
{
    if (c == NULL)
        return;
    buf_done(&c->line);
    buf_done(&c->trailers);
    buf_done(&c->context);
    hasher_free(c->hasher);
    checksum_done(&c->checksum);
    explicit_bzero(c->key, sizeof c->key);
    free(c);
}

bool awschunk_is_done(const struct awschunk *c)
{
    return c->state == STATE_DONE && c->fault == AWSCHUNK_OK;
}

struct str awschunk_checksum(const struct awschunk *c, enum checksum_kind *out_kind)
{
    *out_kind = c->has_checksum ? c->checksum.kind : CHECKSUM_NONE;
    return c->has_checksum ? str_from(c->computed) : STR_NONE;
}

/* Collects up to and including CRLF. True when *out_line (without CRLF) is complete. */
static bool line_take(struct awschunk *c, struct str input, size_t *used, struct str *out_line)
{
    size_t at = str_find(input, '\n');
    bool is_whole = at < input.len;
    buf_put(&c->line, str_head(input, is_whole ? at + 1 : at));
    *used = is_whole ? at + 1 : at;
    if (buf_is_over(&c->line)) {
        c->fault = AWSCHUNK_MALFORMED;
        return false;
    }
    if (!is_whole)
        return false;
    struct str line = buf_str(&c->line);
    if (!str_ends(line, STR("\r\n"))) {
        c->fault = AWSCHUNK_MALFORMED;
        return false;
    }
    *out_line = str_head(line, line.len - 2);
    return true;
}

/* Compares the claimed signature with that of label and the two lines below context; it becomes the
 * previous one of the next. */
static void signature_check(struct awschunk *c, const char *label, bool has_empty_hash,
                            const unsigned char hash[SHA256_SIZE])
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    char hex[2 * SHA256_SIZE + 1], signature[SIGV4_SIGNATURE_SIZE];
    hex_encode(hash, SHA256_SIZE, hex);
    AUTO_BUF struct buf text;
    buf_init(&text, 4 * LINE_MAX_BYTES);
    buf_printf(&text, "%s\n" STR_FMT "%s\n%s%s%s", label, STR_ARG(buf_str(&c->context)),
               c->previous, has_empty_hash ? empty : "", has_empty_hash ? "\n" : "", hex);
    unsigned char mac[SHA256_SIZE];
    hash_hmac_sha256(str_of(c->key, sizeof c->key), buf_str(&text), mac);
    hex_encode(mac, sizeof mac, signature);
    if (!str_eq_secret(str_from(c->claimed), str_from(signature)))
        c->fault = AWSCHUNK_SIGNATURE;
    memcpy(c->previous, signature, sizeof c->previous);
}

static void chunk_check(struct awschunk *c)
{
    if (!c->is_checked)
        return;
    unsigned char hash[SHA256_SIZE];
    (void) hasher_end(c->hasher, hash); /* the size is known */
    signature_check(c, "AWS4-HMAC-SHA256-PAYLOAD", true, hash);
}

/* "1f4;chunk-signature=…". */
static void size_line(struct awschunk *c, struct str line)
{
    struct str rest = line, digits, extension;
    (void) str_split(&rest, ';', &digits); /* a line has at least one part */
    extension = rest;
    uint64_t size = 0;
    bool is_bad = digits.len == 0 || digits.len > 15;
    for (size_t i = 0; i < digits.len && !is_bad; i++) {
        int digit = hex_digit(digits.ptr[i]);
        is_bad = digit < 0;
        size = size * 16 + (uint64_t) (digit < 0 ? 0 : digit);
    }
    struct str prefix = STR("chunk-signature=");
    if (c->is_signed) {
        is_bad = is_bad || extension.ptr == NULL || !str_starts(extension, prefix) ||
                 extension.len != prefix.len + 64;
        if (!is_bad)
            memcpy(c->claimed, extension.ptr + prefix.len, 64);
    }
    if (is_bad) {
        c->fault = AWSCHUNK_MALFORMED;
        return;
    }
    if (size > c->announced - c->decoded) {
        c->fault = AWSCHUNK_TOO_LARGE;
        return;
    }
    c->left = size;
    c->state = size > 0 ? STATE_DATA : STATE_TRAILER;
    if (size == 0)
        chunk_check(c);
}

static void trailers_end(struct awschunk *c)
{
    c->state = STATE_DONE;
    if (c->decoded != c->announced) {
        c->fault = AWSCHUNK_TOO_SMALL;
        return;
    }
    if (c->is_signed && c->has_trailer && c->is_checked) {
        unsigned char hash[SHA256_SIZE];
        hash_sha256(buf_str(&c->trailers), hash);
        signature_check(c, "AWS4-HMAC-SHA256-TRAILER", false, hash);
    }
    if (c->checksum.kind != CHECKSUM_NONE && !c->has_checksum && c->fault == AWSCHUNK_OK)
        c->fault = AWSCHUNK_BAD_TRAILER; /* announced, and did not come */
}

static void trailer_line(struct awschunk *c, struct str line)
{
    if (line.len == 0) {
        trailers_end(c);
        return;
    }
    size_t colon = str_find(line, ':');
    struct str name = str_head(line, colon), value = str_trim(str_skip(line, colon + 1));
    if (!c->has_trailer || colon == line.len) {
        c->fault = AWSCHUNK_BAD_TRAILER;
        return;
    }
    if (str_eq_nocase(name, STR("x-amz-trailer-signature"))) {
        if (value.len != 64)
            c->fault = AWSCHUNK_BAD_TRAILER;
        else
            memcpy(c->claimed, value.ptr, 64);
        return;
    }
    buf_printf(&c->trailers, STR_FMT ":" STR_FMT "\n", STR_ARG(name), STR_ARG(value));
    enum checksum_kind kind = checksum_of_header(name);
    if (kind == CHECKSUM_NONE || kind != c->checksum.kind || c->has_checksum ||
        buf_is_over(&c->trailers)) {
        c->fault = AWSCHUNK_BAD_TRAILER; /* not the one that was announced */
        return;
    }
    checksum_end(&c->checksum, c->computed);
    c->has_checksum = true;
    if (!str_eq(value, str_from(c->computed)))
        c->fault = AWSCHUNK_BAD_DIGEST;
}

static void line_state(struct awschunk *c, struct str input, size_t *out_used)
{
    struct str line;
    if (!line_take(c, input, out_used, &line))
        return;
    switch (c->state) {
    case STATE_SIZE: size_line(c, line); break;
    case STATE_DATA_END:
        if (line.len != 0) {
            c->fault = AWSCHUNK_MALFORMED;
            break;
        }
        c->state = STATE_SIZE;
        chunk_check(c);
        break;
    case STATE_TRAILER: trailer_line(c, line); break;
    case STATE_DATA:
    case STATE_DONE: assert(false); break;
    }
    buf_reset(&c->line);
}

enum awschunk_fault awschunk_next(struct awschunk *c, struct str input, size_t *out_used,
                                  struct str *out_data)
{
    *out_used = 0;
    *out_data = str_head(input, 0);
    if (c->fault != AWSCHUNK_OK)
        return c->fault;
    if (c->state == STATE_DONE) {
        if (input.len > 0)
            c->fault = AWSCHUNK_MALFORMED;
        return c->fault;
    }
    if (c->state != STATE_DATA) {
        line_state(c, input, out_used);
        return c->fault;
    }
    *out_data = str_head(input, c->left < input.len ? (size_t) c->left : input.len);
    *out_used = out_data->len;
    c->left -= out_data->len;
    c->decoded += out_data->len;
    if (c->is_checked)
        hasher_add(c->hasher, *out_data);
    checksum_add(&c->checksum, *out_data);
    if (c->left == 0)
        c->state = STATE_DATA_END;
    return AWSCHUNK_OK;
}
