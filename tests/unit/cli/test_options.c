/* Command lines: what is taken, what is refused. */
#include "test.h"

#include "cli/options.h"

struct line {
    struct cli_common common;
    const char *name, *arguments[2];
    int64_t memory;
    bool is_loud;
    struct option_list env;
};

static int parse(struct line *line, const char *const *words, size_t count)
{
    char *argv[16];
    *line = (struct line){.memory = -1};
    for (size_t i = 0; i < count; i++)
        argv[i] = (char *) (uintptr_t) words[i]; /* argv is never written to */
    static const char *const names[] = {"A", "B"};
    const struct cli_option options[] = {
        {"--name", OPTION_TEXT, &line->name, "NAME", ""},
        {"--memory", OPTION_NUMBER, &line->memory, "MB", ""},
        {"--loud", OPTION_FLAG, &line->is_loud, NULL, ""},
        {"--env", OPTION_LIST, &line->env, "K=V", ""},
    };
    const struct cli_syntax syntax = {.command = "test",
                                      .summary = "A test.",
                                      .arguments = "A B",
                                      .names_of_arguments = names,
                                      .argument_count = 2,
                                      .options = options,
                                      .option_count = ARRAY_LEN(options)};
    return cli_parse(&syntax, (int) count, argv, &line->common, line->arguments);
}
#define PARSE(line, ...)                                                                           \
    parse((line), (const char *const[]){"test", __VA_ARGS__},                                      \
          ARRAY_LEN(((const char *const[]){"test", __VA_ARGS__})))

static void a_line_is_taken_apart(void **state)
{
    (void) state;
    struct line line;
    assert_int_equal(PARSE(&line, "--name", "n", "a", "--env=X=1", "--loud", "--memory=12", "b",
                           "--env", "Y=2=3", "--json"),
                     CLI_PARSED);
    assert_string_equal(line.name, "n");
    assert_string_equal(line.arguments[0], "a");
    assert_string_equal(line.arguments[1], "b");
    assert_int_equal(line.memory, 12);
    assert_true(line.is_loud && line.common.is_json);
    assert_int_equal(line.env.count, 2);
    assert_string_equal(line.env.items[1], "Y=2=3");
    assert_int_equal(PARSE(&line, "--", "--name", "-"), CLI_PARSED);
    assert_string_equal(line.arguments[0], "--name");
    assert_string_equal(line.arguments[1], "-");
}

static void nonsense_is_refused(void **state)
{
    (void) state;
    struct line line;
    assert_int_equal(PARSE(&line, "a"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "c"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--unknown"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--nam", "x"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--name"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--memory", "x"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--memory", "-1"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "--loud=yes"), 2);
    assert_int_equal(PARSE(&line, "a", "b", "-x"), 2);
}

static void the_environment_fills_in(void **state)
{
    (void) state;
    struct line line;
    assert_int_equal(unsetenv("VIRGA_ENDPOINT"), 0);
    assert_int_equal(unsetenv("AWS_ENDPOINT_URL"), 0);
    assert_int_equal(unsetenv("AWS_REGION"), 0);
    assert_int_equal(unsetenv("AWS_DEFAULT_REGION"), 0);
    assert_int_equal(PARSE(&line, "a", "b"), CLI_PARSED);
    assert_string_equal(line.common.endpoint, "http://127.0.0.1:4566");
    assert_string_equal(line.common.region, "us-east-1");
    assert_int_equal(setenv("AWS_ENDPOINT_URL", "http://aws", 1), 0);
    assert_int_equal(setenv("AWS_DEFAULT_REGION", "eu-west-1", 1), 0);
    assert_int_equal(PARSE(&line, "a", "b"), CLI_PARSED);
    assert_string_equal(line.common.endpoint, "http://aws");
    assert_string_equal(line.common.region, "eu-west-1");
    assert_int_equal(setenv("VIRGA_ENDPOINT", "http://virga", 1), 0);
    assert_int_equal(PARSE(&line, "a", "b"), CLI_PARSED);
    assert_string_equal(line.common.endpoint, "http://virga");
    assert_int_equal(PARSE(&line, "a", "b", "--endpoint", "http://given"), CLI_PARSED);
    assert_string_equal(line.common.endpoint, "http://given");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_taken_apart),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(the_environment_fills_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
