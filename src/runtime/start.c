/* What an instance is started with: the program and the environment, as AWS documents them
 * (Lambda developer guide, "Defined runtime environment variables").
 *
 * The function's own variables come after the ones that may be overridden (PATH, LANG, ...) and
 * never replace a reserved one: the API refuses those, and what slips through is dropped here. The
 * credentials are placeholders: the only services within reach know the caller by his socket.
 * AWS_LAMBDA_RUNTIME_API names the address where official runtime clients of a custom runtime find
 * api.c; the bootstraps of our own use descriptor 3, which VIRGA_RUNTIME_FD names to a custom
 * runtime. AWS_ENDPOINT_URL is the function's own door to the platform's services. */
#include "runtime/runtime_int.h"

#include "base/mem.h"
#include "data/time.h"
#include "os/random.h"
#include "restorer/restorer.h"

#include <errno.h>

enum { OWN_VARIABLES_MAX = 32 };

/* "2026/11/20/[$LATEST]0123456789abcdef0123456789abcdef" */
void start_log_stream(char *out, size_t size, const struct function_spec *spec, int64_t utc_ms)
{
    struct civil day;
    time_civil(utc_ms, &day);
    (void) snprintf(out, size, "%04d/%02d/%02d/[" STR_FMT "]%016llx%016llx", (int) day.year,
                    day.month, day.day, STR_ARG(spec->version),
                    (unsigned long long) rng_u64(&rng_real),
                    (unsigned long long) rng_u64(&rng_real));
}

struct environment {
    struct buf text; /* the strings, each with its NUL */
    size_t count;
};

static void set(struct environment *env, const char *name, struct str value)
{
    buf_printf(&env->text, "%s=", name);
    buf_put(&env->text, value);
    buf_put_char(&env->text, '\0');
    env->count++;
}

static const char *const reserved[] = {"_HANDLER",
                                       "_X_AMZN_TRACE_ID",
                                       "AWS_DEFAULT_REGION",
                                       "AWS_REGION",
                                       "AWS_EXECUTION_ENV",
                                       "AWS_LAMBDA_FUNCTION_NAME",
                                       "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                       "AWS_LAMBDA_FUNCTION_VERSION",
                                       "AWS_LAMBDA_INITIALIZATION_TYPE",
                                       "AWS_LAMBDA_LOG_FORMAT",
                                       "AWS_LAMBDA_LOG_GROUP_NAME",
                                       "AWS_LAMBDA_LOG_LEVEL",
                                       "AWS_LAMBDA_LOG_STREAM_NAME",
                                       "AWS_ACCESS_KEY",
                                       "AWS_ACCESS_KEY_ID",
                                       "AWS_SECRET_ACCESS_KEY",
                                       "AWS_SESSION_TOKEN",
                                       "AWS_LAMBDA_RUNTIME_API",
                                       "LAMBDA_TASK_ROOT",
                                       "LAMBDA_RUNTIME_DIR"};

static const struct {
    const char *name, *value;
} overridable[] = {
    {"LANG", "en_US.UTF-8"},
    {"PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"},
    {"LD_LIBRARY_PATH", "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:"
                        "/opt/lib"},
    {"TZ", ":UTC"},
};

static bool is_reserved(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_eq(name, str_from(reserved[i])))
            return true;
    return false;
}

static bool is_given(const struct function_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (str_eq(spec->env[i].name, str_from(name)))
            return true;
    return false;
}

static void put_reserved(struct environment *env, const struct function_spec *spec,
                         const char *log_stream)
{
    char memory[16], execution[80], address[24];
    (void) snprintf(memory, sizeof memory, "%u", spec->memory_mb);
    (void) snprintf(execution, sizeof execution, "AWS_Lambda_" STR_FMT, STR_ARG(spec->runtime_id));
    set(env, "_HANDLER", spec->handler);
    set(env, "AWS_REGION", spec->region);
    set(env, "AWS_DEFAULT_REGION", spec->region);
    if (spec->kind != RUNTIME_PROVIDED) /* AWS sets none there */
        set(env, "AWS_EXECUTION_ENV", str_from(execution));
    set(env, "AWS_LAMBDA_FUNCTION_NAME", spec->name);
    set(env, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_from(memory));
    set(env, "AWS_LAMBDA_FUNCTION_VERSION", spec->version);
    set(env, "AWS_LAMBDA_INITIALIZATION_TYPE", STR("on-demand"));
    set(env, "AWS_LAMBDA_LOG_FORMAT", spec->is_log_json ? STR("JSON") : STR("Text"));
    if (spec->is_log_json)
        set(env, "AWS_LAMBDA_LOG_LEVEL", spec->app_log_level);
    set(env, "AWS_LAMBDA_LOG_GROUP_NAME", spec->log_group);
    set(env, "AWS_LAMBDA_LOG_STREAM_NAME", str_from(log_stream));
    (void) snprintf(address, sizeof address, "127.0.0.1:%d", SANDBOX_PORT_RUNTIME_API);
    set(env, "AWS_LAMBDA_RUNTIME_API", str_from(address));
    set(env, "AWS_ACCESS_KEY_ID", spec->account);
    set(env, "AWS_SECRET_ACCESS_KEY", STR("test"));
    set(env, "AWS_SESSION_TOKEN", STR("test"));
    set(env, "LAMBDA_TASK_ROOT", STR("/var/task"));
    set(env, "LAMBDA_RUNTIME_DIR", STR("/var/runtime"));
}

static void put_own(struct environment *env, const struct function_spec *spec)
{
    for (size_t i = 0; i < spec->env_count; i++) {
        struct str name = spec->env[i].name, value = spec->env[i].value;
        if (is_reserved(name) || name.len == 0 || str_find(name, '=') < name.len ||
            str_find(name, '\0') < name.len || str_find(value, '\0') < value.len)
            continue; /* nothing that an environment can hold */
        buf_put(&env->text, name);
        buf_put_char(&env->text, '=');
        buf_put(&env->text, value);
        buf_put_char(&env->text, '\0');
        env->count++;
    }
}

/* -S: without site, which costs a third of the start; the bootstrap does its part. -s: no user
 * folder. -B: /var/task is read-only. */
static const char *const python_argv[] = {"/usr/bin/python3", "-S", "-s", "-B",
                                          "/var/runtime/bootstrap.py"};
enum { PYTHON_ARGC = ARRAY_LEN(python_argv) };

enum { ARGV_MAX = 8, NODE_HEAP_SIZE = 40 };

static bool sizes_heap_itself(const struct function_spec *spec)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (str_eq(spec->env[i].name, STR("NODE_OPTIONS")) &&
            str_find_str(spec->env[i].value, STR("max-old-space-size")) < spec->env[i].value.len)
            return true;
    return false;
}

/* Inside the sandbox node does not see its cgroup and would size its heap by the host's memory: the
 * kernel would end the function where a collection would have helped. 90 % and headers of 80 kB are
 * what AWS's own start scripts give; an argument would overrule the user's NODE_OPTIONS. */
static size_t node_argv(const char *argv[ARGV_MAX], char heap[NODE_HEAP_SIZE],
                        const struct function_spec *spec)
{
    size_t count = 0;
    argv[count++] = "/usr/bin/node";
    argv[count++] = "--max-http-header-size=81920";
    (void) snprintf(heap, NODE_HEAP_SIZE, "--max-old-space-size=%u", spec->memory_mb * 9 / 10);
    if (!sizes_heap_itself(spec))
        argv[count++] = heap;
    argv[count++] = "/var/runtime/bootstrap.cjs";
    assert(count <= ARGV_MAX);
    return count;
}

/* What differs by the kind of runtime, and may be overridden. */
static void put_platform(struct environment *env, const struct function_spec *spec,
                         bool has_services)
{
    for (size_t i = 0; i < ARRAY_LEN(overridable); i++)
        if (!is_given(spec, overridable[i].name))
            set(env, overridable[i].name, str_from(overridable[i].value));
    if (spec->kind == RUNTIME_PYTHON && !is_given(spec, "PYTHONPATH"))
        set(env, "PYTHONPATH", STR("/var/runtime"));
    if (spec->kind == RUNTIME_PROVIDED && !is_given(spec, "VIRGA_RUNTIME_FD"))
        set(env, "VIRGA_RUNTIME_FD", STR("3"));
    char url[40];
    (void) snprintf(url, sizeof url, "http://127.0.0.1:%d", SANDBOX_PORT_SERVICES);
    if (has_services && !is_given(spec, "AWS_ENDPOINT_URL"))
        set(env, "AWS_ENDPOINT_URL", str_from(url));
}

/* A layer's bootstrap serves where the code has none. */
const char *start_program(const struct function_spec *spec)
{
    switch (spec->kind) {
    case RUNTIME_PYTHON: return python_argv[0];
    case RUNTIME_NODE: return "/usr/bin/node";
    case RUNTIME_PROVIDED: break;
    }
    return spec->has_bootstrap ? "/var/task/bootstrap" : "/opt/bootstrap";
}

static int put_environment(struct environment *env, const struct function_spec *spec,
                           const char *log_stream, bool has_services, struct err *err)
{
    env->count = 0;
    buf_init(&env->text, SANDBOX_START_MAX);
    put_reserved(env, spec, log_stream);
    put_platform(env, spec, has_services);
    put_own(env, spec);
    if (!buf_is_over(&env->text))
        return 0;
    buf_done(&env->text);
    return err_say(err, -E2BIG, "the environment of " STR_FMT " is too large", STR_ARG(spec->name));
}

/* last_argument: NULL, or one more than usual. */
static int put_block(struct buf *out, const struct function_spec *spec, const char *log_stream,
                     bool has_services, const char *last_argument, struct err *err)
{
    struct environment env;
    int rc = put_environment(&env, spec, log_stream, has_services, err);
    if (rc < 0)
        return rc;
    AUTO_FREE const char **envp = NEW_ARRAY(const char *, env.count);
    const char *at = env.text.ptr;
    for (size_t i = 0; i < env.count; i++, at += strlen(at) + 1)
        envp[i] = at;
    char heap[NODE_HEAP_SIZE];
    const char *argv[ARGV_MAX];
    size_t argc = 0;
    switch (spec->kind) {
    case RUNTIME_PYTHON:
        memcpy(argv, python_argv, sizeof python_argv);
        argc = PYTHON_ARGC;
        break;
    case RUNTIME_NODE: argc = node_argv(argv, heap, spec); break;
    case RUNTIME_PROVIDED: argv[argc++] = start_program(spec); break;
    }
    if (last_argument != NULL)
        argv[argc++] = last_argument;
    assert(argc <= ARGV_MAX);
    rc = sandbox_start_block(out, argv, argc, envp, env.count, err);
    buf_done(&env.text);
    return rc;
}

int start_block(struct buf *out, const struct function_spec *spec, const char *log_stream,
                bool has_services, struct err *err)
{
    return put_block(out, spec, log_stream, has_services, NULL, err);
}

int start_template(struct buf *out, const struct function_spec *spec, bool has_services,
                   struct err *err)
{
    assert(spec->kind != RUNTIME_PROVIDED);
    const char *kind = spec->is_runtime_alone ? "--boot" : "--template";
    int rc = put_block(out, spec, "template", has_services, kind, err);
    if (rc == 0)
        sandbox_start_alone(out);
    return rc;
}

/* The restorer's START block, and behind it the RESTORE frame with these strings. */
static int put_copy(struct buf *out, struct str strings, struct err *err)
{
    static const char *const argv[] = {RESTORER_PATH};
    int rc = sandbox_start_block(out, argv, ARRAY_LEN(argv), NULL, 0, err);
    if (rc < 0)
        return rc;
    unsigned char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_RESTORE, (uint32_t) strings.len, 0);
    buf_put(out, str_of(header, sizeof header));
    buf_put(out, strings);
    return buf_is_over(out) ? err_say(err, -E2BIG, "the environment is too large") : 0;
}

int start_restore(struct buf *out, const char *log_stream, struct err *err)
{
    char text[128];
    int n = snprintf(text, sizeof text, "AWS_LAMBDA_LOG_STREAM_NAME=%s", log_stream);
    assert(n > 0 && (size_t) n < sizeof text);
    return put_copy(out, str_of(text, (size_t) n + 1), err);
}

/* What the loader, the C library and the interpreter read once, when they start. */
static bool is_read_at_boot(struct str name)
{
    static const char *const prefixes[] = {"LD_", "GLIBC_",  "MALLOC_", "LANG",
                                           "LC_", "LOCPATH", "PYTHON"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, str_from(prefixes[i])))
            return true;
    return false;
}

bool start_can_boot_early(const struct function_spec *spec)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (is_read_at_boot(spec->env[i].name))
            return false;
    return spec->kind == RUNTIME_PYTHON;
}

int start_booted(struct buf *out, const struct function_spec *spec, const char *log_stream,
                 bool has_services, struct err *err)
{
    struct environment env;
    int rc = put_environment(&env, spec, log_stream, has_services, err);
    if (rc < 0)
        return rc;
    rc = put_copy(out, buf_str(&env.text), err);
    buf_done(&env.text);
    return rc;
}
