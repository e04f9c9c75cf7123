#pragma once
/* Tables of asynchronous invocation: events that wait or run, and how functions want them treated.
 * thread: the actor's. errors: -ENOENT no such row, others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;

struct event_row {
    int64_t seq;                      /* the key, in the order of acceptance */
    struct str account, region, name; /* of the function */
    struct str request_id, invoked_arn;
    struct str client_context; /* JSON; ptr NULL: none */
    struct str trace_id;       /* ptr NULL: accepted before there were any */
    struct str payload;
    int64_t accepted_at_ms, due_at_ms;
    int32_t attempts;  /* that ended in the function's error */
    int32_t throttles; /* attempts that never reached the function */
};

struct event_config {
    bool has_retries_max, has_age_max;
    int32_t retries_max, age_max_s;
    int64_t modified_at_ms;
};

CHECK_RESULT int event_db_insert(struct db *db, const struct event_row *row, struct err *err);
/* The row with its strings in the arena. */
CHECK_RESULT int event_db_find(struct db *db, struct arena *arena, int64_t seq,
                               struct event_row *out_row, struct err *err);
/* 1, or 0 when the row is gone already. */
CHECK_RESULT int event_db_delete(struct db *db, int64_t seq, struct err *err);
CHECK_RESULT int event_db_postpone(struct db *db, const struct event_row *row, struct err *err);

/* One event of the function's queue, without its strings. */
struct event_due {
    int64_t seq, due_at_ms;
};
/* The function's next events by due time, at most due_max of them; returns their number. */
CHECK_RESULT int event_db_next(struct db *db, struct str account, struct str region,
                               struct str name, size_t due_max, struct event_due *due,
                               struct err *err);
/* Calls fn for every function that has events. */
CHECK_RESULT int event_db_each_function(struct db *db,
                                        void (*fn)(void *arg, struct str account, struct str region,
                                                   struct str name),
                                        void *arg, struct err *err);
/* The highest seq (0: none) and the bytes of all payloads. */
CHECK_RESULT int event_db_totals(struct db *db, int64_t *out_seq, int64_t *out_bytes,
                                 struct err *err);

/* Whose configuration: each qualifier has its own, and none is another's. */
struct event_config_key {
    struct str account, region, name;
    struct str qualifier; /* "$LATEST", a number or an alias */
};
struct event_config_row {
    struct str qualifier;
    struct event_config config;
};
CHECK_RESULT int event_config_find(struct db *db, const struct event_config_key *key,
                                   struct event_config *out, struct err *err);
/* Those of the function with qualifiers > after's (empty: from the first); returns their number. */
CHECK_RESULT int event_config_list(struct db *db, struct arena *arena,
                                   const struct event_config_key *after, size_t rows_max,
                                   struct event_config_row *rows, struct err *err);
CHECK_RESULT int event_config_put(struct db *db, const struct event_config_key *key,
                                  const struct event_config *config, struct err *err);
CHECK_RESULT int event_config_delete(struct db *db, const struct event_config_key *key,
                                     struct err *err);

/* All of it, when the function goes. out_bytes: of the payloads. */
CHECK_RESULT int event_db_forget(struct db *db, struct str account, struct str region,
                                 struct str name, int64_t *out_bytes, struct err *err);
