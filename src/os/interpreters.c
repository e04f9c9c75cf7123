/* Where Debian and the builds of others put interpreters:
 *
 *     /usr/bin/python3.11          the version is the name's
 *     /usr/bin/ruby3.1             the same
 *     /usr/bin/node                one at a time; it is asked
 *     /usr/lib/jvm/X/bin/java      /usr/lib/jvm/X/release has JAVA_VERSION="17.0.15"
 *
 * Links are names of what is there anyway (java-1.17.0-openjdk), so of virtual machines only
 * directories count. */
#include "os/interpreters.h"

#include "base/assert.h"
#include "base/buf.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* "3.11" -> 311, "17.0.15" -> 1700 when minors do not count; 0: no version. */
static unsigned version_of(struct str text, bool has_minor)
{
    struct str major, minor;
    uint64_t hundreds, units = 0;
    struct str rest = text;
    if (!str_split(&rest, '.', &major) || parse_u64(major, 999, &hundreds) < 0)
        return 0;
    if (has_minor && (!str_split(&rest, '.', &minor) || parse_u64(minor, 99, &units) < 0))
        return 0;
    return (unsigned) (hundreds * 100 + units);
}

/* Do both names lead to one file? */
static bool is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static const char *const usual[] = {
    [INTERPRETER_PYTHON] = "/usr/bin/python3",
    [INTERPRETER_NODE] = "/usr/bin/node",
    [INTERPRETER_RUBY] = "/usr/bin/ruby",
    [INTERPRETER_JAVA] = "/usr/bin/java",
};

static void add(struct interpreters *found, enum interpreter_kind kind, unsigned version,
                const char *root, const char *path)
{
    char full[PATH_MAX], link[PATH_MAX];
    struct interpreter *item = &found->items[found->count];
    (void) snprintf(full, sizeof full, "%s%s", root, path);
    int n = snprintf(item->path, sizeof item->path, "%s", path);
    if (version == 0 || n < 0 || (size_t) n >= sizeof item->path || access(full, X_OK) < 0)
        return;
    (void) snprintf(link, sizeof link, "%s%s", root, usual[kind]);
    item->is_usual = is_same(full, link);
    item->kind = kind;
    item->version = version;
    found->count++;
}

/* ---- those that tell by a name ---- */

static void look_at_name(struct interpreters *found, const char *root, const char *name)
{
    static const struct {
        struct str prefix;
        enum interpreter_kind kind;
    } names[] = {{STR_INIT("python"), INTERPRETER_PYTHON}, {STR_INIT("ruby"), INTERPRETER_RUBY}};
    char path[INTERPRETER_PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str rest = str_from(name);
        if (!str_starts(rest, names[i].prefix))
            continue;
        rest = str_skip(rest, names[i].prefix.len);
        bool is_plain = str_find(rest, '-') == rest.len && str_find(rest, 'm') == rest.len;
        int n = snprintf(path, sizeof path, "/usr/bin/%s", name);
        if (is_plain && n > 0 && (size_t) n < sizeof path)
            add(found, names[i].kind, version_of(rest, true), root, path);
    }
}

/* ---- Java ---- */

static unsigned java_version(const char *release_path)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 64 * 1024);
    if (file_read(release_path, &text, NULL) < 0)
        return 0;
    static const struct str key = STR_INIT("JAVA_VERSION=\"");
    struct str rest = buf_str(&text), line;
    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, key))
            continue;
        line = str_skip(line, key.len);
        struct str version = str_head(line, str_find(line, '"'));
        if (str_starts(version, STR("1."))) /* "1.8.0_402" */
            version = str_skip(version, 2);
        return version_of(version, false);
    }
    return 0;
}

static void look_at_machine(struct interpreters *found, const char *root, const char *name)
{
    char release[PATH_MAX], path[INTERPRETER_PATH_MAX];
    (void) snprintf(release, sizeof release, "%s/usr/lib/jvm/%s/release", root, name);
    int n = snprintf(path, sizeof path, "/usr/lib/jvm/%s/bin/java", name);
    if (n > 0 && (size_t) n < sizeof path)
        add(found, INTERPRETER_JAVA, java_version(release), root, path);
}

/* ---- */

static void look_below(struct interpreters *found, const char *root, const char *folder,
                       void (*look)(struct interpreters *, const char *, const char *),
                       bool only_folders)
{
    char path[PATH_MAX];
    (void) snprintf(path, sizeof path, "%s%s", root, folder);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (struct dirent *entry;
         found->count < INTERPRETERS_MAX - 1 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' && (!only_folders || entry->d_type == DT_DIR))
            look(found, root, entry->d_name);
    (void) closedir(dir);
}

static void ask_node(struct interpreters *found, const char *root)
{
    char path[PATH_MAX];
    char option[] = "--version", *argv[] = {path, option, NULL};
    int fds[2];
    posix_spawn_file_actions_t actions;
    (void) snprintf(path, sizeof path, "%s/usr/bin/node", root);
    if (access(path, X_OK) < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        rc = rc != 0 ? rc : posix_spawn(&found->node_pid, path, &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
    }
    (void) close(fds[1]);
    found->node_fd = fds[0];
    if (rc == 0)
        return;
    (void) close(fds[0]);
    found->node_pid = 0;
}

static int by_version(const void *a, const void *b)
{
    const struct interpreter *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->version < y->version ? -1 : x->version > y->version;
}

void interpreters_begin(struct interpreters *found, const char *root)
{
    *found = (struct interpreters){.root = root, .node_fd = -1};
    look_below(found, root, "/usr/bin", look_at_name, false);
    look_below(found, root, "/usr/lib/jvm", look_at_machine, true);
    ask_node(found, root);
}

void interpreters_end(struct interpreters *found)
{
    char answer[64];
    ssize_t n = 0;
    if (found->node_pid != 0) {
        n = read(found->node_fd, answer, sizeof answer);
        (void) waitpid(found->node_pid, NULL, 0);
        (void) close(found->node_fd);
        found->node_pid = 0;
    }
    if (n > 1 && answer[0] == 'v') /* "v20.19.2\n"; /usr/bin/node itself was seen to be there */
        add(found, INTERPRETER_NODE, version_of(str_of(answer + 1, (size_t) n - 1), false),
            found->root, "/usr/bin/node");
    found->root = NULL;
    qsort(found->items, found->count, sizeof found->items[0], by_version);
}

void interpreters_forget(struct interpreters *found, enum interpreter_kind kind)
{
    size_t kept = 0;
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i].kind != kind)
            found->items[kept++] = found->items[i];
    found->count = kept;
}

const struct interpreter *interpreters_pick(const struct interpreters *found,
                                            enum interpreter_kind kind, unsigned version)
{
    const struct interpreter *newest = NULL;
    for (size_t i = 0; i < found->count; i++) {
        const struct interpreter *item = &found->items[i];
        if (item->kind != kind)
            continue;
        if (item->version >= version)
            return item;
        newest = item;
    }
    return newest;
}

void interpreter_name(char out[INTERPRETER_NAME_MAX], enum interpreter_kind kind, unsigned version)
{
    static const char *const names[] = {"Python", "Node.js", "Ruby", "Java"};
    bool has_minor = kind == INTERPRETER_PYTHON || kind == INTERPRETER_RUBY;
    int n = has_minor ? snprintf(out, INTERPRETER_NAME_MAX, "%s %u.%u", names[kind], version / 100,
                                 version % 100)
                      : snprintf(out, INTERPRETER_NAME_MAX, "%s %u", names[kind], version / 100);
    assert(n > 0 && n < INTERPRETER_NAME_MAX);
}
