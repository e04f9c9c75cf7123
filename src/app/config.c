/* The line is parsed as those of all commands; here its values are looked at. What is out of range
 * is refused with a message that says what is possible: a server that starts with something else
 * than it was told is worse than one that does not start. */
#include "app/config.h"

#include "app/place.h"
#include "app/serve.h"
#include "cli/cli.h"
#include "cli/options.h"

#include <arpa/inet.h>
#include <errno.h>

enum { KEEP_ALIVE_MAX_S = 24 * 3600 };
enum { MEMORY_MIN_MB = 64, MEMORY_MAX_MB = 64 * 1024 * 1024 };
enum { POOL_MAX = 1024, POOL_MAX_DEFAULT = 128 };
enum { CONCURRENCY_MAX = 1000 * 1000, CONCURRENCY_DEFAULT = 1000 }; /* the latter is AWS's */
enum { SNAPSHOT_LIMIT_MAX_MB = 1 << 30 };
enum { STREAM_LIMIT_MAX_MB = 1024 * 1024, LOOPS_MAX = 64, ASYNC_RETRY_MAX_MS = 60 * 1000 };

static int set_listen(struct serve_config *config, struct str value, struct err *err)
{
    size_t colon = value.len;
    while (colon > 0 && value.ptr[colon - 1] != ':')
        colon--;
    uint64_t port = 0;
    if (colon == 0 || parse_u64(str_skip(value, colon), UINT16_MAX, &port) < 0)
        return err_say(err, -EINVAL, "--listen wants ADDRESS:PORT, such as 127.0.0.1:4566");
    struct str host = str_head(value, colon - 1);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_of(host.ptr + 1, host.len - 2);
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (host.len >= HOST_SIZE)
        return err_say(err, -EINVAL, "--listen: the address is too long");
    char text[HOST_SIZE] = "";
    memcpy(text, host.ptr, host.len);
    struct in6_addr address;
    if (inet_pton(AF_INET, text, &address) != 1 && inet_pton(AF_INET6, text, &address) != 1)
        return err_say(err, -EINVAL, "--listen: '%s' is no numeric address", text);
    memcpy(config->host, text, sizeof text);
    config->port = (uint16_t) port;
    return 0;
}

static int set_data(struct serve_config *config, struct str value, struct err *err)
{
    if (value.len == 0)
        return err_say(err, -EINVAL, "--data wants a directory");
    config->data_dir = value.ptr; /* The tail of an argument: NUL-terminated. */
    return 0;
}

static int set_loops(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t loops;
    if (parse_u64(value, LOOPS_MAX, &loops) < 0 || loops == 0)
        return err_say(err, -EINVAL, "--loops wants a number from 1 to %d", LOOPS_MAX);
    config->loops = (unsigned) loops;
    return 0;
}

static int set_pool(struct serve_config *config, struct str value, struct err *err)
{
    size_t dash = str_find(value, '-');
    uint64_t least = 0, most = 0;
    bool is_range = dash < value.len;
    if ((is_range && parse_u64(str_head(value, dash), POOL_MAX, &least) < 0) ||
        parse_u64(is_range ? str_skip(value, dash + 1) : value, POOL_MAX, &most) < 0 ||
        least > most)
        return err_say(err, -EINVAL, "--pool wants a number up to %d, or MIN-MAX", POOL_MAX);
    config->pool_max = (unsigned) most;
    config->pool_min = is_range ? (unsigned) least : most < POOL_SIZE ? (unsigned) most : POOL_SIZE;
    return 0;
}

static int set_concurrency(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t count;
    if (parse_u64(value, CONCURRENCY_MAX, &count) < 0 || count == 0)
        return err_say(err, -EINVAL, "--concurrency wants a number from 1 to %d", CONCURRENCY_MAX);
    config->concurrency = (unsigned) count;
    return 0;
}

static int set_keep_alive(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t seconds = 0;
    if (!str_eq(value, STR("auto")) &&
        (parse_u64(value, KEEP_ALIVE_MAX_S, &seconds) < 0 || seconds == 0))
        return err_say(err, -EINVAL, "--keep-alive wants auto, or seconds from 1 to %d",
                       KEEP_ALIVE_MAX_S);
    config->keep_alive_ms = (int64_t) seconds * 1000;
    return 0;
}

static int set_memory(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t mb;
    if (parse_u64(value, MEMORY_MAX_MB, &mb) < 0 || mb < MEMORY_MIN_MB)
        return err_say(err, -EINVAL, "--memory wants megabytes from %d to %d", MEMORY_MIN_MB,
                       MEMORY_MAX_MB);
    config->memory_max = mb << 20;
    return 0;
}

static int set_async_retry(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t ms;
    if (parse_u64(value, ASYNC_RETRY_MAX_MS, &ms) < 0 || ms == 0)
        return err_say(err, -EINVAL, "--async-retry wants milliseconds from 1 to %d",
                       ASYNC_RETRY_MAX_MS);
    config->async_retry_ms = (int64_t) ms;
    return 0;
}

static int set_stream_limit(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t mb;
    if (parse_u64(value, STREAM_LIMIT_MAX_MB, &mb) < 0 || mb == 0)
        return err_say(err, -EINVAL, "--stream-limit wants a number of MB from 1 to %d",
                       STREAM_LIMIT_MAX_MB);
    config->stream_bytes_max = mb * 1024 * 1024;
    return 0;
}

static int set_log_level(struct serve_config *config, struct str value, struct err *err)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(value, str_from(names[i]))) {
            config->log_level = (enum log_level) i;
            return 0;
        }
    }
    return err_say(err, -EINVAL, "--log-level wants error, warn, info or debug");
}

static int set_snapshots(struct serve_config *config, struct str value, struct err *err)
{
    config->has_snapshots = str_eq(value, STR("on"));
    if (!config->has_snapshots && !str_eq(value, STR("off")))
        return err_say(err, -EINVAL, "--snapshots wants on or off");
    return 0;
}

static int set_snapshot_limit(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t mb;
    if (parse_u64(value, SNAPSHOT_LIMIT_MAX_MB, &mb) < 0 || mb == 0)
        return err_say(err, -EINVAL, "--snapshot-limit wants a number of MB from 1 to %d",
                       SNAPSHOT_LIMIT_MAX_MB);
    config->snapshot_bytes_max = mb << 20;
    return 0;
}

static int set_network(struct serve_config *config, struct str value, struct err *err)
{
    config->has_egress = str_eq(value, STR("internet"));
    if (!config->has_egress && !str_eq(value, STR("platform")))
        return err_say(err, -EINVAL, "--network wants platform or internet");
    return 0;
}

/* On a developer's own machine functions are his own; anywhere else less must be asked for. */
static int set_isolation(struct serve_config *config, struct str value, struct err *err)
{
    config->accepts_reduced = str_eq(value, STR("reduced"));
    if (!config->accepts_reduced && !str_eq(value, STR("full")))
        return err_say(err, -EINVAL, "--isolation wants full or reduced");
    return 0;
}

static int list_add(struct str list[HOSTS_MAX], size_t *count, struct str value, const char *option,
                    struct err *err)
{
    if (value.len == 0 || *count == HOSTS_MAX)
        return err_say(err, -EINVAL, "%s wants a name, at most %d of them", option, HOSTS_MAX);
    list[(*count)++] = value;
    return 0;
}

static int set_lists(struct serve_config *config, const struct option_list *hosts,
                     const struct option_list *origins, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < hosts->count; i++)
        rc = list_add(config->allow_hosts, &config->allow_host_count, str_from(hosts->items[i]),
                      "--allow-host", err);
    for (size_t i = 0; rc == 0 && i < origins->count; i++)
        rc = list_add(config->allow_origins, &config->allow_origin_count,
                      str_from(origins->items[i]), "--allow-origin", err);
    return rc;
}

/* The words of the line; NULL: not given. */
struct words {
    const char *listen, *data, *loops, *pool, *memory, *concurrency, *keep_alive, *log_level,
        *async_retry, *snapshots, *snapshot_limit, *stream_limit, *network, *isolation;
    struct option_list hosts, origins;
};

static int check(const struct words *words, struct serve_config *config, struct err *err)
{
    const struct {
        const char *word;
        int (*set)(struct serve_config *config, struct str value, struct err *err);
    } rows[] = {
        {words->listen, set_listen},
        {words->data, set_data},
        {words->loops, set_loops},
        {words->pool, set_pool},
        {words->memory, set_memory},
        {words->keep_alive, set_keep_alive},
        {words->log_level, set_log_level},
        {words->async_retry, set_async_retry},
        {words->snapshots, set_snapshots},
        {words->stream_limit, set_stream_limit},
        {words->network, set_network},
        {words->isolation, set_isolation},
        {words->concurrency, set_concurrency},
        {words->snapshot_limit, set_snapshot_limit},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = rows[i].word == NULL ? 0 : rows[i].set(config, str_from(rows[i].word), err);
        if (rc < 0)
            return rc;
    }
    if (words->isolation == NULL)
        config->accepts_reduced = config->is_dev;
    if ((config->tls_cert == NULL) != (config->tls_key == NULL))
        return err_say(err, -EINVAL, "--tls-cert and --tls-key belong together");
    if (config->async_retry_ms > 0 && !config->is_dev)
        return err_say(err, -EINVAL, "--async-retry is for development: say --dev, too");
    return set_lists(config, &words->hosts, &words->origins, err);
}

int serve_config_parse(int argc, char **argv, struct serve_config *out_config)
{
    struct words words = {0};
    struct serve_config config = {.host = "127.0.0.1",
                                  .port = 4566,
                                  .log_level = LOG_INFO,
                                  .pool_min = POOL_SIZE,
                                  .pool_max = POOL_MAX_DEFAULT,
                                  .concurrency = CONCURRENCY_DEFAULT,
                                  .has_snapshots = true};
    const struct cli_option options[] = {
        /* tidy: long, a row for each option */
        {"--dev", OPTION_FLAG, &config.is_dev, NULL,
         "accept any credentials; a 12-digit access key is the account"},
        {"--strict", OPTION_FLAG, &config.is_strict, NULL,
         "reject what would be stored without effect (docs/services says what)"},
        {"--listen", OPTION_TEXT, &words.listen, "ADDR:PORT",
         "127.0.0.1:4566 by default; port 0 lets the system choose"},
        {"--data", OPTION_TEXT, &words.data, "DIR",
         "where everything is kept; " PLACE_DEFAULT_TEXT " by default"},
        {"--async-retry", OPTION_TEXT, &words.async_retry, "MS",
         "with --dev: wait that long, not a minute, after an asynchronous call\n"
         "has failed; the other waits shrink alike"},
        {"--loops", OPTION_TEXT, &words.loops, "N", "event loops; one up to four CPUs by default"},
        {"--stream-limit", OPTION_TEXT, &words.stream_limit, "MB",
         "size of a streamed answer; AWS's 200 by default"},
        {"--keep-alive", OPTION_TEXT, &words.keep_alive, "auto|SECONDS",
         "time that an idle instance is kept; auto: by when its function has been\n"
         "called so far, five minutes where that tells nothing"},
        {"--concurrency", OPTION_TEXT, &words.concurrency, "N",
         "calls of an account that may be in flight in a region, waiting ones\n"
         "included; AWS's 1000 by default"},
        {"--memory", OPTION_TEXT, &words.memory, "MB",
         "of all instances together, as measured, and of what is made in advance;\n"
         "the latter and then idle ones go before it is passed; three quarters of\n"
         "what is available at the start by default"},
        {"--pool", OPTION_TEXT, &words.pool, "[MIN-]MAX",
         "sandboxes kept ready, half a megabyte each: as many as bursts lately\n"
         "wanted, between these; 8-128 by default. With a MIN of its size the\n"
         "first burst finds them, too"},
        {"--network", OPTION_TEXT, &words.network, "platform|internet",
         "what functions reach: AWS_ENDPOINT_URL, the default, or the public\n"
         "internet besides (not this host, nor private networks)"},
        {"--isolation", OPTION_TEXT, &words.isolation, "full|reduced",
         "reduced: start, too, where functions cannot have hard limits or users\n"
         "of their own (docs/rootless.md); the default with --dev, else full"},
        {"--snapshots", OPTION_TEXT, &words.snapshots, "on|off",
         "start functions from snapshots of their initialised processes; on by\n"
         "default"},
        {"--snapshot-limit", OPTION_TEXT, &words.snapshot_limit, "MB",
         "of disk for all snapshots together, the least used go first; 4096 by\n"
         "default"},
        {"--log-level", OPTION_TEXT, &words.log_level, "error|warn|info|debug", "info by default"},
        {"--allow-host", OPTION_LIST, &words.hosts, "NAME",
         "a further Host to answer to, or .domain (repeatable)"},
        {"--allow-origin", OPTION_LIST, &words.origins, "URL",
         "a web origin whose pages may use this server (repeatable)"},
        {"--tls-cert", OPTION_TEXT, &config.tls_cert, "FILE",
         "certificate chain (PEM) for https on the same port; self-made by\n"
         "default, in DIR/data/tls/cert.pem"},
        {"--tls-key", OPTION_TEXT, &config.tls_key, "FILE", "its key"},
    };
    const struct cli_syntax syntax = {
        .command = "serve",
        .summary = "Runs the server. Requests must be signed by a key that Virga issued; the first "
                   "start\nprints the root's.",
        .arguments = "",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .scope = CLI_LOCAL,
        .exit_codes = "0 stopped as asked, 1 could not start or broke, 2 wrong usage",
    };
    struct cli_common common = {0};
    struct err err;
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    if (check(&words, &config, &err) < 0) {
        (void) fprintf(stderr, "virga serve: %s; see: virga serve --help\n", err.text);
        return CLI_USAGE;
    }
    *out_config = config;
    return CLI_PARSED;
}
