#pragma once
/* What the files of the extensions share: who they are, and the ways between them.
 *
 *   extensions.c           life, and what the instance asks
 *   extensions_start.c     the external ones and their output
 *   extensions_http.c      requests and answers
 *   extensions_register.c  registration
 *   extensions_events.c    INVOKE, SHUTDOWN, and the errors that they report
 *
 * thread: the home's loop. */
#include "data/hash.h"
#include "runtime/extensions.h"

enum { EXTENSIONS_MAX = 10, EXTENSION_NAME_MAX = 128, EXTENSION_EVENT_MAX = 8 * 1024 };
static_assert((int) EXTENSIONS_MAX == (int) SANDBOX_COMPANIONS_MAX, "all can be started");

enum extension_state {
    EXTENSION_STARTED,
    EXTENSION_REGISTERED,
    EXTENSION_READY,
    EXTENSION_RUNNING,
    EXTENSION_INIT_ERROR,
    EXTENSION_EXIT_ERROR,
    EXTENSION_LAUNCH_ERROR,
};

/* What the texts of AWS call them. */
extern const char *const extension_state_names[];

struct extension {
    char name[EXTENSION_NAME_MAX + 1];
    char id[UUID_TEXT_SIZE];
    enum extension_state state;
    bool is_external, wants_invoke, wants_shutdown;
    bool is_owed;             /* the last event has not reached it */
    struct exchange *waiting; /* its `next`, until answered */
};

struct extensions {
    struct extension items[EXTENSIONS_MAX];
    size_t count, external_count;
    bool is_closed; /* nobody can register any more */
    bool is_runtime_started;
    const char *error_type; /* the first that was reported, "Extension.InitError"; NULL: none */
    struct buf event;       /* JSON of the last event */
    int output_fd;          /* of the external ones, read end; -1 */
    struct watch *output_watch;
    struct lines lines;
};

/* Those of the instance; makes them if it has none. */
struct extensions *extensions_of(struct instance *inst);
/* When the last external one has registered comes the runtime. */
void extensions_start_runtime(struct instance *inst);
void extensions_output_done(struct instance *inst); /* the rest of a line, and the pipe */

/* Answers: 403 with AWS's object, 202. */
void extensions_refuse(struct exchange *x, const char *type, const char *message);
void extensions_refuse_request(struct exchange *x, const char *type, const char *message); /* 400 */
void extensions_refuse_state(struct exchange *x, const struct extension *ext, const char *to,
                             struct str who);
void extensions_accept(struct exchange *x);

/* Each answers x, at once or later. */
void extensions_on_register(struct instance *inst, struct exchange *x);
void extensions_on_next(struct instance *inst, struct exchange *x, struct extension *ext);
void extensions_on_error(struct instance *inst, struct exchange *x, struct extension *ext,
                         bool is_init);
