/* Growing buffers, and the two system calls of a socket until all bytes have gone or come. */
#include "lambda_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    INPUT_SIZE = 64 * 1024,
    BYTES_MIN = 4096,
    BYTES_KEPT = 256 * 1024, /* more is given back after the call */
};

char *bytes_room(struct bytes *bytes, size_t size)
{
    if (size > bytes->size - bytes->len) {
        size_t wanted = bytes->size < BYTES_MIN ? BYTES_MIN : bytes->size;
        while (wanted - bytes->len < size)
            wanted = wanted > SIZE_MAX / 4 ? SIZE_MAX : wanted * 2;
        char *ptr = realloc(bytes->ptr, wanted);
        if (ptr == NULL)
            lambda_die("no memory for %zu bytes", wanted);
        bytes->ptr = ptr;
        bytes->size = wanted;
    }
    return bytes->ptr + bytes->len;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(bytes_room(bytes, size), data, size);
    bytes->len += size;
}

void bytes_vprintf(struct bytes *bytes, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    char *at = bytes_room(bytes, 256);
    int n = vsnprintf(at, bytes->size - bytes->len, format, values);
    if (n >= 0 && (size_t) n >= bytes->size - bytes->len) {
        at = bytes_room(bytes, (size_t) n + 1);
        n = vsnprintf(at, bytes->size - bytes->len, format, again);
    }
    va_end(again);
    if (n < 0)
        lambda_die("bad format '%s'", format);
    bytes->len += (size_t) n;
}

void bytes_printf(struct bytes *bytes, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    bytes_vprintf(bytes, format, values);
    va_end(values);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

void bytes_put_json(struct bytes *bytes, const char *text, size_t size)
{
    bytes_put(bytes, "\"", 1);
    for (size_t at = 0; at < size;) {
        size_t plain = 0;
        while (at + plain < size && is_plain((unsigned char) text[at + plain]))
            plain++;
        bytes_put(bytes, text + at, plain);
        at += plain;
        if (at == size)
            break;
        char c = text[at++];
        if (c == '"' || c == '\\')
            bytes_printf(bytes, "\\%c", c);
        else if (c == '\n')
            bytes_put(bytes, "\\n", 2);
        else
            bytes_printf(bytes, "\\u%04x", (unsigned) c);
    }
    bytes_put(bytes, "\"", 1);
}

void bytes_reset(struct bytes *bytes)
{
    bytes->len = 0;
    if (bytes->size <= BYTES_KEPT)
        return;
    free(bytes->ptr);
    *bytes = (struct bytes){.ptr = NULL};
}

/* ---- sockets ---- */

bool socket_send(int fd, struct iovec *parts, size_t count)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        size_t sent = (size_t) n;
        while (count > 0 && sent >= parts->iov_len) {
            sent -= parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *) parts->iov_base + sent;
            parts->iov_len -= sent;
        }
    }
    return true;
}

bool socket_fill(int fd, struct bytes *input, size_t size)
{
    while (input->len < size) {
        size_t room = size - input->len > INPUT_SIZE ? size - input->len : INPUT_SIZE;
        char *at = bytes_room(input, room + 1);
        ssize_t n = recv(fd, at, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        input->len += (size_t) n;
    }
    return true;
}
