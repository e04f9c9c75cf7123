#pragma once
/* A real server on a loop thread, and blocking clients on the test's. Time is virtual: a test that
 * wants a time-out moves the clock until the event is there. */
#include "test.h"

#include "net/server.h"
#include "os/thread.h"

enum { HELD_MAX = 8 };

struct rig {
    struct clock_virtual clock; /* the loop's */
    struct loop *loop;
    struct server *server;
    pthread_t thread;
    uint16_t port;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t changed;
    struct exchange *held[HELD_MAX]; /* of /hold, oldest first */
    size_t held_count;
    int gone, drained;
};

/* Handlers get the rig as their argument. */
void rig_start(struct rig *rig, const struct server_limits *limits,
               const struct server_handler *fns);
void rig_stop(struct rig *rig);
void rig_wait(struct rig *rig, const int *value, int at_least);

/* For handlers: keeps the exchange for the test; counts one that is gone. */
void rig_hold(struct rig *rig, struct exchange *x);
struct exchange *rig_wait_held(struct rig *rig, size_t index);
void rig_count_gone(void *user);

/* Runs fn on the loop's thread and waits for it. */
struct errand {
    struct task task;
    void (*fn)(struct errand *errand);
    struct rig *rig;
    int64_t number;
    struct exchange *x;
    int is_done;
};
void rig_do(struct rig *rig, void (*fn)(struct errand *errand), int64_t number, struct exchange *x);
void rig_advance(struct errand *errand); /* number: seconds */
void rig_drain(struct errand *errand);   /* number: the time-out in ms */

/* A client of HTTP/1.1. */
struct client {
    int fd;
    struct buf in;
    struct http_head head;
    struct str body;
    size_t used; /* of in, by the last answer */
};

void client_open(struct client *c, const struct rig *rig);
void client_close(struct client *c);
void client_send(struct client *c, struct str bytes);
ssize_t client_receive(struct client *c);           /* adds to c->in */
int client_answer(struct client *c, bool has_body); /* reads one whole answer: its status */
void client_expect(struct client *c, int status, const char *body);
void client_expect_end(struct client *c);
/* Moves time until the client has something to read (an answer or the end). */
void advance_until_readable(struct rig *rig, struct client *c, int64_t seconds);

#define REQUEST(method, path, rest) method " " path " HTTP/1.1\r\nHost: a\r\n" rest
