#pragma once
/* The logs service on one thread with a database in memory and a clock that stands still; its
 * operations are called as the actor calls them. */
#include "test.h"

#include "base/mem.h"
#include "services/logs/logs_int.h"

struct place {
    struct clock_virtual clock;
    void *state;
    struct db *db;
    struct arena arena;
    struct op op; /* of the last call */
    const char *account, *region;
};

static struct place *here;

enum { NOW_S = 1795210800 };
#define NOW_MS (INT64_C(1000) * NOW_S)

static const struct service_op *op_find(const struct aws_operation *model)
{
    for (size_t i = 0; i < logs_room.op_count; i++) {
        if (logs_room.ops[i].model == model)
            return &logs_room.ops[i];
    }
    fail_msg("no such operation");
    return NULL;
}

/* 0, or OP_FAILED with here->op.fault. */
static int call(const struct aws_operation *model, const void *in, void *out)
{
    const struct service_op *def = op_find(model);
    if (out != NULL)
        memset(out, 0, model->output->size);
    here->op = (struct op){
        .caller = {.account = str_from(here->account), .region = str_from(here->region)},
        .request_id = STR("req-1"),
        .arena = &here->arena,
        .now_ms = clock_utc_ms(&here->clock.clock),
        .db = here->db,
        .state = here->state,
        .def = def,
    };
    if (def->is_read_only)
        return def->run(&here->op, in, out);
    assert_ok(db_begin(here->db, NULL));
    int rc = def->run(&here->op, in, out);
    if (rc < 0)
        db_rollback(here->db);
    else
        assert_ok(db_commit(here->db, NULL));
    return rc;
}

static int setup(void **state)
{
    (void) state;
    here = NEW(struct place);
    here->account = "000000000000";
    here->region = "us-east-1";
    clock_virtual_init(&here->clock, NOW_MS);
    arena_init(&here->arena, 64 << 20);
    const struct service_env env = {
        .data_dir = "/nowhere", .is_in_memory = true, .clock = &here->clock.clock};
    assert_ok(logs_room.open(&env, &here->state, &here->db, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    if (here->db != NULL)
        db_close(here->db);
    logs_room.close(here->state);
    arena_done(&here->arena);
    free(here);
    return 0;
}

#define CALL(operation, in, out)                                                                   \
    do {                                                                                           \
        if (call(&logs_op_##operation, in, out) < 0)                                               \
            fail_msg(#operation ": " STR_FMT ": " STR_FMT, STR_ARG(here->op.fault.error->name),    \
                     STR_ARG(here->op.fault.message));                                             \
    } while (0)

#define CALL_FAILS(operation, in, out, code_, text_)                                               \
    do {                                                                                           \
        assert_int_equal(call(&logs_op_##operation, in, out), OP_FAILED);                          \
        assert_str(here->op.fault.error->name, code_);                                             \
        assert_str(here->op.fault.message, text_);                                                 \
    } while (0)

#define REQUEST(name) &(const struct logs_##name##Request)

static inline void make_group(const char *name)
{
    CALL(CreateLogGroup, (REQUEST(CreateLogGroup){.logGroupName = str_from(name)}), NULL);
}

static inline void make_stream(const char *group, const char *stream)
{
    CALL(CreateLogStream,
         (REQUEST(CreateLogStream){.logGroupName = str_from(group),
                                   .logStreamName = str_from(stream)}),
         NULL);
}

static inline int put_some(const char *group, const char *stream, struct logs_InputLogEvent *events,
                           size_t count, struct logs_PutLogEventsResponse *out)
{
    for (size_t i = 0; i < count; i++)
        events[i].has_timestamp = true;
    return call(&logs_op_PutLogEvents,
                REQUEST(PutLogEvents){.logGroupName = str_from(group),
                                      .logStreamName = str_from(stream),
                                      .logEvents = {events, count}},
                out);
}

static inline void put(const char *group, const char *stream, int64_t at_ms, const char *message)
{
    struct logs_InputLogEvent event = {.timestamp = at_ms, .message = str_from(message)};
    struct logs_PutLogEventsResponse out;
    assert_ok(put_some(group, stream, &event, 1, &out));
}
