#include "test.h"

#include "core/actor.h"
#include "core/registry.h"
#include "fake_db.h"

#include <errno.h>

/* Two services that sign alike, as DynamoDB and its streams do; one keeps a database. */

static const struct aws_operation put_model = {.name = STR_INIT("Put")};
static const struct aws_operation get_model = {.name = STR_INIT("Get")};
static const struct aws_operation *const table_models[] = {&put_model, &get_model};
static const struct aws_service table_model = {
    .id = STR_INIT("table"),
    .signing_name = STR_INIT("tables"),
    .endpoint_prefix = STR_INIT("table"),
    .target_prefix = STR_INIT("Table_2020"),
    .operations = table_models,
    .operation_count = 2,
};
static const struct aws_operation read_model = {.name = STR_INIT("Read")};
static const struct aws_operation *const stream_models[] = {&read_model};
static const struct aws_service stream_model = {
    .id = STR_INIT("stream"),
    .signing_name = STR_INIT("tables"),
    .endpoint_prefix = STR_INIT("stream.table"),
    .operations = stream_models,
    .operation_count = 1,
};

static int run_nothing(struct op *op, const void *in, void *out)
{
    (void) op, (void) in, (void) out;
    return 0;
}

static void start_nothing(struct op *op, const void *in, void *out)
{
    (void) op, (void) in, (void) out;
}

static struct db *db;
static int table_state, closed;

static int table_open(const struct service_env *env, void **out_state, struct db **out_db,
                      struct err *err)
{
    if (env->is_in_memory)
        return err_say(err, -EINVAL, "this one wants a disk");
    db = fake_db_new();
    *out_state = &table_state;
    *out_db = db;
    return 0;
}

static int stream_open(const struct service_env *env, void **out_state, struct db **out_db,
                       struct err *err)
{
    (void) env, (void) out_state, (void) out_db, (void) err;
    return 0;
}

static void table_close(void *state)
{
    assert_ptr_equal(state, &table_state);
    closed++;
}

static const struct service_op table_ops[] = {{.model = &get_model, .run = run_nothing},
                                              {.model = &put_model, .run = run_nothing}};
static const struct service table = {&table_model, table_ops, 2, table_open, table_close};
static const struct service_op stream_ops[] = {{.model = &read_model, .start = start_nothing}};
static const struct service stream = {&stream_model, stream_ops, 1, stream_open, NULL};

/* Nothing is posted to it. */
static struct exec idle;

static void services_are_found_by_what_requests_show(void **state)
{
    (void) state;
    struct registry *registry = registry_new();
    const struct service_env env = {0};
    assert_ok(registry_open(registry, &table, &env, &idle, NULL));
    assert_ok(registry_open(registry, &stream, &env, &idle, NULL));
    assert_int_equal(registry_len(registry), 2);

    const struct installed *first = registry_by_signing(registry, STR("tables"), NULL);
    assert_ptr_equal(first->service, &table);
    assert_ptr_equal(first->state, &table_state);
    assert_non_null(first->actor);
    const struct installed *second = registry_by_signing(registry, STR("tables"), first);
    assert_ptr_equal(second->service, &stream);
    assert_null(second->actor);
    assert_null(registry_by_signing(registry, STR("tables"), second));
    assert_null(registry_by_signing(registry, STR("table"), NULL));

    assert_ptr_equal(registry_by_target(registry, STR("Table_2020")), first);
    assert_null(registry_by_target(registry, STR("")));
    assert_ptr_equal(registry_by_endpoint(registry, STR("stream.table")), second);
    assert_ptr_equal(installed_op(first, &put_model), &table_ops[1]);
    assert_ptr_equal(installed_op(second, &read_model), &stream_ops[0]);

    registry_stop(registry);
    registry_free(registry);
    assert_int_equal(closed, 1);
    fake_db_free(db);
}

static void a_service_that_does_not_open_leaves_nothing(void **state)
{
    (void) state;
    struct registry *registry = registry_new();
    const struct service_env env = {.is_in_memory = true};
    struct err err = {0};
    assert_int_equal(registry_open(registry, &table, &env, &idle, &err), -EINVAL);
    assert_str(str_from(err.text), "open service table: this one wants a disk");
    assert_int_equal(registry_len(registry), 0);
    registry_stop(registry);
    registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_found_by_what_requests_show),
        cmocka_unit_test(a_service_that_does_not_open_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
