/* Reading hostile archives and writing our own. */
#include "test.h"

#include "data/zip.h"
#include "zip_make.h"

#include <errno.h>

/* Reads everything; the code of the first failure, or the number of entries. */
static int read_all(struct str bytes, struct buf *out_listing, struct err *err)
{
    AUTO_ZIP_READER struct zip_reader *reader = NULL;
    int rc = zip_open(bytes, &reader, err), count = 0;
    if (rc < 0)
        return rc;
    struct zip_entry entry;
    while ((rc = zip_next(reader, &entry, err)) > 0) {
        count++;
        buf_printf(out_listing, "%c%s " STR_FMT, "fdl"[entry.kind], entry.is_executable ? "x" : "",
                   STR_ARG(entry.name));
        if (entry.kind == ZIP_LINK)
            buf_printf(out_listing, " -> " STR_FMT, STR_ARG(entry.link));
        buf_put_char(out_listing, entry.kind == ZIP_FILE ? '=' : '\n');
        if (entry.kind != ZIP_FILE)
            continue;
        char step[7];
        size_t n;
        while ((rc = zip_read(reader, step, sizeof step, &n, err)) == 0 && n > 0)
            buf_put(out_listing, str_of(step, n));
        if (rc < 0)
            return rc;
        buf_put_char(out_listing, '\n');
    }
    return rc < 0 ? rc : count;
}

static void expect_entry_refused(const struct zip_make_entry *entry, const char *reason)
{
    struct zip_make z;
    zip_make_init(&z);
    zip_make_add(&z, entry);
    AUTO_BUF struct buf listing;
    buf_init(&listing, 1 << 20);
    struct err err = {0};
    int rc = read_all(zip_make_end(&z), &listing, &err);
    if (rc != -EINVAL)
        fail_msg("'%s' gave %d, read: %s", entry->name, rc, listing.ptr);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s': \"%s\" does not say \"%s\"", entry->name, err.text, reason);
    zip_make_done(&z);
}

static void an_ordinary_archive_is_read(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    zip_make_mode(&z, "./", "", 040755);
    zip_make_file(&z, "index.py", "def handler(e, c): pass\n");
    zip_make_mode(&z, "pkg/", "", 040755);
    zip_make_mode(&z, "pkg/run", "#!/bin/sh\n", 0100755);
    zip_make_mode(&z, "pkg/link", "../index.py", 0120777);
    zip_make_file(&z, "./gr\xc3\xbc\xc3\x9f.txt", "");
    zip_make_add(&z, &(struct zip_make_entry){.name = "dos.txt", .data = STR("dos")});
    zip_make_add(&z, &(struct zip_make_entry){
                         .name = "big.txt", .data = STR("64"), .mode = 0100600, .is_zip64 = true});
    AUTO_BUF struct buf listing;
    buf_init(&listing, 1 << 20);
    struct err err = {0};
    int rc = read_all(zip_make_end(&z), &listing, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_str(buf_str(&listing), "f index.py=def handler(e, c): pass\n\n"
                                  "dx pkg\n"
                                  "fx pkg/run=#!/bin/sh\n\n"
                                  "lx pkg/link -> ../index.py\n"
                                  "f gr\xc3\xbc\xc3\x9f.txt=\n"
                                  "f dos.txt=dos\n"
                                  "f big.txt=64\n");
    zip_make_done(&z);
}

static void foreign_bytes_in_front_are_skipped(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    zip_make_file(&z, "a", "1");
    zip_make_file(&z, "b", "2");
    struct str plain = zip_make_end(&z);
    AUTO_BUF struct buf bytes, listing;
    buf_init(&bytes, 1 << 20);
    buf_init(&listing, 1 << 20);
    buf_put(&bytes, STR("#!/usr/bin/env python3\n"));
    buf_put(&bytes, plain);
    struct err err = {0};
    if (read_all(buf_str(&bytes), &listing, &err) != 2)
        fail_msg("%s", err.text);
    assert_str(buf_str(&listing), "f a=1\nf b=2\n");
    zip_make_done(&z);
}

static void what_is_no_archive_is_refused(void **state)
{
    (void) state;
    static const struct str cases[] = {STR_INIT(""),
                                       STR_INIT("P"),
                                       STR_INIT("hello"),
                                       STR_INIT("PK\3\4 broken"),
                                       STR_INIT("\x1f\x8b\x08 this is gzip"),
                                       STR_INIT("PK\5\6")};
    AUTO_BUF struct buf listing;
    buf_init(&listing, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        int rc = read_all(cases[i], &listing, &err);
        if (rc != -EINVAL)
            fail_msg("case %zu gave %d", i, rc);
        assert_true(err.text[0] != '\0');
    }
}

static void an_empty_archive_has_no_entries(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    AUTO_BUF struct buf listing;
    buf_init(&listing, 1 << 20);
    assert_int_equal(read_all(zip_make_end(&z), &listing, NULL), 0);
    zip_make_done(&z);
}

static void hostile_entries_are_refused(void **state)
{
    (void) state;
#define NAMED(n)                                                                                   \
    &(struct zip_make_entry)                                                                       \
    {                                                                                              \
        .name = n, .data = STR("x"), .mode = 0100644, .flags = 1 << 11                             \
    }
    static const char *const names[] = {"/etc/passwd", "../up",       "a/../../up", "a/..",
                                        "..",          "a//b",        "a/./b",      "bell\a",
                                        "line\nfeed",  "bad\xff\xfe", "del\x7f"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_entry_refused(NAMED(names[i]), "name");
    char longest[ZIP_PART_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    expect_entry_refused(NAMED(longest), "unsafe");
    char deep[2 * ZIP_DEPTH_MAX + 2];
    for (size_t i = 0; i < sizeof deep - 1; i++)
        deep[i] = i % 2 == 0 ? 'd' : '/';
    deep[sizeof deep - 1] = '\0';
    expect_entry_refused(NAMED(deep), "unsafe");

    expect_entry_refused(&(struct zip_make_entry){.name = "link", .mode = 0120777}, "link");
    expect_entry_refused(
        &(struct zip_make_entry){
            .name = "e", .data = STR("0123456789abc"), .mode = 0100644, .flags = 1},
        "encrypted");
    expect_entry_refused(
        &(struct zip_make_entry){.name = "m", .data = STR("x"), .mode = 0100644, .method = 12},
        "compression");
    expect_entry_refused(
        &(struct zip_make_entry){.name = "c", .data = STR("x"), .mode = 0100644, .crc_xor = 1},
        "CRC");
    expect_entry_refused(
        &(struct zip_make_entry){.name = "d", .data = STR("x"), .mode = 0100644, .method = 8},
        "read ZIP data");
    expect_entry_refused(
        &(struct zip_make_entry){
            .name = "s", .data = STR("x"), .mode = 0100644, .size_add = 100000},
        "ZIP");
}

static void devices_are_refused_or_plain_files(void **state)
{
    (void) state;
    static const unsigned types[] = {020644, 060644, 010644, 0140644};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct zip_make z;
        zip_make_init(&z);
        zip_make_mode(&z, "dev", "", types[i]);
        AUTO_BUF struct buf listing;
        buf_init(&listing, 1 << 20);
        int rc = read_all(zip_make_end(&z), &listing, NULL);
        assert_true(rc == -EINVAL || rc == 1);
        assert_str(buf_str(&listing), rc == 1 ? "f dev=\n" : "");
        zip_make_done(&z);
    }
}

static void names_are_judged(void **state)
{
    (void) state;
    assert_true(zip_name_is_safe(STR("a")));
    assert_true(zip_name_is_safe(STR("a/b/.hidden/..c/d..")));
    assert_true(zip_name_is_safe(STR("with blank/\xe2\x82\xac")));
    assert_true(zip_name_is_safe(STR("back\\slash")));
    assert_false(zip_name_is_safe(STR("")));
    assert_false(zip_name_is_safe(STR("a/")));
    assert_false(zip_name_is_safe(str_of("a\0b", 3)));
}

static void truncation_anywhere_is_no_success(void **state)
{
    (void) state;
    struct zip_make z;
    zip_make_init(&z);
    zip_make_file(&z, "one", "first");
    zip_make_file(&z, "two", "second");
    struct str whole = zip_make_end(&z);
    AUTO_BUF struct buf listing;
    buf_init(&listing, 1 << 20);
    for (size_t len = 0; len < whole.len; len++) {
        if (read_all(str_head(whole, len), &listing, NULL) >= 0)
            fail_msg("%zu of %zu bytes were read as an archive", len, whole.len);
    }
    zip_make_done(&z);
}

static void what_is_written_is_read_back(void **state)
{
    (void) state;
    AUTO_BUF struct buf one, two, listing;
    buf_init(&one, 1 << 20);
    buf_init(&two, 1 << 20);
    buf_init(&listing, 1 << 20);
    for (int round = 0; round < 2; round++) {
        AUTO_ZIP_WRITER struct zip_writer *w = NULL;
        assert_ok(zip_writer_new(round == 0 ? &one : &two, &w, NULL));
        assert_ok(zip_writer_file(w, STR("lambda_function.py"), STR("pass\n"), false, NULL));
        assert_ok(zip_writer_file(w, STR("bin/\xc3\xa4"), STR(""), true, NULL));
        assert_ok(zip_writer_link(w, STR("bin/l"), STR("\xc3\xa4"), NULL));
        assert_ok(zip_writer_end(w, NULL));
    }
    assert_true(str_eq(buf_str(&one), buf_str(&two))); /* no times, no randomness */
    struct err err = {0};
    if (read_all(buf_str(&one), &listing, &err) != 3)
        fail_msg("%s", err.text);
    assert_str(buf_str(&listing),
               "f lambda_function.py=pass\n\nfx bin/\xc3\xa4=\nlx bin/l -> \xc3\xa4\n");
}

static void a_full_buffer_is_an_error(void **state)
{
    (void) state;
    AUTO_BUF struct buf small;
    buf_init(&small, 100);
    AUTO_ZIP_WRITER struct zip_writer *w = NULL;
    struct err err = {0};
    assert_ok(zip_writer_new(&small, &w, NULL));
    int rc = zip_writer_file(w,
                             STR("name-of-a-file-that-is-not-short-at-all-and-goes-on-and-on-and-on"
                                 "-until-it-alone-is-longer-than-the-buffer"),
                             STR("x"), false, &err);
    if (rc == 0)
        rc = zip_writer_end(w, &err);
    assert_int_equal(rc, -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_archive_is_read),
        cmocka_unit_test(foreign_bytes_in_front_are_skipped),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test(an_empty_archive_has_no_entries),
        cmocka_unit_test(hostile_entries_are_refused),
        cmocka_unit_test(devices_are_refused_or_plain_files),
        cmocka_unit_test(names_are_judged),
        cmocka_unit_test(truncation_anywhere_is_no_success),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
