/* Certificates: made once, kept, made again in time; given ones checked. */
#include "test.h"

#include "net/tls.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const int64_t now_ms = 1764000000000, day_ms = 24 * 60 * 60 * 1000;
static char dir[64], tls_dir[80], cert_path[96], key_path[96];

static int setup(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof dir, "/tmp/virga-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void) snprintf(tls_dir, sizeof tls_dir, "%s/tls", dir);
    (void) snprintf(cert_path, sizeof cert_path, "%s/cert.pem", tls_dir);
    (void) snprintf(key_path, sizeof key_path, "%s/key.pem", tls_dir);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    assert_ok(dir_remove(AT_FDCWD, dir, NULL));
    return 0;
}

/* The certificate's text after a start at that time. */
static void start_at(int64_t ms, struct buf *out_cert)
{
    struct tls_identity *identity = NULL;
    struct err err;
    assert_ok(tls_identity_self_made(tls_dir, ms, &identity, &err));
    tls_identity_free(identity);
    buf_init(out_cert, 1 << 20);
    assert_ok(file_read(cert_path, out_cert, &err));
}

static void one_is_made_kept_and_renewed(void **state)
{
    (void) state;
    AUTO_BUF struct buf first, second, third, fourth;
    start_at(now_ms, &first);
    struct stat key;
    assert_int_equal(stat(key_path, &key), 0);
    assert_int_equal(key.st_mode & 0777, 0600);
    start_at(now_ms + 366 * day_ms, &second);
    assert_true(str_eq(buf_str(&first), buf_str(&second)));
    start_at(now_ms + 368 * day_ms, &third);
    assert_false(str_eq(buf_str(&first), buf_str(&third)));
    assert_int_equal(unlink(key_path), 0);
    start_at(now_ms + 368 * day_ms, &fourth);
    assert_false(str_eq(buf_str(&third), buf_str(&fourth)));
}

static void given_files_are_checked(void **state)
{
    (void) state;
    AUTO_BUF struct buf cert;
    struct tls_identity *identity = NULL;
    struct err err;
    start_at(now_ms, &cert);
    assert_ok(tls_identity_load(cert_path, key_path, &identity, &err));
    tls_identity_free(identity);
    identity = NULL;
    assert_int_equal(tls_identity_load(key_path, cert_path, &identity, &err), -EINVAL);
    assert_int_equal(tls_identity_load(cert_path, cert_path, &identity, &err), -EINVAL);
    assert_int_equal(tls_identity_load("/nowhere/cert.pem", key_path, &identity, &err), -ENOENT);
    char other[96];
    (void) snprintf(other, sizeof other, "%s/other.pem", dir);
    assert_int_equal(rename(cert_path, other), 0);
    struct buf again;
    start_at(now_ms, &again); /* Of its key: */
    buf_done(&again);
    assert_int_equal(tls_identity_load(other, key_path, &identity, &err), -EINVAL);
    assert_null(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_made_kept_and_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(given_files_are_checked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
