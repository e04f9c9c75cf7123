/* Interpreters of a host that is made up, below a folder. */
#include "test.h"

#include "os/file.h"
#include "os/interpreters.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/interpreters-XXXXXX";

static void put(const char *path, const char *text, unsigned mode)
{
    char full[PATH_MAX];
    (void) snprintf(full, sizeof full, "%s%s", root, path);
    *strrchr(full, '/') = '\0';
    assert_ok(dir_make(full, 0755, NULL));
    full[strlen(full)] = '/';
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_ok(fd_write_all(fd, str_from(text), NULL));
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(full, mode), 0);
}

static void put_link(const char *target, const char *path)
{
    char full[PATH_MAX];
    (void) snprintf(full, sizeof full, "%s%s", root, path);
    assert_int_equal(symlink(target, full), 0);
}

static int setup(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(root));
    put("/usr/bin/python3.9", "", 0755);
    put("/usr/bin/python3.11", "", 0755);
    put("/usr/bin/python3.11-config", "", 0755);
    put("/usr/bin/python3.13", "", 0644); /* not to be executed */
    put("/usr/bin/pythonista", "", 0755);
    put("/usr/bin/ruby3.1", "", 0755);
    put("/usr/bin/node", "#!/bin/sh\necho v18.19.0\n", 0755);
    put("/usr/lib/jvm/a/release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n", 0644);
    put("/usr/lib/jvm/a/bin/java", "", 0755);
    put("/usr/lib/jvm/b/release", "JAVA_VERSION=\"1.8.0_402\"\n", 0644);
    put("/usr/lib/jvm/b/bin/java", "", 0755);
    put("/usr/lib/jvm/c/release", "JAVA_VERSION=\"21\"\n", 0644); /* has no bin/java */
    put_link("python3.11", "/usr/bin/python3");
    put_link("a", "/usr/lib/jvm/default");
    put_link("../lib/jvm/b/bin/java", "/usr/bin/java");
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    return dir_remove(AT_FDCWD, root, NULL);
}

static void finds_what_is_there(void **state)
{
    (void) state;
    static const struct interpreter expected[] = {
        {INTERPRETER_PYTHON, 309, false, "/usr/bin/python3.9"},
        {INTERPRETER_PYTHON, 311, true, "/usr/bin/python3.11"},
        {INTERPRETER_NODE, 1800, true, "/usr/bin/node"},
        {INTERPRETER_RUBY, 301, false, "/usr/bin/ruby3.1"},
        {INTERPRETER_JAVA, 800, true, "/usr/lib/jvm/b/bin/java"},
        {INTERPRETER_JAVA, 1700, false, "/usr/lib/jvm/a/bin/java"},
    };
    struct interpreters found;
    interpreters_begin(&found, root);
    interpreters_end(&found);
    assert_int_equal(found.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < found.count; i++) {
        assert_int_equal(found.items[i].kind, expected[i].kind);
        assert_int_equal(found.items[i].version, expected[i].version);
        assert_int_equal(found.items[i].is_usual, expected[i].is_usual);
        assert_string_equal(found.items[i].path, expected[i].path);
    }
    interpreters_forget(&found, INTERPRETER_JAVA);
    assert_null(interpreters_pick(&found, INTERPRETER_JAVA, 800));
    assert_int_equal(found.count, ARRAY_LEN(expected) - 2);
}

static void picks_exact_then_newer_then_newest(void **state)
{
    (void) state;
    static const struct {
        enum interpreter_kind kind;
        unsigned wanted, picked;
    } cases[] = {
        {INTERPRETER_PYTHON, 309, 309}, {INTERPRETER_PYTHON, 310, 311},
        {INTERPRETER_PYTHON, 308, 309}, {INTERPRETER_PYTHON, 314, 311},
        {INTERPRETER_JAVA, 1100, 1700}, {INTERPRETER_JAVA, 2500, 1700},
    };
    struct interpreters found;
    interpreters_begin(&found, root);
    interpreters_end(&found);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct interpreter *item = interpreters_pick(&found, cases[i].kind, cases[i].wanted);
        assert_non_null(item);
        assert_int_equal(item->version, cases[i].picked);
    }
}

static void finds_nothing_where_nothing_is(void **state)
{
    (void) state;
    struct interpreters found;
    interpreters_begin(&found, "/nowhere");
    interpreters_end(&found);
    assert_int_equal(found.count, 0);
    assert_null(interpreters_pick(&found, INTERPRETER_PYTHON, 311));
}

static void names_are_said_as_people_do(void **state)
{
    (void) state;
    char name[INTERPRETER_NAME_MAX];
    interpreter_name(name, INTERPRETER_PYTHON, 311);
    assert_string_equal(name, "Python 3.11");
    interpreter_name(name, INTERPRETER_NODE, 2000);
    assert_string_equal(name, "Node.js 20");
    interpreter_name(name, INTERPRETER_RUBY, 400);
    assert_string_equal(name, "Ruby 4.0");
    interpreter_name(name, INTERPRETER_JAVA, 800);
    assert_string_equal(name, "Java 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there),
        cmocka_unit_test(picks_exact_then_newer_then_newest),
        cmocka_unit_test(finds_nothing_where_nothing_is),
        cmocka_unit_test(names_are_said_as_people_do),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
