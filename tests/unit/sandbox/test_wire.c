#include "test.h"

#include "base/err.h"
#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

#include <errno.h>

static struct wire_request good(void)
{
    return (struct wire_request){.magic = WIRE_MAGIC,
                                 .kind = WIRE_SPAWN,
                                 .id = 1,
                                 .tmp_bytes = UINT64_C(512) << 20,
                                 .memory_mb = 128,
                                 .cpu_milli = 72,
                                 .pids_max = 1024,
                                 .has_code = 1,
                                 .layer_count = 2};
}

static void refuses(struct wire_request r, size_t size, unsigned fds, const char *field)
{
    struct err err;
    assert_int_equal(wire_request_check(&r, size, fds, &err), -EPROTO);
    assert_non_null(strstr(err.text, field));
}

static void good_requests_pass(void **state)
{
    (void) state;
    struct err err;
    struct wire_request r = good();
    assert_ok(wire_request_check(&r, sizeof r, 3, &err));
    r.has_code = 0;
    r.layer_count = 0;
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r.network = SANDBOX_NETWORK_RUNTIME_API;
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r = (struct wire_request){.magic = WIRE_MAGIC, .kind = WIRE_KILL, .id = UINT64_MAX};
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r.kind = WIRE_TERMINATE;
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r.kind = WIRE_SOCKET;
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r = (struct wire_request){
        .magic = WIRE_MAGIC, .kind = WIRE_LIMIT, .id = 1, .cpu_milli = WIRE_CPU_MILLI_MAX};
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
    r = (struct wire_request){.magic = WIRE_MAGIC, .kind = WIRE_SHRINK, .shells = 1};
    assert_ok(wire_request_check(&r, sizeof r, 0, &err));
}

static void limits_carry_nothing_else(void **state)
{
    (void) state;
    const struct wire_request good_limit = {
        .magic = WIRE_MAGIC, .kind = WIRE_LIMIT, .id = 1, .cpu_milli = 72};
    struct wire_request r = good_limit;
    refuses(r, sizeof r, 1, "descriptors");
    r.cpu_milli = 0;
    refuses(r, sizeof r, 0, "cpu_milli");
    r.cpu_milli = WIRE_CPU_MILLI_MAX + 1;
    refuses(r, sizeof r, 0, "cpu_milli");
    r = good_limit;
    r.network = 1;
    refuses(r, sizeof r, 0, "another kind");
    r = good_limit;
    r.tmp_bytes = 1;
    refuses(r, sizeof r, 0, "another kind");
    r = good_limit;
    r.kind = WIRE_KILL;
    refuses(r, sizeof r, 0, "another kind");
}

static void shells_are_nobodys_and_some(void **state)
{
    (void) state;
    struct wire_request r = {.magic = WIRE_MAGIC, .kind = WIRE_SHRINK};
    refuses(r, sizeof r, 0, "shells");
    r.shells = 1;
    r.id = 1;
    refuses(r, sizeof r, 0, "id");
    r.id = 0;
    r.memory_mb = 128;
    refuses(r, sizeof r, 0, "another kind");
}

#define REFUSES(change, field)                                                                     \
    do {                                                                                           \
        struct wire_request r = good();                                                            \
        change;                                                                                    \
        refuses(r, sizeof r, r.has_code + r.layer_count, field);                                   \
    } while (0)

static void every_field_is_checked(void **state)
{
    (void) state;
    REFUSES(r.magic++, "magic");
    REFUSES(r.kind = 0, "kind");
    REFUSES(r.kind = 4, "kind");
    REFUSES(r.id = 0, "id");
    REFUSES(r.shells = 1, "shells");
    REFUSES(r.memory_mb = 31, "memory_mb");
    REFUSES(r.memory_mb = 10241, "memory_mb");
    REFUSES(r.memory_mb = UINT32_MAX, "memory_mb");
    REFUSES(r.cpu_milli = 0, "cpu_milli");
    REFUSES(r.cpu_milli = 64001, "cpu_milli");
    REFUSES(r.pids_max = 0, "pids_max");
    REFUSES(r.pids_max = 32769, "pids_max");
    REFUSES(r.tmp_bytes = 0, "tmp_bytes");
    REFUSES(r.tmp_bytes = UINT64_MAX, "tmp_bytes");
    REFUSES(r.network = 3, "network");
    REFUSES(r.has_code = 2, "has_code");
    REFUSES(r.layer_count = 6, "layer_count");
    REFUSES(r.layer_count = UINT32_MAX, "layer_count");
}

static void sizes_and_descriptors_must_fit(void **state)
{
    (void) state;
    struct wire_request r = good();
    refuses(r, sizeof r - 1, 3, "size");
    refuses(r, sizeof r + 1, 3, "size");
    refuses(r, 0, 3, "size");
    refuses(r, sizeof r, 2, "descriptors");
    refuses(r, sizeof r, 4, "descriptors");
    r = (struct wire_request){.magic = WIRE_MAGIC, .kind = WIRE_KILL, .id = 1};
    refuses(r, sizeof r, 1, "descriptors");
    r.memory_mb = 128;
    refuses(r, sizeof r, 0, "another kind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_pass),
        cmocka_unit_test(every_field_is_checked),
        cmocka_unit_test(limits_carry_nothing_else),
        cmocka_unit_test(shells_are_nobodys_and_some),
        cmocka_unit_test(sizes_and_descriptors_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
