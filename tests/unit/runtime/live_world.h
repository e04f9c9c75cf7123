#pragma once
/* A world of real sandboxes for the runtime's tests: a spawner for all of them, a runtime and a
 * loop for each. live_setup and live_teardown are the group's; what every test does is
 *
 *     runtime_up(instances_max, keep_alive_ms); run_call(&call, f, payload); … runtime_down(); */
#include "test.h"

#include "net/loop.h"
#include "runtime/runtime.h"
#include "sandbox/sandbox.h"

struct live {
    char dir[64], code[80];
    int code_fd;
    struct spawner *spawner;
    struct loop *loop;
    struct runtime *runtime;
    unsigned waiting; /* calls that have not ended */
    struct timer patience;
    size_t fds_before;
};

struct call {
    struct invocation inv; /* first */
    struct live *live;
    struct task task;
    struct function_spec *spec;
    struct buf answer, tail;
    bool is_done;
};

extern struct live live;

int live_setup(void **state);
int live_teardown(void **state);
/* Turns the loop until loop_stop; a minute at most. */
void run_loop(void);
void runtime_up_with_init_limit(unsigned instances_max, int64_t keep_alive_ms,
                                int64_t init_limit_ms);
void runtime_up(unsigned instances_max, int64_t keep_alive_ms);
void stop_loop(struct task *task);
void runtime_down(void);
/* app.py, node.js and the others of live_setup; the caller gives its reference back. */
struct function_spec *live_function(const char *handler, uint32_t timeout_ms);
struct function_spec *live_node_function(const char *handler, uint32_t timeout_ms);
/* Begins a call; the loop stops when all have ended. To be freed by call_free. */
void call_post(struct call *call, struct function_spec *spec, struct str payload);
void call_free(struct call *call);
/* One call to its end. */
void run_call(struct call *call, struct function_spec *spec, const char *payload);
void assert_has(const struct buf *text, const char *needle);
/* Turns the loop until no instance is left. */
void wait_for_none(void);
/* From outside, with the sandboxes on the shelf; waits for their ends. */
void kill_instances(void);
size_t count_fds(void);
