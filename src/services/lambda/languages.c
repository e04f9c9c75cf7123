/* Runtimes: from an id of AWS's to an interpreter of this host.
 *
 * An id promises a version ("python3.12"), the host has what it has. The exact one is taken where
 * it is there; else a newer one, since languages mostly take older code; else the newest. Whoever
 * has not got what the id says is told wherever he looks: in the answer of the API
 * (RuntimeVersionConfig.Error), by virga deploy and describe, and in the log at each init. In
 * strict mode it is refused. */
#include "services/lambda/languages.h"

#include "base/assert.h"
#include "base/buf.h"
#include "gen/lambda.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"

/* AWS withdrew the versions below `oldest`, or no Debian has them. Versions as in interpreters.h.
 */
static const struct language {
    const char *family;
    unsigned oldest;
    const char *newest;
    enum runtime_kind kind;
    enum interpreter_kind interpreter; /* not of RUNTIME_PROVIDED */
    const char *package;               /* Debian's */
} languages[] = {
    {"python", 308, "python3.12", RUNTIME_PYTHON, INTERPRETER_PYTHON, "python3"},
    {"nodejs", 1600, "nodejs22.x", RUNTIME_NODE, INTERPRETER_NODE, "nodejs"},
    {"ruby", 302, "ruby3.4", RUNTIME_RUBY, INTERPRETER_RUBY, "ruby"},
    {"java", 800, "java25", RUNTIME_JAVA, INTERPRETER_JAVA,
     "default-jdk-headless, build Virga again"},
    {"go", UINT32_MAX, "provided.al2023", RUNTIME_PROVIDED, 0, NULL},
    {"provided", 0, "provided.al2023", RUNTIME_PROVIDED, 0, NULL},
};

static const struct language *language_of(struct str runtime)
{
    for (size_t i = 0; i < ARRAY_LEN(languages); i++)
        if (str_starts(runtime, str_from(languages[i].family)))
            return &languages[i];
    return NULL;
}

/* "python3.12" -> 312, "nodejs22.x" -> 2200, "java8.al2" -> 800; 0: older than numbers are
 * ("nodejs"), or of no language. */
static unsigned version_of(const struct language *language, struct str runtime)
{
    struct str rest = str_skip(runtime, strlen(language->family)), number;
    unsigned version = 0;
    for (unsigned unit = 100; unit > 0 && str_split(&rest, '.', &number); unit /= 100) {
        uint64_t n;
        if (parse_u64(number, 99, &n) < 0)
            break; /* "x", "al2" */
        version += (unsigned) n * unit;
    }
    return version;
}

enum runtime_kind lambda_runtime_kind(struct str runtime)
{
    const struct language *language = language_of(runtime);
    assert(language != NULL);
    return language->kind;
}

static struct str runtime_names(struct arena *arena)
{
    struct buf names;
    buf_init(&names, 8192);
    for (uint32_t i = 0; i < lambda_shape_Runtime.enum_count; i++)
        buf_printf(&names, "%s" STR_FMT, i == 0 ? "" : ", ",
                   STR_ARG(lambda_shape_Runtime.enum_values[i]));
    struct str copy = arena_str(arena, buf_str(&names));
    buf_done(&names);
    return copy;
}

/* NULL: none is needed, or none is there. */
static const struct interpreter *interpreter_of(const struct interpreters *host,
                                                const struct language *language, struct str runtime)
{
    if (host == NULL || language->kind == RUNTIME_PROVIDED)
        return NULL;
    return interpreters_pick(host, language->interpreter, version_of(language, runtime));
}

static int check_host(struct op *op, const struct language *language, struct str runtime)
{
    const struct lambda_state *state = op->state;
    if (state == NULL || state->interpreters == NULL || language->kind == RUNTIME_PROVIDED)
        return 0;
    const struct interpreter *found = interpreter_of(state->interpreters, language, runtime);
    char wanted[INTERPRETER_NAME_MAX], there[INTERPRETER_NAME_MAX];
    unsigned version = version_of(language, runtime);
    interpreter_name(wanted, language->interpreter, version);
    if (found == NULL)
        return svc_fail(op, MSG_RUNTIME_MISSING, STR_ARG(runtime), wanted, language->package);
    if (found->version == version || !state->is_strict)
        return 0;
    interpreter_name(there, language->interpreter, found->version);
    return svc_fail(op, MSG_RUNTIME_STRICT, wanted, STR_ARG(runtime), there);
}

int lambda_check_runtime(struct op *op, struct str runtime)
{
    if (lambda_Runtime_find(runtime) == 0)
        return svc_fail(op, MSG_RUNTIME, STR_ARG(runtime), STR_ARG(runtime_names(op->arena)));
    const struct language *language = language_of(runtime);
    if (language == NULL)
        return svc_fail(op, MSG_RUNTIME_NONE, STR_ARG(runtime));
    if (version_of(language, runtime) < language->oldest)
        return svc_fail(op, MSG_RUNTIME_OLD, STR_ARG(runtime), language->newest);
    return check_host(op, language, runtime);
}

const char *lambda_runtime_program(const struct interpreters *host, struct str runtime)
{
    const struct interpreter *found = interpreter_of(host, language_of(runtime), runtime);
    return found == NULL || found->is_usual ? NULL : found->path;
}

struct str lambda_runtime_note(struct arena *arena, const struct interpreters *host,
                               struct str runtime)
{
    const struct language *language = language_of(runtime);
    unsigned version = version_of(language, runtime);
    const struct interpreter *found = interpreter_of(host, language, runtime);
    if (host == NULL || language->kind == RUNTIME_PROVIDED ||
        (found != NULL && found->version == version))
        return STR_NONE;
    char wanted[INTERPRETER_NAME_MAX], there[INTERPRETER_NAME_MAX];
    interpreter_name(wanted, language->interpreter, version);
    if (found == NULL)
        return arena_printf(arena, "%s is not installed on this host: the function cannot run.",
                            wanted);
    interpreter_name(there, language->interpreter, found->version);
    return arena_printf(arena, "%s is not installed on this host: %s runs the function.", wanted,
                        there);
}
