/* Options as a table; every one is `--name value` or `--name=value`, or a flag. Unknown options and
 * values out of range are refused with a message that says what is possible: a server that starts
 * with something else than it was told is worse than one that does not start. */
#include "app/config.h"

#include <arpa/inet.h>
#include <errno.h>

const char serve_usage[] =
    "usage: virga serve [options]\n"
    "\n"
    "Requests must be signed by a key that Virga issued; the first start prints the root's.\n"
    "\n"
    "  --dev                 accept any credentials; a 12-digit access key is the account\n"
    "  --strict              reject what would be stored without effect (docs/services says what)\n"
    "  --listen ADDR:PORT    127.0.0.1:4566 by default; port 0 lets the system choose\n"
    "  --data DIR            where everything is kept; /var/lib/virga by default\n"
    "  --async-retry MS      with --dev: wait that long, not a minute, after an asynchronous call\n"
    "                        has failed; the other waits shrink alike\n"
    "  --loops N             event loops; one up to four CPUs by default\n"
    "  --snapshots on|off    start Python functions from snapshots; off by default\n"
    "  --log-level LEVEL     error, warn, info or debug\n"
    "  --allow-host NAME     a further Host to answer to, or .domain (repeatable)\n"
    "  --allow-origin URL    a web origin whose pages may use this server (repeatable)\n"
    "  --tls-cert FILE       certificate chain (PEM) for https on the same port; self-made by\n"
    "  --tls-key FILE        default, in DIR/data/tls/cert.pem\n";

enum { LOOPS_MAX = 64, ASYNC_RETRY_MAX_MS = 60 * 1000 };

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

static int set_async_retry(struct serve_config *config, struct str value, struct err *err)
{
    uint64_t ms;
    if (parse_u64(value, ASYNC_RETRY_MAX_MS, &ms) < 0 || ms == 0)
        return err_say(err, -EINVAL, "--async-retry wants milliseconds from 1 to %d",
                       ASYNC_RETRY_MAX_MS);
    config->async_retry_ms = (int64_t) ms;
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

static int list_add(struct str list[HOSTS_MAX], size_t *count, struct str value, const char *option,
                    struct err *err)
{
    if (value.len == 0 || *count == HOSTS_MAX)
        return err_say(err, -EINVAL, "%s wants a name, at most %d of them", option, HOSTS_MAX);
    list[(*count)++] = value;
    return 0;
}

static int set_allow_host(struct serve_config *config, struct str value, struct err *err)
{
    return list_add(config->allow_hosts, &config->allow_host_count, value, "--allow-host", err);
}

static int set_allow_origin(struct serve_config *config, struct str value, struct err *err)
{
    return list_add(config->allow_origins, &config->allow_origin_count, value, "--allow-origin",
                    err);
}

static int set_tls_cert(struct serve_config *config, struct str value, struct err *err)
{
    if (value.len == 0)
        return err_say(err, -EINVAL, "--tls-cert wants a file");
    config->tls_cert = value.ptr; /* The tail of an argument: NUL-terminated. */
    return 0;
}

static int set_tls_key(struct serve_config *config, struct str value, struct err *err)
{
    if (value.len == 0)
        return err_say(err, -EINVAL, "--tls-key wants a file");
    config->tls_key = value.ptr; /* As above. */
    return 0;
}

static const struct option {
    struct str name;
    int (*set)(struct serve_config *config, struct str value, struct err *err);
} options[] = {
    {STR_INIT("--listen"), set_listen},
    {STR_INIT("--data"), set_data},
    {STR_INIT("--loops"), set_loops},
    {STR_INIT("--log-level"), set_log_level},
    {STR_INIT("--tls-cert"), set_tls_cert},
    {STR_INIT("--tls-key"), set_tls_key},
    {STR_INIT("--allow-host"), set_allow_host},
    {STR_INIT("--allow-origin"), set_allow_origin},
    {STR_INIT("--async-retry"), set_async_retry},
    {STR_INIT("--snapshots"), set_snapshots},
};

static const struct option *option_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (str_eq(options[i].name, name))
            return &options[i];
    }
    return NULL;
}

int serve_config_parse(int argc, char **argv, struct serve_config *out_config, struct err *err)
{
    struct serve_config config = {
        .host = "127.0.0.1", .port = 4566, .data_dir = "/var/lib/virga", .log_level = LOG_INFO};
    for (int i = 1; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        if (str_eq(arg, STR("--dev"))) {
            config.is_dev = true;
            continue;
        }
        if (str_eq(arg, STR("--strict"))) {
            config.is_strict = true;
            continue;
        }
        if (str_eq(arg, STR("--help")) || str_eq(arg, STR("-h"))) {
            config.wants_help = true;
            continue;
        }
        size_t eq = str_find(arg, '=');
        const struct option *option = option_find(str_head(arg, eq));
        if (option == NULL)
            return err_say(err, -EINVAL, "unknown option '%s'", argv[i]);
        if (eq == arg.len && i + 1 == argc)
            return err_say(err, -EINVAL, "%s wants a value", argv[i]);
        struct str value = eq < arg.len ? str_skip(arg, eq + 1) : str_from(argv[++i]);
        int rc = option->set(&config, value, err);
        if (rc < 0)
            return rc;
    }
    if ((config.tls_cert == NULL) != (config.tls_key == NULL))
        return err_say(err, -EINVAL, "--tls-cert and --tls-key belong together");
    if (config.async_retry_ms > 0 && !config.is_dev)
        return err_say(err, -EINVAL, "--async-retry is for development: say --dev, too");
    *out_config = config;
    return 0;
}
