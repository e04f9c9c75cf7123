/* The directory of images that outlive the server: what has a name, what is found, what is swept.
 */
#include "test.h"

#include "os/exec.h"
#include "os/file.h"
#include "restorer/image.h"
#include "runtime/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

/* A worker that works at once. */
static void post(struct exec *exec, struct task *task)
{
    (void) exec;
    task->run(task);
}
static const struct exec_ops at_once = {.post = post};
static struct exec worker = {.ops = &at_once};

static struct kept *start(uint64_t build)
{
    struct kept *kept = NULL;
    struct err err;
    if (kept_new(dir, build, &kept, &err) < 0)
        fail_msg("%s", err.text);
    return kept;
}

/* One page, and its seal. */
static void put(const struct kept *kept, struct str what, char name[KEPT_NAME_SIZE])
{
    static const _Alignas(8) char page[IMAGE_PAGE] = "an image";
    struct err err;
    AUTO_CLOSE int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, page, sizeof page), sizeof page);
    assert_int_equal(
        kept_seal(fd, sizeof page, image_hash(IMAGE_SEAL_SEED, page, sizeof page), &err), 0);
    kept_name(kept, what, &rng_real, name);
    assert_int_equal(kept_link(kept, fd, name, &err), 0);
}

static const char *path_of(const char *name)
{
    static char path[sizeof dir + KEPT_NAME_SIZE + 1];
    (void) snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int set_up(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof dir, "/tmp/virga-kept-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void) state;
    struct err err;
    return dir_remove(AT_FDCWD, dir, &err);
}

static void what_was_put_away_is_found_again(void **state)
{
    (void) state;
    char one[KEPT_NAME_SIZE], two[KEPT_NAME_SIZE];
    struct kept *kept = start(1);
    struct kept_image found;
    put(kept, STR("one"), one);
    put(kept, STR("two"), two);
    assert_string_not_equal(one, two);
    assert_false(kept_find(kept, STR("one"), &found)); /* it is of this run */
    kept_free(kept);

    kept = start(1);
    assert_false(kept_find(kept, STR("three"), &found));
    assert_true(kept_find(kept, STR("one"), &found));
    assert_string_equal(found.name, one);
    assert_int_equal(found.size_bytes, IMAGE_PAGE);
    assert_int_equal(fcntl(found.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    kept_note_use(found.fd, 1234567);
    (void) close(found.fd);
    assert_false(kept_find(kept, STR("one"), &found)); /* somebody has it */
    kept_sweep(kept, &worker);
    assert_int_equal(access(path_of(one), F_OK), 0);
    assert_int_equal(access(path_of(two), F_OK), -1);
    kept_remove(kept, one);
    assert_int_equal(access(path_of(one), F_OK), -1);
    kept_free(kept);
}

static void the_time_of_the_last_use_is_kept(void **state)
{
    (void) state;
    char name[KEPT_NAME_SIZE];
    struct kept *kept = start(1);
    struct kept_image found;
    put(kept, STR("one"), name);
    AUTO_CLOSE int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    kept_note_use(fd, 1234567);
    kept_free(kept);
    kept = start(1);
    assert_true(kept_find(kept, STR("one"), &found));
    assert_int_equal(found.used_utc_ms, 1234567);
    (void) close(found.fd);
    kept_free(kept);
}

static void another_build_finds_nothing(void **state)
{
    (void) state;
    char name[KEPT_NAME_SIZE];
    struct kept_image found;
    struct kept *kept = start(1);
    put(kept, STR("one"), name);
    kept_free(kept);
    kept = start(2);
    assert_false(kept_find(kept, STR("one"), &found));
    kept_sweep(kept, &worker);
    assert_int_equal(access(path_of(name), F_OK), -1);
    kept_free(kept);
}

/* Two of the same: a crash came between a new one and the removal of the old. */
static void of_two_one_is_left(void **state)
{
    (void) state;
    char one[KEPT_NAME_SIZE], two[KEPT_NAME_SIZE];
    struct kept_image found;
    struct kept *kept = start(1);
    put(kept, STR("one"), one);
    put(kept, STR("one"), two);
    kept_free(kept);
    kept = start(1);
    assert_true(kept_find(kept, STR("one"), &found));
    (void) close(found.fd);
    kept_sweep(kept, &worker);
    assert_int_equal((access(path_of(one), F_OK) == 0) + (access(path_of(two), F_OK) == 0), 1);
    assert_int_equal(access(path_of(found.name), F_OK), 0);
    kept_free(kept);
}

static void make_open(const char *path)
{
    assert_int_equal(chmod(path, 0644), 0);
}

static void make_uneven(const char *path)
{
    assert_int_equal(truncate(path, 2 * IMAGE_PAGE - 1), 0);
}

static void make_short(const char *path)
{
    assert_int_equal(truncate(path, IMAGE_PAGE), 0);
}

static void make_link(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void make_pipe(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void what_is_not_as_it_was_left_is_removed(void **state)
{
    (void) state;
    static void (*const changes[])(const char *path) = {make_open, make_uneven, make_short,
                                                        make_link, make_pipe};
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        char name[KEPT_NAME_SIZE];
        struct kept_image found;
        struct kept *kept = start(1);
        put(kept, STR("one"), name);
        kept_free(kept);
        changes[i](path_of(name));
        kept = start(1);
        assert_false(kept_find(kept, STR("one"), &found));
        kept_sweep(kept, &worker);
        struct stat st;
        assert_int_equal(lstat(path_of(name), &st), -1);
        kept_free(kept);
    }
}

static void other_files_are_left_alone(void **state)
{
    (void) state;
    AUTO_CLOSE int fd = open(path_of("switched-off"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    struct kept *kept = start(1);
    kept_sweep(kept, &worker);
    assert_int_equal(access(path_of("switched-off"), F_OK), 0);
    kept_free(kept);
    struct err err;
    assert_int_equal(kept_new("/nonexistent", 1, &kept, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_away_is_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_time_of_the_last_use_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_build_finds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_one_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_as_it_was_left_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_are_left_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
