/* The root key: drawn once, kept, and never taken from a damaged file. */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/keys.h"
#include "os/file.h"

static char dir[] = "/tmp/virga-keys-XXXXXX";

static int make_dir(void **state)
{
    (void) state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void) state;
    return dir_remove(-100, dir, NULL);
}

static void drawn_once_and_kept(void **state)
{
    (void) state;
    struct rng_seeded rng;
    rng_seeded_init(&rng, 1);
    struct access_key *first = NULL, *second = NULL;
    bool is_new = false;
    assert_ok(root_key_open(dir, &rng.rng, &first, &is_new, NULL));
    assert_true(is_new);
    assert_true(str_starts(first->id, STR("AKIA")));
    assert_int_equal(first->id.len, 20);
    assert_int_equal(first->secret.len, 40);
    assert_str(first->account, "000000000000");

    assert_ok(root_key_open(dir, &rng.rng, &second, &is_new, NULL));
    assert_false(is_new);
    assert_true(str_eq(first->id, second->id));
    assert_true(str_eq(first->secret, second->secret));
    snapshot_unref(&first->snapshot);
    snapshot_unref(&second->snapshot);

    char path[100];
    (void) snprintf(path, sizeof path, "%s/root-key", dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_damaged_file_is_refused(void **state)
{
    (void) state;
    char path[100];
    (void) snprintf(path, sizeof path, "%s/root-key", dir);
    static const char *const texts[] = {"", "AKIA\n", "AKIAAAAAAAAAAAAAAAAA\nshort\n",
                                        "AKIAAAAAAAAAAAAAAAAA\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_ok(file_write_durable(-100, path, str_from(texts[i]), 0600, NULL));
        struct access_key *key = NULL;
        bool is_new = false;
        assert_int_equal(root_key_open(dir, &rng_real, &key, &is_new, NULL), -EBADMSG);
        assert_null(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_once_and_kept),
        cmocka_unit_test(a_damaged_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
