/* Runtime, handler and name, guessed from packages. */
#include "test.h"

#include "cli/guess.h"
#include "cli/pack.h"
#include "data/zip.h"
#include "os/interpreters.h"

#include <errno.h>

static struct arena arena;
static const struct interpreters *host; /* what guesses know of the machine */

struct file {
    const char *name, *text;
};

static void expect(const struct file *files, size_t count, const char *runtime, const char *handler)
{
    AUTO_BUF struct buf zip;
    AUTO_ZIP_WRITER struct zip_writer *w = NULL;
    struct guess guess = {STR("untouched"), STR("untouched")};
    buf_init(&zip, 1 << 20);
    assert_ok(zip_writer_new(&zip, &w, NULL));
    for (size_t i = 0; i < count; i++)
        assert_ok(
            zip_writer_file(w, str_from(files[i].name), str_from(files[i].text), false, NULL));
    assert_ok(zip_writer_end(w, NULL));
    assert_ok(guess_package(&arena, buf_str(&zip), host, &guess, NULL));
    if (!str_eq(guess.runtime, str_from(runtime)) || !str_eq(guess.handler, str_from(handler)))
        fail_msg("%s: guessed " STR_FMT " " STR_FMT ", not %s %s", files[0].name,
                 STR_ARG(guess.runtime), STR_ARG(guess.handler), runtime, handler);
}
#define EXPECT(runtime, handler, ...)                                                              \
    expect((const struct file[]){__VA_ARGS__}, ARRAY_LEN(((const struct file[]){__VA_ARGS__})),    \
           runtime, handler)

static void versions_are_the_hosts(void **state)
{
    (void) state;
    static const struct {
        enum interpreter_kind kind;
        unsigned version;
        const char *file, *runtime;
    } cases[] = {
        {INTERPRETER_PYTHON, 311, "main.py", "python3.11"},
        {INTERPRETER_PYTHON, 399, "main.py", "python3.12"}, /* AWS knows none */
        {INTERPRETER_NODE, 1800, "main.js", "nodejs18.x"},
        {INTERPRETER_NODE, 2300, "main.js", "nodejs22.x"},
        {INTERPRETER_RUBY, 303, "main.rb", "ruby3.3"},
        {INTERPRETER_RUBY, 301, "main.rb", "ruby3.4"},
    };
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct interpreters one = {.items = {{cases[i].kind, cases[i].version, true, ""}},
                                         .count = 1};
        host = &one;
        EXPECT(cases[i].runtime, NULL, {cases[i].file, ""});
    }
    host = NULL;
    arena_done(&arena);
}

static void packages_are_guessed(void **state)
{
    (void) state;
    arena_init(&arena, 1 << 20);
    EXPECT("python3.12", "lambda_function.lambda_handler",
           {"lambda_function.py", "import json\ndef lambda_handler(event, context):\n  pass\n"});
    EXPECT("python3.12", "handler.handler", {"app.py", "def handler(event, context): pass\n"},
           {"handler.py", "def helper(a, b): pass\ndef handler(event, context): pass\n"});
    EXPECT("python3.12", "thing.create_user",
           {"lib/main.py", "def handler(event, context): pass\n"},
           {"thing.py", "def helper(a):\n  pass\ndef create_user(event, context):\n  pass\n"});
    EXPECT("python3.12", "main.lambda_handler",
           {"main.py", "api = Api()\nlambda_handler = api.handle\n"});
    EXPECT("python3.12", NULL, {"main.py", "print('no function')\n"});
    EXPECT(NULL, NULL, {"one.py", "def a(event, context): pass\n"},
           {"two.py", "def b(event, context): pass\n"});
    EXPECT(NULL, NULL, {"README.md", "# nothing\n"});
    EXPECT("nodejs22.x", "index.handler", {"index.mjs", "export const handler = async () => 1;\n"});
    EXPECT("nodejs22.x", "index.hello", {"index.js", "exports.hello = async (e) => e;\n"});
    EXPECT("ruby3.4", "app.lambda_handler",
           {"app.rb", "def helper(a)\nend\ndef lambda_handler(event:, context:)\nend\n"});
    EXPECT("provided.al2023", "bootstrap", {"index.js", ""}, {"bootstrap", "#!/bin/sh\n"});
    arena_done(&arena);
}

static void what_is_no_archive_is_said(void **state)
{
    (void) state;
    struct guess guess;
    arena_init(&arena, 1 << 20);
    assert_int_equal(guess_package(&arena, STR("no zip"), NULL, &guess, NULL), -EINVAL);
    arena_done(&arena);
}

static void functions_are_found(void **state)
{
    (void) state;
    assert_str(guess_python_function(STR("def a(event, context):\n\ndef main(event, context):")),
               "main");
    assert_str(guess_python_function(STR("def main(e, c):\n\ndef lambda_handler(e, c):")),
               "lambda_handler");
    assert_null(guess_python_function(STR("    def handler(event, context):")).ptr);
    assert_null(guess_python_function(STR("async def handler(event, context):")).ptr);
    assert_null(guess_python_function(STR("")).ptr);
    assert_str(guess_node_function(STR("exports.a = 1;\nexports.handler = 2;\n")), "handler");
    assert_str(guess_node_function(STR("module.exports.run = 1;")), "run");
    assert_null(guess_node_function(STR("const x = 1")).ptr);
}

static void names_come_from_paths(void **state)
{
    (void) state;
    arena_init(&arena, 1 << 20);
    assert_str(guess_name(&arena, "/home/me/My App"), "My-App");
    assert_str(guess_name(&arena, "code.zip"), "code");
    assert_str(guess_name(&arena, "dir/sub//"), "sub");
    assert_str(guess_name(&arena, "a.b_c-d"), "a-b_c-d");
    arena_done(&arena);
}

static void caches_are_left_out(void **state)
{
    (void) state;
    assert_true(pack_is_left_out(STR(".git")));
    assert_true(pack_is_left_out(STR("__pycache__")));
    assert_true(pack_is_left_out(STR("x.pyc")));
    assert_false(pack_is_left_out(STR("git")));
    assert_false(pack_is_left_out(STR(".env")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_the_hosts),     cmocka_unit_test(packages_are_guessed),
        cmocka_unit_test(what_is_no_archive_is_said), cmocka_unit_test(functions_are_found),
        cmocka_unit_test(names_come_from_paths),      cmocka_unit_test(caches_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
