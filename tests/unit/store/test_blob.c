#include "test.h"

#include "os/file.h"
#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* SHA-256 of "abc" (FIPS 180-4, example B.1) and of nothing. */
#define ABC_NAME   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY_NAME "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char root[] = "/tmp/virga-blob-XXXXXX";
static char dir[64];

static int make_root(void **state)
{
    (void) state;
    if (mkdtemp(root) == NULL)
        return -1;
    (void) snprintf(dir, sizeof dir, "%s/deep/blobs", root);
    return 0;
}

static int clean(void **state)
{
    (void) state;
    char top[64];
    (void) snprintf(top, sizeof top, "%s/deep", root);
    return dir_remove(AT_FDCWD, top, NULL);
}

static int remove_root(void **state)
{
    (void) state;
    return dir_remove(AT_FDCWD, root, NULL);
}

static struct blobs *open_blobs(void)
{
    struct blobs *blobs = NULL;
    struct err err;
    if (blobs_open(dir, &blobs, &err) < 0)
        fail_msg("blobs_open: %s", err.text);
    return blobs;
}

static void assert_content(struct blobs *blobs, const char *name, struct str expected)
{
    AUTO_CLOSE int fd = -1;
    assert_ok(blobs_get(blobs, name, &fd, NULL));
    AUTO_FREE char *bytes = malloc(expected.len + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, expected.len + 1), (ssize_t) expected.len);
    assert_true(str_eq(str_of(bytes, expected.len), expected));
}

static void blobs_are_found_by_their_hash(void **state)
{
    (void) state;
    char name[BLOB_NAME_SIZE];
    struct blobs *blobs = open_blobs();
    assert_ok(blobs_put(blobs, STR("abc"), name, NULL));
    assert_string_equal(name, ABC_NAME);
    assert_ok(blobs_put(blobs, STR("abc"), name, NULL)); /* twice is fine */
    assert_ok(blobs_put(blobs, STR(""), name, NULL));
    assert_string_equal(name, EMPTY_NAME);
    blobs_close(blobs);
    blobs = open_blobs();
    assert_content(blobs, ABC_NAME, STR("abc"));
    assert_content(blobs, EMPTY_NAME, STR(""));
    assert_ok(blobs_remove(blobs, ABC_NAME, NULL));
    int fd = -1;
    assert_int_equal(blobs_get(blobs, ABC_NAME, &fd, NULL), -ENOENT);
    assert_int_equal(fd, -1);
    assert_int_equal(blobs_remove(blobs, ABC_NAME, NULL), -ENOENT);
    blobs_close(blobs);
    blobs_close(NULL);
}

static void files_stream_in_up_to_a_limit(void **state)
{
    (void) state;
    struct blobs *blobs = open_blobs();
    int fd[2];
    char name[BLOB_NAME_SIZE] = "untouched";
    uint64_t size = 7;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        assert_int_equal(write(fd[1], "abc", 3), 3);
        close(fd[1]);
        if (i == 0) {
            assert_int_equal(blobs_put_file(blobs, fd[0], 2, name, &size, NULL), -EFBIG);
            assert_string_equal(name, "untouched");
            assert_int_equal(size, 7);
        } else {
            assert_ok(blobs_put_file(blobs, fd[0], 3, name, &size, NULL));
            assert_string_equal(name, ABC_NAME);
            assert_int_equal(size, 3);
        }
        close(fd[0]);
    }
    assert_content(blobs, ABC_NAME, STR("abc"));
    char temps[80];
    (void) snprintf(temps, sizeof temps, "%s/tmp", dir);
    assert_int_equal(rmdir(temps), 0); /* empty: neither left a temporary file */
    blobs_close(blobs);
}

static void names_are_not_paths(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "", "../../../etc/passwd", "ab", ABC_NAME "0",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"};
    struct blobs *blobs = open_blobs();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int fd = -1;
        assert_int_equal(blobs_get(blobs, bad[i], &fd, NULL), -EINVAL);
        assert_int_equal(blobs_remove(blobs, bad[i], NULL), -EINVAL);
    }
    blobs_close(blobs);
}

static void what_a_crash_left_is_removed_at_open(void **state)
{
    (void) state;
    blobs_close(open_blobs());
    char path[100];
    (void) snprintf(path, sizeof path, "%s/tmp/0123456789abcdef", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    blobs_close(open_blobs());
    assert_int_equal(access(path, F_OK), -1);
}

static bool keep_abc(void *arg, const char *name)
{
    ++*(int *) arg;
    return strcmp(name, ABC_NAME) == 0;
}

static void the_sweep_removes_orphans(void **state)
{
    (void) state;
    struct blobs *blobs = open_blobs();
    char name[BLOB_NAME_SIZE];
    assert_ok(blobs_put(blobs, STR("abc"), name, NULL));
    for (char c = 'a'; c < 'k'; c++)
        assert_ok(blobs_put(blobs, str_of(&c, 1), name, NULL));
    int seen = 0;
    assert_ok(blobs_sweep(blobs, keep_abc, &seen, NULL));
    assert_int_equal(seen, 11);
    seen = 0;
    assert_ok(blobs_sweep(blobs, keep_abc, &seen, NULL));
    assert_int_equal(seen, 1);
    assert_content(blobs, ABC_NAME, STR("abc"));
    blobs_close(blobs);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean)
    const struct CMUnitTest tests[] = {
        T(blobs_are_found_by_their_hash), T(files_stream_in_up_to_a_limit),
        T(names_are_not_paths),           T(what_a_crash_left_is_removed_at_open),
        T(the_sweep_removes_orphans),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
