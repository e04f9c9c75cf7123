/* Guessing. Rules, in this order:
 *
 *   bootstrap at the top                        provided.al2023
 *   the first file at the top, in this order:   lambda_function, handler, main, app, index
 *   (.py before .mjs, .cjs, .js, .rb), else the only source file at the top
 *   the function in it:                         lambda_handler, handler, main, else the first
 *                                               one that takes (event, context)
 *
 * A wrong guess costs a second of the user's time, so nothing cleverer is tried: no imports are
 * followed, nothing is run. */
#include "cli/guess.h"

#include "base/buf.h"
#include "data/zip.h"
#include "os/interpreters.h"

#include <errno.h>

enum { SOURCE_MAX = 1 << 20 };

static const char *const stems[] = {"lambda_function", "handler", "main", "app", "index"};
static const char *const function_names[] = {"lambda_handler", "handler", "main"};

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct str leading_word(struct str text)
{
    size_t len = 0;
    while (len < text.len && is_word(text.ptr[len]))
        len++;
    return str_head(text, len);
}

/* The better of two names, by function_names' order; `first` where neither is in it. */
static struct str prefer(struct str best, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(function_names); i++) {
        if (str_eq(best, str_from(function_names[i])))
            return best;
        if (str_eq(name, str_from(function_names[i])))
            return name;
    }
    return best.ptr != NULL ? best : STR_NONE;
}

/* True for "(event, context" in some spelling: two parameters that a handler would have. */
static bool looks_like_handler(struct str parameters)
{
    struct str inner = str_head(parameters, str_find(parameters, ')'));
    return str_find_str(inner, STR("event")) < inner.len && str_find(inner, ',') < inner.len;
}

struct str guess_python_function(struct str source)
{
    struct str rest = source, line, best = STR_NONE;
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, STR("async ")))
            continue; /* AWS's runtime calls plain functions */
        struct str name = STR_NONE;
        if (str_starts(line, STR("def "))) {
            name = leading_word(str_skip(line, strlen("def ")));
            if (best.ptr == NULL && looks_like_handler(line))
                best = name;
        } else if (str_find_str(line, STR("handler = ")) < line.len) {
            name = leading_word(line); /* lambda_handler = api.handle */
        }
        if (name.len > 0)
            best = prefer(best, name);
    }
    return best;
}

struct str guess_node_function(struct str source)
{
    static const char *const prefixes[] = {"exports.", "module.exports.", "export const ",
                                           "export async function ", "export function "};
    struct str rest = source, line, best = STR_NONE;
    while (str_split(&rest, '\n', &line)) {
        for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
            if (!str_starts(line, str_from(prefixes[i])))
                continue;
            struct str name = leading_word(str_skip(line, strlen(prefixes[i])));
            if (best.ptr == NULL && name.len > 0)
                best = name;
            best = prefer(best, name);
        }
    }
    return best;
}

struct str guess_ruby_function(struct str source)
{
    struct str rest = source, line, best = STR_NONE;
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, STR("def ")) && str_find_str(line, STR("event:")) < line.len) {
            struct str name = leading_word(str_skip(line, strlen("def ")));
            best = prefer(best.ptr == NULL ? name : best, name);
        }
    }
    return best;
}

struct language {
    const char *suffix;
    enum interpreter_kind kind;
    struct str (*function)(struct str source);
};

static const struct language languages[] = {
    {".py", INTERPRETER_PYTHON, guess_python_function},
    {".mjs", INTERPRETER_NODE, guess_node_function},
    {".cjs", INTERPRETER_NODE, guess_node_function},
    {".js", INTERPRETER_NODE, guess_node_function},
    {".rb", INTERPRETER_RUBY, guess_ruby_function},
};

/* The id of the version that the host has, if it is one that AWS gave an id. */
static struct str runtime_of(struct arena *arena, enum interpreter_kind kind,
                             const struct interpreters *host)
{
    static const struct {
        const char *otherwise, *prefix;
        unsigned oldest, newest;
    } ids[] = {
        [INTERPRETER_PYTHON] = {"python3.12", "python3.", 308, 314},
        [INTERPRETER_NODE] = {"nodejs22.x", "nodejs", 1600, 2400},
        [INTERPRETER_RUBY] = {"ruby3.4", "ruby3.", 302, 304},
    };
    unsigned version = 0;
    for (size_t i = 0; host != NULL && i < host->count; i++)
        if (host->items[i].kind == kind && (version == 0 || host->items[i].is_usual))
            version = host->items[i].version;
    bool is_odd = kind == INTERPRETER_NODE && version / 100 % 2 == 1;
    if (version < ids[kind].oldest || version > ids[kind].newest || is_odd)
        return str_from(ids[kind].otherwise);
    return kind == INTERPRETER_NODE ? arena_printf(arena, "%s%u.x", ids[kind].prefix, version / 100)
                                    : arena_printf(arena, "%s%u", ids[kind].prefix, version % 100);
}

/* How good a file is: lower is better; SIZE_MAX: not a source file at the top. */
static size_t rank_of(struct str name, const struct language **out_language)
{
    if (str_find(name, '/') < name.len)
        return SIZE_MAX;
    for (size_t l = 0; l < ARRAY_LEN(languages); l++) {
        struct str suffix = str_from(languages[l].suffix);
        if (!str_ends(name, suffix))
            continue;
        *out_language = &languages[l];
        struct str stem = str_head(name, name.len - suffix.len);
        for (size_t i = 0; i < ARRAY_LEN(stems); i++) {
            if (str_eq(stem, str_from(stems[i])))
                return i * ARRAY_LEN(languages) + l;
        }
        return ARRAY_LEN(stems) * ARRAY_LEN(languages) + l;
    }
    return SIZE_MAX;
}

struct best {
    size_t rank;
    bool is_shared; /* another file is as good: no guess */
    struct guess guess;
};

static int read_source(struct zip_reader *zip, struct buf *out, struct err *err)
{
    char step[4096];
    size_t n;
    int rc;
    while ((rc = zip_read(zip, step, sizeof step, &n, err)) == 0 && n > 0)
        buf_put(out, str_of(step, n));
    return rc;
}

static int consider(struct arena *arena, struct zip_reader *zip, const struct zip_entry *entry,
                    const struct interpreters *host, struct best *best, struct err *err)
{
    const struct language *language;
    size_t rank = rank_of(entry->name, &language);
    if (rank == SIZE_MAX || rank > best->rank)
        return 0;
    if (rank == best->rank) {
        best->is_shared = true;
        return 0;
    }
    AUTO_BUF struct buf source;
    buf_init(&source, SOURCE_MAX);
    struct str stem = str_head(entry->name, entry->name.len - strlen(language->suffix));
    *best = (struct best){.rank = rank, .guess.runtime = runtime_of(arena, language->kind, host)};
    int rc = read_source(zip, &source, err);
    struct str function = language->function(buf_str(&source));
    if (rc == 0 && function.ptr != NULL)
        best->guess.handler =
            arena_printf(arena, STR_FMT "." STR_FMT, STR_ARG(stem), STR_ARG(function));
    return rc;
}

int guess_package(struct arena *arena, struct str zip, const struct interpreters *host,
                  struct guess *out_guess, struct err *err)
{
    AUTO_ZIP_READER struct zip_reader *reader = NULL;
    int rc = zip_open(zip, &reader, err);
    struct best best = {.rank = SIZE_MAX};
    struct zip_entry entry;
    while (rc == 0 && (rc = zip_next(reader, &entry, err)) > 0) {
        if (entry.kind != ZIP_FILE) {
            rc = 0;
        } else if (str_eq(entry.name, STR("bootstrap"))) {
            *out_guess = (struct guess){STR("provided.al2023"), STR("bootstrap")};
            return 0;
        } else {
            rc = consider(arena, reader, &entry, host, &best, err);
        }
    }
    if (rc < 0)
        return rc;
    *out_guess = best.is_shared ? (struct guess){0} : best.guess;
    return 0;
}

struct str guess_name(struct arena *arena, const char *path)
{
    struct str name = str_from(path);
    while (name.len > 1 && name.ptr[name.len - 1] == '/')
        name.len--;
    for (size_t slash; (slash = str_find(name, '/')) < name.len;)
        name = str_skip(name, slash + 1);
    if (str_ends(name, STR(".zip")))
        name.len -= strlen(".zip");
    char *clean = arena_alloc(arena, 65);
    size_t len = 0;
    for (size_t i = 0; i < name.len && len < 64; i++)
        clean[len++] = is_word(name.ptr[i]) || name.ptr[i] == '-' ? name.ptr[i] : '-';
    return str_of(clean, len);
}
