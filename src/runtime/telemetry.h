#pragma once
/* The Telemetry API and the Logs API of one instance: who of its extensions gets what happens to
 * it, and the deliveries. Room-internal. thread: the home's loop. */
#include "net/server.h"
#include "runtime/report_facts.h"
#include "runtime/telemetry_request.h"

struct extension;
struct instance;
struct sandbox_event;

/* Init begins: from here on events are kept for whoever subscribes during it. */
void telemetry_begin(struct instance *inst);
/* It is over: nobody can subscribe any more. */
void telemetry_close(struct instance *inst);
void telemetry_free(struct instance *inst);

/* Answers a subscription; its body is there. */
void telemetry_subscribe(struct instance *inst, struct exchange *x, const struct extension *ext,
                         enum telemetry_api api);

/* Bits of telemetry_schema: what somebody may want events of this type in; 0: nobody does. */
unsigned telemetry_wants(const struct instance *inst, enum telemetry_type type);
/* One event, JSON without a newline, to those that understand one of these schemas. */
void telemetry_put(struct instance *inst, enum telemetry_type type, unsigned schemas,
                   struct str event);
/* A line that the function or an extension wrote, with its newline. */
void telemetry_line(struct instance *inst, enum telemetry_type type, int64_t at_ms,
                    struct str line);

/* An invocation has been answered or ended: runtimeDone and report, now or when the runtime asks
 * for the next one. */
void telemetry_done(struct instance *inst, const struct report_facts *facts);
/* The runtime asks for work: init, or the invocation before, is done with. */
void telemetry_asked(struct instance *inst);

/* Nothing of the instance runs, or everything again: deliveries stand still meanwhile. */
void telemetry_freeze(struct instance *inst);
void telemetry_thaw(struct instance *inst);
/* From now on everything goes at once; shutdown_flushed tells that all of it has. */
void telemetry_flush(struct instance *inst);
bool telemetry_is_busy(const struct instance *inst); /* there is something to deliver */
/* The socket that was asked for. Takes event->socket_fd. */
void telemetry_socket(struct instance *inst, const struct sandbox_event *event);
