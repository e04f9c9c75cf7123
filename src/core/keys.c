/* The root key's file holds two lines, access key and secret, in the forms that AWS uses: "AKIA"
 * and 16 characters of base32, and 40 characters of base64. The root's account is 000000000000. */
#include "core/keys.h"

#include "base/mem.h"
#include "data/base64.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>

enum { ID_SIZE = 20, SECRET_SIZE = 40, SECRET_RANDOM = 30, PATH_SIZE = 4096 };

static struct str text_own(struct str text)
{
    return str_of(mem_copy(text.ptr, text.len), text.len);
}

static void access_key_free(struct snapshot *snapshot)
{
    struct access_key *key = CONTAINER_OF(snapshot, struct access_key, snapshot);
    explicit_bzero((char *) key->secret.ptr, key->secret.len);
    free((char *) key->id.ptr);
    free((char *) key->secret.ptr);
    free((char *) key->account.ptr);
    free((char *) key->principal.ptr);
    free(key);
}

struct access_key *access_key_new(struct str id, struct str secret, struct str account,
                                  struct str principal)
{
    struct access_key *key = NEW(struct access_key);
    snapshot_init(&key->snapshot, access_key_free);
    key->id = text_own(id);
    key->secret = text_own(secret);
    key->account = text_own(account);
    key->principal = text_own(principal);
    return key;
}

struct access_key *access_key_find(struct directory *keys, size_t loop, struct str id)
{
    struct snapshot *snapshot = directory_find(keys, loop, id);
    return snapshot == NULL ? NULL : CONTAINER_OF(snapshot, struct access_key, snapshot);
}

static void root_key_draw(struct rng *rng, struct buf *out)
{
    unsigned char random[SECRET_RANDOM];
    rng_fill(rng, random, sizeof random);
    buf_put(out, STR("AKIA"));
    for (size_t i = 0; i < ID_SIZE - 4; i++)
        buf_put_char(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random[i] & 31]);
    buf_put_char(out, '\n');
    rng_fill(rng, random, sizeof random);
    base64_encode(out, str_of(random, sizeof random));
    buf_put_char(out, '\n');
    explicit_bzero(random, sizeof random);
}

static int root_key_parse(struct str text, struct access_key **out_key)
{
    struct str id, secret, rest = text;
    if (!str_split(&rest, '\n', &id) || !str_split(&rest, '\n', &secret) || rest.len != 0 ||
        id.len != ID_SIZE || secret.len != SECRET_SIZE)
        return -EBADMSG;
    *out_key =
        access_key_new(id, secret, STR("000000000000"), STR("arn:aws:iam::000000000000:root"));
    return 0;
}

int root_key_open(const char *dir, struct rng *rng, struct access_key **out_key, bool *out_is_new,
                  struct err *err)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/root-key", dir) >= (int) sizeof path)
        return err_say(err, -ENAMETOOLONG, "the data directory's path is too long");
    AUTO_BUF struct buf text;
    buf_init(&text, ID_SIZE + SECRET_SIZE + 64);
    int rc = file_read(path, &text, err);
    bool is_new = rc == -ENOENT;
    if (is_new) {
        buf_reset(&text);
        root_key_draw(rng, &text);
        rc = file_write_durable(AT_FDCWD, path, buf_str(&text), 0600, err);
    }
    if (rc < 0)
        return err_wrap(err, "root key");
    rc = root_key_parse(buf_str(&text), out_key);
    explicit_bzero(text.ptr, text.len);
    if (rc < 0)
        return err_say(err, rc, "'%s' does not hold an access key and its secret", path);
    *out_is_new = is_new;
    return 0;
}
