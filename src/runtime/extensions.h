#pragma once
/* Extensions of an instance: the Extensions API, and what the instance asks about them.
 * Room-internal. thread: the home's loop. */
#include "net/server.h"
#include "runtime/runtime_int.h"

enum { EXTENSIONS_INTERNAL_MS = 500, EXTENSIONS_EXTERNAL_MS = 2000 };

/* Puts a START block for each external extension into inst->out, and their output's descriptor into
 * inst->image_fd. errors: -E2BIG too many. */
CHECK_RESULT int extensions_start(struct instance *inst, struct err *err);

/* Is it a request of theirs? If so, extensions_answer answers it once its body is there. */
bool extensions_take(const struct http_head *head);
void extensions_answer(struct instance *inst, struct exchange *x);

/* All that there are wait for an event; also when there are none. */
bool extensions_are_ready(const struct instance *inst);
/* Init is over: no internal extension can come any more. */
void extensions_close(struct instance *inst);
/* INVOKE, to those that registered for it. */
void extensions_invoke(struct instance *inst, const struct invocation *inv);
/* SHUTDOWN, to those that registered for it; false: nobody did. */
bool extensions_say_goodbye(struct instance *inst, const char *reason, int64_t deadline_ms);
/* How long those that registered may take to end: 0 without, 500 internal only, 2000. */
unsigned extensions_patience_ms(const struct instance *inst);
/* What an extension has to do with the end that event tells of, with AWS's words; NULL: nothing. */
const struct verdict *extensions_verdict(const struct instance *inst,
                                         const struct sandbox_event *event, char *message,
                                         size_t size);
void extensions_report(struct instance *inst); /* their lines in the log */
void extensions_drain(struct instance *inst);  /* what they wrote, to the log now */
void extensions_listen(struct instance *inst); /* the log has room again, or none */
void extensions_free(struct instance *inst);
