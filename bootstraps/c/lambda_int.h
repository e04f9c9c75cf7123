#pragma once
/* What the files of the library share: the invocation behind its public half, growing buffers, and
 * the two ways to the platform. */
#include "virga_lambda.h"

#include <stdarg.h>
#include <stdbool.h>
#include <sys/uio.h>

/* Bytes that grow. Without memory the process ends. */
struct bytes {
    char *ptr; /* owned */
    size_t len, size;
};

/* At least `size` bytes behind len. */
char *bytes_room(struct bytes *bytes, size_t size);
void bytes_put(struct bytes *bytes, const void *data, size_t size);
LAMBDA_PRINTF(2, 3) void bytes_printf(struct bytes *bytes, const char *format, ...);
LAMBDA_PRINTF(2, 0) void bytes_vprintf(struct bytes *bytes, const char *format, va_list values);
void bytes_put_json(struct bytes *bytes, const char *text, size_t size);
/* Empties it; memory that a large payload took goes back. */
void bytes_reset(struct bytes *bytes);

/* Sends everything; changes the parts. false: the connection is broken. */
bool socket_send(int fd, struct iovec *parts, size_t count);
/* Receives until at least size bytes are there; there is room for one byte more than has come.
 * false: the connection has ended. */
bool socket_fill(int fd, struct bytes *input, size_t size);

/* Ends the process, which is of no use any more. */
LAMBDA_NORETURN LAMBDA_PRINTF(1, 2) void lambda_die(const char *format, ...);

struct lambda_link;

/* A call as the platform and the library see it. */
struct lambda_state {
    struct lambda_call call; /* first */
    const struct lambda_link *link;
    struct bytes answer; /* or the pieces of a stream until they are sent */
    struct bytes error;  /* the error object; empty: none */
    char error_type[128];
    bool is_streaming;
};

/* One way to the platform. Each function ends the process when the platform is lost; next tells the
 * orderly end by returning false. */
struct lambda_link {
    void (*ready)(void); /* init is over */
    bool (*next)(struct lambda_state *state);
    void (*answer)(struct lambda_state *state, const char *body, size_t size);
    void (*fail)(struct lambda_state *state);
    void (*stream_begin)(struct lambda_state *state, const char *content_type);
    void (*stream_write)(struct lambda_state *state, const char *body, size_t size);
    void (*stream_end)(struct lambda_state *state);
    void (*stream_fail)(struct lambda_state *state);
    void (*init_fail)(struct lambda_state *state);
};

/* Uses fd, which is the process's for good. */
const struct lambda_link *frames_open(int fd);
/* address: "127.0.0.1:9001". */
const struct lambda_link *http_open(const char *address);
