#include "test.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Each test runs inside a fresh directory, its working directory. */
struct place {
    char path[64];
};

static int place_make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *base = getenv("TMPDIR");
    (void) snprintf(place->path, sizeof place->path, "%s/virga-file-XXXXXX",
                    base == NULL || strlen(base) > 40 ? "/tmp" : base);
    *state = place;
    return mkdtemp(place->path) == NULL ? -1 : chdir(place->path);
}

static int place_remove(void **state)
{
    struct place *place = *state;
    int rc = chdir("/") < 0 ? -1 : dir_remove(AT_FDCWD, place->path, NULL);
    free(place);
    return rc;
}

static void put_file(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_ok(fd_write_all(fd, str_from(text), NULL));
}

static void expect_file(const char *path, const char *text)
{
    AUTO_BUF struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_ok(file_read(path, &buf, NULL));
    assert_str(buf_str(&buf), text);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void reading_keeps_to_the_limit(void **state)
{
    (void) state;
    put_file("f", "0123456789");
    AUTO_BUF struct buf exact;
    buf_init(&exact, 10);
    assert_ok(file_read("f", &exact, NULL));
    assert_str(buf_str(&exact), "0123456789");

    AUTO_BUF struct buf small;
    buf_init(&small, 9);
    buf_put(&small, STR("ab"));
    struct err err;
    assert_int_equal(file_read("f", &small, &err), -EFBIG);
    assert_str(buf_str(&small), "ab");
    assert_int_equal(file_read("missing", &small, &err), -ENOENT);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(file_read(".", &small, &err), -EISDIR);
}

static void big_files_are_read_whole(void **state)
{
    (void) state;
    AUTO_BUF struct buf big, back;
    buf_init(&big, 1 << 20);
    buf_init(&back, 1 << 20);
    for (unsigned i = 0; i < 200000; i++)
        buf_put_char(&big, (char) (i * 31 % 251));
    assert_ok(file_write_durable(AT_FDCWD, "big", buf_str(&big), 0600, NULL));
    assert_ok(file_read("big", &back, NULL));
    assert_true(str_eq(buf_str(&big), buf_str(&back)));
    expect_file("/dev/null", "");
}

static void a_durable_write_replaces_and_leaves_no_temporary(void **state)
{
    (void) state;
    assert_ok(dir_make("d", 0700, NULL));
    assert_ok(file_write_durable(AT_FDCWD, "d/f", STR("one"), 0600, NULL));
    AUTO_CLOSE int dir = open("d", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    assert_ok(file_write_durable(dir, "f", STR("two"), 0600, NULL));
    expect_file("d/f", "two");
    struct stat st;
    assert_int_equal(stat("d/f", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(unlink("d/f"), 0);
    assert_int_equal(rmdir("d"), 0); /* empty: nothing else was left */
}

static void a_failed_durable_write_keeps_the_old_file(void **state)
{
    (void) state;
    assert_ok(dir_make("d", 0700, NULL));
    assert_ok(file_write_durable(AT_FDCWD, "d/f", STR("old"), 0600, NULL));
    struct rlimit before, small = {.rlim_cur = 4, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, was;
    assert_int_equal(sigaction(SIGXFSZ, &ignore, &was), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err err = {0};
    int rc = file_write_durable(AT_FDCWD, "d/f", STR("longer than four"), 0600, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(sigaction(SIGXFSZ, &was, NULL), 0);
    assert_int_equal(rc, -EFBIG);
    expect_file("d/f", "old");
    assert_int_equal(unlink("d/f"), 0);
    assert_int_equal(rmdir("d"), 0);
}

static _Noreturn void write_for_ever(const char *a, const char *b, size_t size, int ready_fd)
{
    for (int i = 0;; i++) {
        struct str bytes = str_of(i % 2 == 0 ? b : a, size);
        if (file_write_durable(AT_FDCWD, "f", bytes, 0600, NULL) < 0 ||
            (i < 2 && write(ready_fd, "x", 1) != 1))
            _exit(1);
    }
}

/* A writer is killed at an arbitrary moment, again and again: the file is always one of the two. */
static void a_killed_writer_leaves_old_or_new(void **state)
{
    (void) state;
    static char a[20000], b[20000];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    assert_ok(file_write_durable(AT_FDCWD, "f", str_of(a, sizeof a), 0600, NULL));
    for (int round = 0; round < 20; round++) {
        int ready[2];
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_for_ever(a, b, sizeof a, ready[1]);
        char x;
        assert_int_equal(read(ready[0], &x, 1), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        (void) close(ready[0]);
        (void) close(ready[1]);
        AUTO_BUF struct buf buf;
        buf_init(&buf, 1 << 20);
        assert_ok(file_read("f", &buf, NULL));
        assert_int_equal(buf.len, sizeof a);
        assert_true(memcmp(buf.ptr, a, sizeof a) == 0 || memcmp(buf.ptr, b, sizeof b) == 0);
    }
}

static void directories_are_made_along_the_path(void **state)
{
    (void) state;
    assert_ok(dir_make("a/b//c/", 0700, NULL));
    assert_ok(dir_make("a/b/c", 0700, NULL));
    assert_true(exists("a/b/c"));
    put_file("a/file", "");
    struct err err;
    assert_int_equal(dir_make("a/file", 0700, &err), -ENOTDIR);
    assert_int_equal(dir_make("a/file/x", 0700, &err), -ENOTDIR);
    assert_int_equal(dir_make("", 0700, &err), -ENOENT);
    assert_ok(dir_sync(AT_FDCWD, "a", NULL));
    assert_int_equal(dir_sync(AT_FDCWD, "a/file", &err), -ENOTDIR);
}

static void removal_follows_no_link(void **state)
{
    (void) state;
    assert_ok(dir_make("outside/sub", 0700, NULL));
    put_file("outside/sub/precious", "x");
    assert_ok(dir_make("tree/a/b", 0700, NULL));
    put_file("tree/a/b/f", "x");
    assert_int_equal(symlink("../outside", "tree/link"), 0);
    assert_int_equal(symlink("../../../outside/sub", "tree/a/b/link"), 0);
    assert_int_equal(symlink("nowhere", "tree/dangling"), 0);
    assert_int_equal(mkfifo("tree/fifo", 0600), 0);
    assert_ok(dir_remove(AT_FDCWD, "tree", NULL));
    assert_false(exists("tree"));
    expect_file("outside/sub/precious", "x");

    assert_int_equal(symlink("outside", "link"), 0);
    assert_ok(dir_remove(AT_FDCWD, "link", NULL));
    assert_false(exists("link"));
    expect_file("outside/sub/precious", "x");
    assert_ok(dir_remove(AT_FDCWD, "never-was", NULL));
    put_file("plain", "x");
    assert_ok(dir_remove(AT_FDCWD, "plain", NULL));
    assert_false(exists("plain"));
}

static void any_depth_is_removed_with_few_descriptors(void **state)
{
    struct place *place = *state;
    assert_ok(dir_make("deep", 0700, NULL));
    assert_int_equal(chdir("deep"), 0);
    for (int i = 0; i < 2500; i++) { /* far beyond PATH_MAX */
        assert_int_equal(mkdir("dd", 0700), 0);
        put_file("f", "");
        assert_int_equal(chdir("dd"), 0);
    }
    assert_int_equal(chdir(place->path), 0);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct err err = {0};
    int rc = dir_remove(AT_FDCWD, "deep", &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_false(exists("deep"));
}

static void many_entries_are_removed(void **state)
{
    (void) state;
    assert_ok(dir_make("wide", 0700, NULL));
    for (int i = 0; i < 3000; i++) {
        char path[32];
        (void) snprintf(path, sizeof path, "wide/%d", i);
        put_file(path, "");
    }
    assert_ok(dir_remove(AT_FDCWD, "wide", NULL));
    assert_false(exists("wide"));
}

int main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
    const struct CMUnitTest tests[] = {
        IN_PLACE(reading_keeps_to_the_limit),
        IN_PLACE(big_files_are_read_whole),
        IN_PLACE(a_durable_write_replaces_and_leaves_no_temporary),
        IN_PLACE(a_failed_durable_write_keeps_the_old_file),
        IN_PLACE(a_killed_writer_leaves_old_or_new),
        IN_PLACE(directories_are_made_along_the_path),
        IN_PLACE(removal_follows_no_link),
        IN_PLACE(any_depth_is_removed_with_few_descriptors),
        IN_PLACE(many_entries_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
