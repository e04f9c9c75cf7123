/* Unpacking hostile packages: what is refused leaves nothing behind, inside or outside. */
#include "test.h"

#include "os/file.h"
#include "store/tree.h"
#include "zip_make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct place {
    char path[64];
};

static const struct tree_limits limits = {.bytes_max = 1000, .entries_max = 20};

static int place_make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void) snprintf(place->path, sizeof place->path, "/tmp/virga-test-tree-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(chdir(place->path), 0);
    assert_ok(dir_make("code", 0700, NULL));
    *state = place;
    return 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;
    assert_int_equal(chdir("/"), 0);
    assert_ok(dir_remove(AT_FDCWD, place->path, NULL));
    free(place);
    return 0;
}

static unsigned entries_in(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    unsigned count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    (void) closedir(dir);
    return count;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        fail_msg("'%s' is missing", path);
    return st.st_mode;
}

static void expect_file(const char *path, const char *text)
{
    AUTO_BUF struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_ok(file_read(path, &buf, NULL));
    assert_str(buf_str(&buf), text);
}

static void expect_refused(struct zip_make *z, int code, const char *reason)
{
    struct err err = {0};
    struct tree_stats stats;
    int rc = tree_unpack("code", "t", zip_make_end(z), &limits, &stats, &err);
    if (rc != code || strstr(err.text, reason) == NULL)
        fail_msg("%d \"%s\" is not %d \"%s\"", rc, err.text, code, reason);
    assert_int_equal(entries_in("code"), 0);
    assert_int_equal(entries_in("."), 1); /* nothing beside it either */
    zip_make_done(z);
}

static void a_package_is_unpacked_with_uniform_modes(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    zip_make_mode(&z, "lambda_function.py", "pass\n", 0100600);
    zip_make_mode(&z, "bin/tool", "#!/bin/sh\n", 0106711); /* set-uid, set-gid */
    zip_make_mode(&z, "secret/", "", 040700);
    zip_make_mode(&z, "secret/", "", 040000);
    zip_make_mode(&z, "node_modules/.bin/x", "../x/bin.js", 0120777);
    zip_make_file(&z, "node_modules/x/bin.js", "//\n");
    struct tree_stats stats = {0};
    struct err err = {0};
    mode_t before = umask(077);
    int rc = tree_unpack("code", "t", zip_make_end(&z), &limits, &stats, &err);
    (void) umask(before);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_int_equal(mode_of("code/t"), 040755);
    assert_int_equal(mode_of("code/t/lambda_function.py"), 0100644);
    assert_int_equal(mode_of("code/t/bin/tool"), 0100755);
    assert_int_equal(mode_of("code/t/secret"), 040755);
    assert_int_equal(mode_of("code/t/node_modules/.bin/x") & S_IFMT, S_IFLNK);
    expect_file("code/t/node_modules/.bin/x", "//\n");
    assert_int_equal(stats.entries, 6);
    assert_int_equal(stats.files, 3);
    assert_int_equal(stats.bytes, 5 + 10 + 3);
    assert_int_equal(entries_in("code"), 1);
    zip_make_done(&z);
}

static void a_taken_name_stays_as_it_is(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    zip_make_file(&z, "f", "new");
    assert_ok(dir_make("code/t", 0700, NULL));
    struct tree_stats stats;
    assert_int_equal(tree_unpack("code", "t", zip_make_end(&z), &limits, &stats, NULL), -EEXIST);
    assert_int_equal(entries_in("code"), 1);
    assert_int_equal(entries_in("code/t"), 0);
    zip_make_done(&z);
}

static void hostile_packages_leave_nothing(void **state)
{
    (void) state;
    struct zip_make z;

    zip_make_init(&z); /* a link in a directory's place, leading out */
    zip_make_mode(&z, "a", "/etc", 0120777);
    expect_refused(&z, -EINVAL, "leads out");

    zip_make_init(&z); /* one that stays inside is still no directory */
    zip_make_mode(&z, "d/", "", 040755);
    zip_make_mode(&z, "a", "d", 0120777);
    zip_make_file(&z, "a/b", "x");
    expect_refused(&z, -EINVAL, "used as a directory");

    zip_make_init(&z); /* writing through a link */
    zip_make_mode(&z, "a", "b", 0120777);
    zip_make_file(&z, "a", "x");
    expect_refused(&z, -EINVAL, "there twice");

    zip_make_init(&z);
    zip_make_file(&z, "a", "1");
    zip_make_file(&z, "a", "2");
    expect_refused(&z, -EINVAL, "there twice");

    zip_make_init(&z); /* file, then directory of the same name */
    zip_make_file(&z, "a", "1");
    zip_make_mode(&z, "a/", "", 040755);
    expect_refused(&z, -EINVAL, "there twice");

    zip_make_init(&z);
    zip_make_file(&z, "a", "1");
    zip_make_file(&z, "a/b", "1");
    expect_refused(&z, -EINVAL, "used as a directory");

    zip_make_init(&z);
    zip_make_file(&z, "good", "1");
    zip_make_file(&z, "../evil", "1");
    expect_refused(&z, -EINVAL, "name");
}

static void bombs_are_stopped(void **state)
{
    (void) state;
    struct zip_make z;
    char name[16], kilobyte[601];
    memset(kilobyte, 'k', sizeof kilobyte - 1);
    kilobyte[sizeof kilobyte - 1] = '\0';

    zip_make_init(&z);
    zip_make_file(&z, "a", kilobyte);
    zip_make_file(&z, "b", kilobyte);
    expect_refused(&z, -EFBIG, "1000 bytes");

    zip_make_init(&z); /* declares far more than it has: refused before it is read */
    zip_make_add(&z, &(struct zip_make_entry){
                         .name = "a", .data = STR("x"), .mode = 0100644, .size_add = 1 << 30});
    expect_refused(&z, -EFBIG, "1000 bytes");

    zip_make_init(&z);
    for (unsigned i = 0; i <= limits.entries_max; i++) {
        (void) snprintf(name, sizeof name, "%u", i);
        zip_make_file(&z, name, "");
    }
    expect_refused(&z, -E2BIG, "20 entries");
}

static void links_are_judged(void **state)
{
    (void) state;
    assert_true(tree_link_is_safe(STR("x"), 0));
    assert_true(tree_link_is_safe(STR("./x//y/"), 0));
    assert_true(tree_link_is_safe(STR("../pkg/bin.js"), 1));
    assert_true(tree_link_is_safe(STR("../../a"), 2));
    assert_true(tree_link_is_safe(STR(".."), 1));
    assert_false(tree_link_is_safe(STR(""), 3));
    assert_false(tree_link_is_safe(STR("/var/task/x"), 3));
    assert_false(tree_link_is_safe(STR(".."), 0));
    assert_false(tree_link_is_safe(STR("../../../a"), 2));
    assert_false(tree_link_is_safe(STR("a/../b"), 2)); /* "a" may be a link to somewhere higher */
    assert_false(tree_link_is_safe(str_of("a\0b", 3), 2));
}

static void what_is_no_zip_is_refused(void **state)
{
    (void) state;
    struct tree_stats stats;
    assert_int_equal(tree_unpack("code", "t", STR("no zip"), &limits, &stats, NULL), -EINVAL);
    assert_int_equal(tree_unpack("missing", "t", STR("no zip"), &limits, &stats, NULL), -EINVAL);
    assert_int_equal(entries_in("code"), 0);
}

static bool keeps_b(void *arg, const char *name)
{
    (*(unsigned *) arg)++;
    return strcmp(name, "b") == 0;
}

static void trees_are_opened_removed_and_swept(void **state)
{
    (void) state;
    assert_ok(dir_make("code/a/x", 0700, NULL));
    assert_ok(dir_make("code/b/y", 0700, NULL));
    assert_ok(dir_make("code/c.0123456789abcdef.tmp/z", 0700, NULL));
    assert_ok(dir_make("code/d", 0700, NULL));
    int fd = -1;
    assert_ok(tree_open("code", "a", &fd, NULL));
    assert_int_equal(faccessat(fd, "x", F_OK, 0), 0);
    (void) close(fd);
    assert_int_equal(tree_open("code", "none", &fd, NULL), -ENOENT);
    assert_int_equal(symlink("a", "code/link"), 0);
    assert_int_equal(tree_open("code", "link", &fd, NULL), -ENOTDIR);

    assert_ok(tree_remove("code", "a", NULL));
    assert_ok(tree_remove("code", "a", NULL));
    assert_int_equal(tree_open("code", "a", &fd, NULL), -ENOENT);
    unsigned asked = 0;
    assert_ok(tree_sweep("code", keeps_b, &asked, NULL));
    assert_int_equal(asked, 3); /* b, d, link; the unfinished one is not asked for */
    assert_int_equal(entries_in("code"), 1);
    assert_int_equal(mode_of("code/b/y") & S_IFMT, S_IFDIR);
}

int main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
    const struct CMUnitTest tests[] = {
        IN_PLACE(a_package_is_unpacked_with_uniform_modes),
        IN_PLACE(a_taken_name_stays_as_it_is),
        IN_PLACE(hostile_packages_leave_nothing),
        IN_PLACE(bombs_are_stopped),
        IN_PLACE(links_are_judged),
        IN_PLACE(what_is_no_zip_is_refused),
        IN_PLACE(trees_are_opened_removed_and_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
