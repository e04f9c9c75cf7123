#include "test.h"

#include "data/trace_id.h"

#define ROOT "1-5759e988-bd862e3fe1be46a994272793"
#define OURS "Root=1-00000064-0123456789ab0def89ab0123;Parent=89ab0123456789ab;Sampled=0"

static const char *made(const char *given)
{
    static char out[TRACE_ID_SIZE];
    struct str text = trace_id_make(out, given == NULL ? STR_NONE : str_from(given),
                                    STR("01234567-89ab-0def-89ab-0123456789ab"), 100 * 1000);
    assert_int_equal(text.len, strlen(out));
    return out;
}

static void a_caller_is_followed(void **state)
{
    (void) state;
    static const char sampled[] = "Root=" ROOT ";Parent=89ab0123456789ab;Sampled=1",
                      unsampled[] = "Root=" ROOT ";Parent=89ab0123456789ab;Sampled=0";
    assert_string_equal(made("Root=" ROOT ";Parent=53995c3f42cd8ad8;Sampled=1"), sampled);
    assert_string_equal(made("Root=" ROOT ";Parent=53995c3f42cd8ad8;Sampled=0"), unsampled);
    assert_string_equal(made("Sampled=1; root=" ROOT " ;"), sampled);
    assert_string_equal(made("Self=1-67891234-12456789abcdef012345678;Root=" ROOT), unsampled);
    assert_string_equal(made("Root=" ROOT ";Sampled=?;Lineage=a87bd80c:1|68fd508a:5"), unsampled);
}

static void what_is_none_begins_a_trace(void **state)
{
    (void) state;
    static const char *const none[] = {
        NULL,
        "",
        ";;",
        "x",
        "Root",
        "Root=",
        "Sampled=1",
        "Root=" ROOT "0",
        "Root=1-5759e988-bd862e3fe1be46a99427279",
        "Root=1-5759e988-bd862e3fe1be46a99427279g",
        "Root=1-5759e988xbd862e3fe1be46a994272793",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=" ROOT ";Parent=53995c3f42cd8ad",
        "Root=" ROOT ";Parent=53995c3f42cd8ad\r",
        "Root=" ROOT ";Sampled=2",
        "Root=" ROOT ";Sampled",
        "Root=" ROOT ",Root=" ROOT,
        "Root=" ROOT ";Root=x",
    };
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        assert_string_equal(made(none[i]), OURS);
        assert_false(trace_id_is_valid(none[i] == NULL ? STR_NONE : str_from(none[i])));
    }
    assert_true(trace_id_is_valid(STR("Root=" ROOT)));
}

static void an_id_that_is_none_of_ours_makes_none(void **state)
{
    (void) state;
    char out[TRACE_ID_SIZE];
    assert_null(trace_id_make(out, STR("Root=" ROOT), STR("short"), 0).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caller_is_followed),
        cmocka_unit_test(what_is_none_begins_a_trace),
        cmocka_unit_test(an_id_that_is_none_of_ours_makes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
