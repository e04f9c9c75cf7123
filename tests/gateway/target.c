/* A gateway with one service, the tests' zoo, whose operation Bytes takes its payload in pieces.
 *
 *     gateway_target FILE [KEY-ID SECRET]      without a key: development mode
 *
 * Prints its port. POST /bytes answers "<bytes> <sha256> <greatest piece>"; a payload that begins
 * with "refuse" is refused. POST /text answers "<discarded> <answers being sent>", or, given
 * "<from> <length>", that part of FILE. */
#include "gateway/gateway.h"

#include "base/assert.h"
#include "base/mem.h"
#include "core/keys.h"
#include "core/pool.h"
#include "core/send.h"
#include "data/hash.h"
#include "gen/zoo.h"
#include "net/loop.h"
#include "net/server.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int discarded, sending;
static const char *file;
static struct pool *workers;
static struct loop *the_loop;
static struct gateway *the_gateway;

struct upload {
    struct hasher *hasher;
    uint64_t bytes;
    size_t piece_max;
};

static int bytes_take(struct op *op, const void *in, struct str bytes)
{
    (void) in;
    if (op->prepared == NULL) {
        struct upload *upload = NEW(struct upload);
        upload->hasher = hasher_new(HASH_SHA256);
        op->prepared = upload;
        if (str_starts(bytes, STR("refuse")))
            return svc_fail(op, &zoo_error_Escaped, "as you wish");
    }
    struct upload *upload = op->prepared;
    hasher_add(upload->hasher, bytes);
    upload->bytes += bytes.len;
    if (bytes.len > upload->piece_max)
        upload->piece_max = bytes.len;
    return 0;
}

static void upload_free(struct upload *upload)
{
    hasher_free(upload->hasher);
    free(upload);
}

static void bytes_discard(struct op *op)
{
    upload_free(op->prepared);
    atomic_fetch_add(&discarded, 1);
}

static void bytes_start(struct op *op, const void *in, void *out_answer)
{
    (void) in;
    struct zoo_BytesPayload *out = out_answer;
    struct upload *upload = op->prepared;
    if (upload == NULL) {
        out->Body = STR("nothing");
    } else {
        unsigned char hash[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        (void) hasher_end(upload->hasher, hash);
        hex_encode(hash, sizeof hash, hex);
        out->Body =
            arena_printf(op->arena, "%" PRIu64 " %s %zu", upload->bytes, hex, upload->piece_max);
        upload_free(upload);
    }
    op_finish(op, 0);
}

static void (*answered)(struct op *op, int rc); /* the gateway's finish */

static void sent(struct op *op, int rc)
{
    atomic_fetch_sub(&sending, 1);
    answered(op, rc);
}

static void file_send(struct op *op, struct send_range range)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0);
    atomic_fetch_add(&sending, 1);
    answered = op->finish;
    op->finish = sent;
    op_send_file(op, pool_exec(workers), fd, range);
}

static void text_start(struct op *op, const void *in_request, void *out_answer)
{
    const struct zoo_TextPayload *in = in_request;
    struct zoo_TextPayload *out = out_answer;
    struct str rest = in->Body, from;
    struct send_range range;
    if (str_split(&rest, ' ', &from) && parse_u64(from, UINT64_MAX, &range.from) == 0 &&
        parse_u64(rest, UINT64_MAX, &range.length) == 0) {
        file_send(op, range);
        return;
    }
    out->Body = arena_printf(op->arena, "%d %d", atomic_load(&discarded), atomic_load(&sending));
    op_finish(op, 0);
}

static void other_start(struct op *op, const void *in, void *out)
{
    (void) in;
    (void) out;
    op_finish(op, svc_fail(op, &zoo_error_Escaped, "not in this zoo"));
}

static const struct service_op ops[] = {
    {.model = &zoo_op_Bytes,
     .take = bytes_take,
     .discard = bytes_discard,
     .start = bytes_start,
     .body_max = (size_t) 1 << 30},
    {.model = &zoo_op_Text, .start = text_start},
    {.model = &zoo_op_Mirror, .start = other_start},
    {.model = &zoo_op_Places, .start = other_start},
    {.model = &zoo_op_Packed, .start = other_start},
    {.model = &zoo_op_Tree, .start = other_start},
    {.model = &zoo_op_Nothing, .start = other_start},
    {.model = &zoo_op_Watch, .start = other_start},
};

static int zoo_open(const struct service_env *env, void **out_state, struct db **out_db,
                    struct err *err)
{
    (void) env;
    (void) err;
    *out_state = NULL;
    *out_db = NULL;
    return 0;
}

static void zoo_close(void *state)
{
    (void) state;
}

static const struct service zoo_room = {.model = &zoo_service,
                                        .ops = ops,
                                        .op_count = ARRAY_LEN(ops),
                                        .open = zoo_open,
                                        .close = zoo_close};

static void stop_run(struct task *task)
{
    (void) task;
    loop_stop(the_loop);
}

static void on_signal(void *arg)
{
    (void) arg;
    static struct task stopped = {.run = stop_run};
    gateway_drain(the_gateway, 1000, &stopped);
}

static void on_ready(void *arg, int rc, const struct err *err)
{
    (void) rc;
    (void) err;
    printf("port %" PRIu16 "\n", *(uint16_t *) arg);
    (void) fflush(stdout);
}

static int run(int argc, char **argv, struct err *err)
{
    struct registry *registry = registry_new();
    if (loop_new(&clock_real, &the_loop, err) < 0 ||
        pool_new("worker", 2, &clock_real, &workers, err) < 0)
        return -1;
    struct exec *loops[] = {loop_exec(the_loop)};
    const struct service_env env = {.is_in_memory = true,
                                    .clock = &clock_real,
                                    .rng = &rng_real,
                                    .workers = pool_exec(workers),
                                    .loops = loops,
                                    .loop_count = 1};
    if (registry_open(registry, &zoo_room, &env, pool_exec(workers), err) < 0)
        return -1;
    struct directory *keys = NULL;
    if (argc > 3) {
        struct access_key *key = access_key_new(str_from(argv[2]), str_from(argv[3]),
                                                STR("000000000000"), STR("arn:aws:iam::0:root"));
        keys = directory_new(loops, 1);
        directory_publish(keys, key->id, &key->snapshot, NULL);
    }
    const struct gateway_config config = {.registry = registry,
                                          .loops = &the_loop,
                                          .loop_count = 1,
                                          .workers = pool_exec(workers),
                                          .clock = &clock_real,
                                          .rng = &rng_real,
                                          .keys = keys,
                                          .conns_max = 100,
                                          .in_flight_max = 100};
    int fd;
    uint16_t port;
    if (gateway_new(&config, &the_gateway, err) < 0 ||
        listen_tcp("127.0.0.1", 0, &fd, &port, err) < 0 ||
        loop_on_signal(the_loop, SIGTERM, on_signal, NULL, err) < 0)
        return -1;
    gateway_listen(the_gateway, fd, on_ready, &port);
    loop_run(the_loop);
    pool_free(workers);
    gateway_free(the_gateway);
    registry_free(registry);
    if (keys != NULL)
        directory_free(keys);
    loop_free(the_loop);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err;
    file = argc > 1 ? argv[1] : "/dev/null";
    if (run(argc, argv, &err) < 0) {
        fprintf(stderr, "gateway_target: %s\n", err.text);
        return 1;
    }
    return 0;
}
