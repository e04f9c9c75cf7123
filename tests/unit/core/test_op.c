#include "test.h"

#include "core/op.h"

#include <errno.h>

static const struct aws_error not_found = {.name = STR_INIT("NotFound"), .status = 404};
static const struct aws_error broken = {.name = STR_INIT("ServiceException"), .status = 500};
static const struct aws_error slow = {.name = STR_INIT("TooManyRequestsException"), .status = 429};
static const struct aws_error throttled = {.name = STR_INIT("RequestThrottled"), .status = 400};
static const struct aws_error *const rest_errors[] = {&not_found, &broken, &slow};
static const struct aws_error *const query_errors[] = {&not_found, &throttled};
static const struct aws_operation rest = {
    .name = STR_INIT("Do"), .errors = rest_errors, .error_count = 3};
static const struct aws_operation query = {
    .name = STR_INIT("Do"), .errors = query_errors, .error_count = 2};

static void our_troubles_get_the_service_s_own_names(void **state)
{
    (void) state;
    assert_ptr_equal(op_error_internal(&rest), &broken);
    assert_ptr_equal(op_error_throttling(&rest), &slow);
    assert_ptr_equal(op_error_too_large(&rest), &aws_error_request_too_large);
    assert_ptr_equal(op_error_internal(&query), &aws_error_internal);
    assert_ptr_equal(op_error_throttling(&query), &throttled);
    assert_ptr_equal(op_error_throttling(NULL), &aws_error_throttling);
}

static void failing_sets_the_fault(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct op op = {.arena = &arena};
    assert_int_equal(svc_fail(&op, &not_found, "Function not found: %s", "f"), OP_FAILED);
    assert_ptr_equal(op.fault.error, &not_found);
    assert_str(op.fault.message, "Function not found: f");
}

static void an_exhausted_arena_costs_the_message_only(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16);
    struct op op = {.arena = &arena};
    assert_int_equal(svc_fail(&op, &not_found, "%0100d", 7), OP_FAILED);
    assert_ptr_equal(op.fault.error, &not_found);
    assert_str(op.fault.message, "");
}

static void internal_errors_never_reach_the_client(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    const struct service_op def = {.model = &rest};
    struct op op = {.arena = &arena, .def = &def, .request_id = STR("id")};
    const struct err secret = {-EIO, "open '/var/lib/virga/secret'"};
    assert_int_equal(svc_fail_internal(&op, &secret), OP_FAILED);
    assert_ptr_equal(op.fault.error, &broken);
    assert_true(str_find_str(op.fault.message, STR("secret")) == op.fault.message.len);
    const struct err full = {-ENOSPC, "write"};
    assert_int_equal(svc_fail_internal(&op, &full), OP_FAILED);
    assert_true(str_find_str(op.fault.message, STR("no space")) < op.fault.message.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_troubles_get_the_service_s_own_names),
        cmocka_unit_test(failing_sets_the_fault),
        cmocka_unit_test(an_exhausted_arena_costs_the_message_only),
        cmocka_unit_test(internal_errors_never_reach_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
