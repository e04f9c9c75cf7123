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
#include <stdarg.h>

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
    bool is_extension;
};

/* Lambda developer guide, "Lambda Extensions API": what extensions do not get. */
static bool is_withheld(const struct environment *env, struct str name)
{
    static const char *const names[] = {"_HANDLER",
                                        "AWS_EXECUTION_ENV",
                                        "AWS_LAMBDA_LOG_GROUP_NAME",
                                        "AWS_LAMBDA_LOG_STREAM_NAME",
                                        "AWS_XRAY_CONTEXT_MISSING",
                                        "AWS_XRAY_DAEMON_ADDRESS",
                                        "_AWS_XRAY_DAEMON_ADDRESS",
                                        "_AWS_XRAY_DAEMON_PORT",
                                        "LAMBDA_RUNTIME_DIR",
                                        "LAMBDA_TASK_ROOT",
                                        "VIRGA_RUNTIME_FD"};
    for (size_t i = 0; env->is_extension && i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

static void set(struct environment *env, const char *name, struct str value)
{
    if (is_withheld(env, str_from(name)))
        return;
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
    {"AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"},
    /* sandbox/netns.c: what is sent there vanishes. */
    {"_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129"},
    {"_AWS_XRAY_DAEMON_PORT", "2000"},
    {"AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"},
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

/* A variable that the function may set itself. */
static void set_default(struct environment *env, const struct function_spec *spec, const char *name,
                        struct str value)
{
    if (!is_given(spec, name))
        set(env, name, value);
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
    set(env, "AWS_LAMBDA_INITIALIZATION_TYPE",
        spec->is_snap_start ? STR("snap-start") : STR("on-demand"));
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

/* ---- what differs by the kind of runtime ---- */

enum { ARGUMENTS_MAX = 12, ARGUMENT_TEXT_MAX = 256 };

struct arguments {
    const char *items[ARGUMENTS_MAX];
    size_t count;
    char text[ARGUMENT_TEXT_MAX]; /* of items that are made up */
    size_t text_len;
};

static void argument(struct arguments *args, const char *item)
{
    assert(args->count < ARGUMENTS_MAX);
    args->items[args->count++] = item;
}

PRINTF_LIKE(2, 3) static void argument_of(struct arguments *args, const char *format, ...)
{
    char *at = args->text + args->text_len;
    size_t room = sizeof args->text - args->text_len;
    va_list values;
    va_start(values, format);
    int n = vsnprintf(at, room, format, values);
    va_end(values);
    assert(n >= 0 && (size_t) n < room);
    args->text_len += (size_t) n + 1;
    argument(args, at);
}

/* Does a variable of the function's own, which its interpreter reads options from, say this? */
static bool is_said(const struct function_spec *spec, const char *variable, const char *option)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (str_eq(spec->env[i].name, str_from(variable)) &&
            str_find_str(spec->env[i].value, str_from(option)) < spec->env[i].value.len)
            return true;
    return false;
}

/* -S: without site, which costs a third of the start; the bootstrap does its part. -s: no user
 * folder. -B: /var/task is read-only. */
static void python_arguments(struct arguments *args, const struct function_spec *spec)
{
    (void) spec;
    argument(args, "-S");
    argument(args, "-s");
    argument(args, "-B");
    argument(args, "/var/runtime/bootstrap.py");
}

/* Inside the sandbox node does not see its cgroup and would size its heap by the host's memory: the
 * kernel would end the function where a collection would have helped. 90 % and headers of 80 kB are
 * what AWS's own start scripts give; an argument would overrule the user's NODE_OPTIONS. */
static void node_arguments(struct arguments *args, const struct function_spec *spec)
{
    argument(args, "--max-http-header-size=81920");
    if (!is_said(spec, "NODE_OPTIONS", "max-old-space-size"))
        argument_of(args, "--max-old-space-size=%u", spec->memory_mb * 9 / 10);
    argument(args, "/var/runtime/bootstrap.cjs");
}

/* Without RubyGems, which costs four times the rest of a start; the bootstrap loads it when there
 * are gems. -E: no locale of the host's is to decide how files are read. */
static void ruby_arguments(struct arguments *args, const struct function_spec *spec)
{
    (void) spec;
    argument(args, "--disable-gems");
    argument(args, "-EUTF-8");
    argument(args, "/var/runtime/bootstrap.rb");
}

/* What AWS's start script gives a virtual machine: 85 % of the memory for the heap, 10 for classes,
 * 5 for compiled code; the collector without threads and the quick compiler, which start soonest.
 * An argument would overrule the user's JAVA_TOOL_OPTIONS. Without performance counters, which
 * would be a file in /tmp; the locale of the names is not there, so UTF-8 is said. */
static void java_arguments(struct arguments *args, const struct function_spec *spec)
{
    static const char options[] = "JAVA_TOOL_OPTIONS";
    unsigned kb = spec->memory_mb * 1024;
    if (!is_said(spec, options, "-Xmx") && !is_said(spec, options, "MaxHeapSize") &&
        !is_said(spec, options, "MaxRAM"))
        argument_of(args, "-XX:MaxHeapSize=%uk", kb / 100 * 85);
    if (!is_said(spec, options, "MaxMetaspaceSize"))
        argument_of(args, "-XX:MaxMetaspaceSize=%uk", kb / 10);
    if (!is_said(spec, options, "ReservedCodeCacheSize"))
        argument_of(args, "-XX:ReservedCodeCacheSize=%uk", kb / 20);
    if (!is_said(spec, options, "GC"))
        argument(args, "-XX:+UseSerialGC");
    if (!is_said(spec, options, "Tiered"))
        argument(args, "-XX:TieredStopAtLevel=1");
    argument(args, "-XX:-UsePerfData");
    argument(args, "-Dfile.encoding=UTF-8");
    argument(args, "-Dsun.jnu.encoding=UTF-8");
    argument(args, "-jar");
    argument(args, "/var/runtime/virga.jar");
}

static void no_arguments(struct arguments *args, const struct function_spec *spec)
{
    (void) args;
    (void) spec;
}

static void python_variables(struct environment *env, const struct function_spec *spec)
{
    set_default(env, spec, "PYTHONPATH", STR("/var/runtime"));
}

/* "ruby3.3" -> 3.3.0, which is how gems name the version of Ruby that they are built for. */
static void ruby_variables(struct environment *env, const struct function_spec *spec)
{
    char path[128];
    struct str version = str_skip(spec->runtime_id, str_find(spec->runtime_id, 'y') + 1);
    (void) snprintf(path, sizeof path,
                    "/var/task/vendor/bundle/ruby/" STR_FMT ".0:/opt/ruby/gems/" STR_FMT ".0",
                    STR_ARG(version), STR_ARG(version));
    set_default(env, spec, "GEM_PATH", str_from(path));
    set_default(env, spec, "RUBYLIB", STR("/var/task:/var/runtime/lib:/opt/ruby/lib"));
}

static void provided_variables(struct environment *env, const struct function_spec *spec)
{
    set_default(env, spec, "VIRGA_RUNTIME_FD", STR("3"));
}

static void no_variables(struct environment *env, const struct function_spec *spec)
{
    (void) env;
    (void) spec;
}

static const struct {
    const char *program; /* NULL: the function's bootstrap */
    void (*arguments)(struct arguments *args, const struct function_spec *spec);
    void (*variables)(struct environment *env, const struct function_spec *spec);
    bool can_be_copied; /* its bootstrap can write itself down as a snapshot */
} kinds[] = {
    [RUNTIME_PYTHON] = {"/usr/bin/python3", python_arguments, python_variables, true},
    [RUNTIME_NODE] = {"/usr/bin/node", node_arguments, no_variables, true},
    [RUNTIME_RUBY] = {"/usr/bin/ruby", ruby_arguments, ruby_variables},
    [RUNTIME_JAVA] = {"/usr/bin/java", java_arguments, no_variables},
    [RUNTIME_PROVIDED] = {NULL, no_arguments, provided_variables},
};

bool start_can_be_copied(const struct function_spec *spec)
{
    return kinds[spec->kind].can_be_copied;
}

/* A layer's bootstrap serves where the code has none. */
const char *start_program(const struct function_spec *spec)
{
    if (spec->interpreter != NULL)
        return spec->interpreter;
    if (kinds[spec->kind].program != NULL)
        return kinds[spec->kind].program;
    return spec->has_bootstrap ? "/var/task/bootstrap" : "/opt/bootstrap";
}

/* What may be overridden. */
static void put_platform(struct environment *env, const struct function_spec *spec,
                         bool has_services)
{
    for (size_t i = 0; i < ARRAY_LEN(overridable); i++)
        set_default(env, spec, overridable[i].name, str_from(overridable[i].value));
    kinds[spec->kind].variables(env, spec);
    char url[40];
    (void) snprintf(url, sizeof url, "http://127.0.0.1:%d", SANDBOX_PORT_SERVICES);
    if (has_services)
        set_default(env, spec, "AWS_ENDPOINT_URL", str_from(url));
}

static int put_environment(struct environment *env, const struct function_spec *spec,
                           const char *log_stream, bool has_services, struct err *err)
{
    buf_init(&env->text, SANDBOX_START_MAX);
    put_reserved(env, spec, log_stream);
    put_platform(env, spec, has_services);
    put_own(env, spec);
    if (!buf_is_over(&env->text))
        return 0;
    buf_done(&env->text);
    return err_say(err, -E2BIG, "the environment of " STR_FMT " is too large", STR_ARG(spec->name));
}

/* The strings, one by one; the caller's. */
static const char **pointers_of(const struct environment *env)
{
    const char **envp = NEW_ARRAY(const char *, env->count);
    const char *at = env->text.ptr;
    for (size_t i = 0; i < env->count; i++, at += strlen(at) + 1)
        envp[i] = at;
    return envp;
}

/* last_argument: NULL, or one more than usual. */
static int put_block(struct buf *out, const struct function_spec *spec, const char *log_stream,
                     bool has_services, const char *last_argument, struct err *err)
{
    struct environment env = {.is_extension = false};
    int rc = put_environment(&env, spec, log_stream, has_services, err);
    if (rc < 0)
        return rc;
    AUTO_FREE const char **envp = pointers_of(&env);
    struct arguments args = {.count = 0};
    argument(&args, start_program(spec));
    kinds[spec->kind].arguments(&args, spec);
    if (last_argument != NULL)
        argument(&args, last_argument);
    rc = sandbox_start_block(out, args.items, args.count, envp, env.count, err);
    buf_done(&env.text);
    return rc;
}

int start_block(struct buf *out, const struct function_spec *spec, const char *log_stream,
                bool has_services, struct err *err)
{
    return put_block(out, spec, log_stream, has_services, NULL, err);
}

int start_extension(struct buf *out, const struct function_spec *spec, const char *log_stream,
                    bool has_services, const char *path, struct err *err)
{
    struct environment env = {.is_extension = true};
    int rc = put_environment(&env, spec, log_stream, has_services, err);
    if (rc < 0)
        return rc;
    AUTO_FREE const char **envp = pointers_of(&env);
    rc = sandbox_start_block(out, &path, 1, envp, env.count, err);
    buf_done(&env.text);
    return rc;
}

int start_template(struct buf *out, const struct function_spec *spec, bool has_services,
                   struct err *err)
{
    assert(start_can_be_copied(spec));
    const char *kind = spec->is_runtime_alone ? "--boot"
                       : spec->is_snap_start  ? "--snapstart"
                                              : "--template";
    int rc = put_block(out, spec, "template", has_services, kind, err);
    if (rc == 0)
        sandbox_start_alone(out);
    return rc;
}

/* The restorer's START block, and behind it the RESTORE frame with these strings. */
static int put_copy(struct buf *out, struct str strings, bool is_proven, struct err *err)
{
    static const char *const argv[] = {RESTORER_PATH, RESTORER_CHECKS};
    int rc = sandbox_start_block(out, argv, is_proven ? 1 : 2, NULL, 0, err);
    if (rc < 0)
        return rc;
    unsigned char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_RESTORE, (uint32_t) strings.len, 0);
    buf_put(out, str_of(header, sizeof header));
    buf_put(out, strings);
    return buf_is_over(out) ? err_say(err, -E2BIG, "the environment is too large") : 0;
}

int start_restore(struct buf *out, const char *log_stream, bool is_proven, struct err *err)
{
    char text[128];
    int n = snprintf(text, sizeof text, "AWS_LAMBDA_LOG_STREAM_NAME=%s", log_stream);
    assert(n > 0 && (size_t) n < sizeof text);
    return put_copy(out, str_of(text, (size_t) n + 1), is_proven, err);
}

/* What the loader, the C library and the interpreter read once, when they start. */
static bool is_read_at_boot(struct str name)
{
    static const char *const prefixes[] = {"LD_", "GLIBC_",   "MALLOC_", "LANG",
                                           "LC_", "LOCPATH",  "PYTHON",  "NODE_",
                                           "UV_", "OPENSSL_", "ICU_"};
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
    bool can_boot = spec->kind == RUNTIME_PYTHON || spec->kind == RUNTIME_NODE;
    return can_boot && spec->interpreter == NULL;
}

int start_booted(struct buf *out, const struct function_spec *spec, const char *log_stream,
                 bool has_services, struct err *err)
{
    struct environment env = {.is_extension = false};
    int rc = put_environment(&env, spec, log_stream, has_services, err);
    if (rc < 0)
        return rc;
    rc = put_copy(out, buf_str(&env.text), true, err);
    buf_done(&env.text);
    return rc;
}
