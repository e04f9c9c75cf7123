/* The hierarchies of a host, and our parent in each.
 *
 * In version 2 a group with controllers for its children must hold no process itself. Where the
 * group we started in is such a leaf (a systemd service, a session), the parent goes beside it:
 * the nearest ancestor that has, or accepts, the controllers in cgroup.subtree_control.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/cgroups.rst, cgroup-v2.rst. */
#include "sandbox/cgroup_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>

enum { LEFTOVER_WAIT_MS = 5000 };

/* ---- finding the hierarchies ---- */

static bool list_has(struct str list, const char *word)
{
    struct str part;
    while (str_split(&list, ',', &part))
        if (str_eq(part, str_from(word)))
            return true;
    return false;
}

/* Our path in a hierarchy, from lines "4:memory:/a/b" and "0::/a/b". controller "": version 2. */
static struct str own_path(struct str own, const char *controller)
{
    struct str line, field;
    while (str_split(&own, '\n', &line)) {
        struct str list;
        if (!str_split(&line, ':', &field) || !str_split(&line, ':', &list))
            continue;
        if (controller[0] == '\0' ? str_is_empty(list) : list_has(list, controller))
            return line;
    }
    return STR_NONE;
}

/* One line of mountinfo: "36 35 98:0 /root /point opts [optional...] - type source super". */
struct mount_line {
    struct str root, point, type, super;
};

static bool mount_line_parse(struct str line, struct mount_line *out)
{
    struct str field, rest = line;
    for (int i = 0; i < 5; i++) {
        if (!str_split(&rest, ' ', &field))
            return false;
        if (i == 3)
            out->root = field;
        if (i == 4)
            out->point = field;
    }
    while (str_split(&rest, ' ', &field))
        if (str_eq(field, STR("-")))
            break;
    return str_split(&rest, ' ', &out->type) && str_split(&rest, ' ', &field) &&
           str_split(&rest, ' ', &out->super);
}

/* The mount that holds a controller; "" asks for version 2. */
static bool mount_find(struct str mounts, const char *controller, struct mount_line *out)
{
    bool is_v2 = controller[0] == '\0';
    struct str line;
    while (str_split(&mounts, '\n', &line)) {
        if (!mount_line_parse(line, out))
            continue;
        if (is_v2 ? str_eq(out->type, STR("cgroup2"))
                  : str_eq(out->type, STR("cgroup")) && list_has(out->super, controller))
            return true;
    }
    return false;
}

/* Mount point + own path, less the part of the path that the mount hides (a container's mount
 * shows a subtree only). */
static int base_path(char *out, size_t size, const struct mount_line *mount, struct str own)
{
    if (own.ptr == NULL)
        return -ENOENT;
    if (!str_eq(mount->root, STR("/")) && str_starts(own, mount->root))
        own = str_skip(own, mount->root.len);
    if (str_eq(own, STR("/")))
        own = STR("");
    int n = snprintf(out, size, STR_FMT STR_FMT, STR_ARG(mount->point), STR_ARG(own));
    return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

/* Does version 2 offer the controller here? */
static bool unified_offers(const char *base, const char *controller)
{
    char path[600], text[512];
    (void) snprintf(path, sizeof path, "%s/cgroup.controllers", base);
    int n = cgroup_file_read(AT_FDCWD, path, text, sizeof text);
    if (n < 0)
        return false;
    struct str rest = str_trim(str_of(text, (size_t) n)), word;
    while (str_split(&rest, ' ', &word))
        if (str_eq(str_head(word, str_find(word, '\n')), str_from(controller)))
            return true;
    return false;
}

int cgroup_detect(struct str mounts, struct str own, struct cgroup_tree *out_tree, struct err *err)
{
    struct cgroup_tree tree = {.next = 1};
    struct mount_line mount;
    for (int i = 0; i < CGROUP_PARTS; i++) {
        tree.parts[i].parent_fd = -1;
        tree.parts[i].same_as = (enum cgroup_part) i;
    }
    if (!mount_find(mounts, "", &mount))
        return err_say(err, -ENOTSUP, "no cgroup2 file system is mounted");
    char *unified = tree.parts[CGROUP_UNIFIED].base;
    if (base_path(unified, sizeof tree.parts[0].base, &mount, own_path(own, "")) < 0)
        return err_say(err, -ENOTSUP, "own path in cgroup2 is unknown");
    (void) snprintf(tree.unified_point, sizeof tree.unified_point, STR_FMT, STR_ARG(mount.point));
    struct str options = mount.super, option;
    while (str_split(&options, ',', &option))
        if (!str_eq(option, STR("rw")) && !str_eq(option, STR("ro"))) {
            size_t at = strlen(tree.unified_options);
            (void) snprintf(tree.unified_options + at, sizeof tree.unified_options - at,
                            STR_FMT ",", STR_ARG(option));
        }
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        const char *name = cgroup_drivers[i][CGROUP_V1].name;
        if (mount_find(mounts, name, &mount)) {
            tree.parts[i].driver = &cgroup_drivers[i][CGROUP_V1];
            if (base_path(tree.parts[i].base, sizeof tree.parts[i].base, &mount,
                          own_path(own, name)) < 0)
                return err_say(err, -ENOTSUP, "own path of cgroup controller %s is unknown", name);
        } else if (unified_offers(unified, name)) {
            tree.parts[i].driver = &cgroup_drivers[i][CGROUP_V2];
            tree.parts[i].same_as = CGROUP_UNIFIED;
        } else {
            return err_say(err, -ENOTSUP, "cgroup controller %s is not available", name);
        }
        for (int j = 0; j < i; j++) /* Hierarchies that hold several of our controllers. */
            if (tree.parts[i].driver->is_v1 && strcmp(tree.parts[i].base, tree.parts[j].base) == 0)
                tree.parts[i].same_as = (enum cgroup_part) j;
    }
    *out_tree = tree;
    return 0;
}

/* ---- the parents ---- */

/* Enables every controller that lives in version 2 for the children of dir. */
static int unified_enable(const struct cgroup_tree *tree, int dir_fd, struct err *err)
{
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        if (tree->parts[i].driver->is_v1)
            continue;
        char text[24];
        (void) snprintf(text, sizeof text, "+%s", tree->parts[i].driver->name);
        int rc = cgroup_file_write(dir_fd, "cgroup.subtree_control", text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Opens `base` or, where processes in it forbid controllers for children, the nearest ancestor
 * that takes them; shortens base to what was opened. */
static int unified_open_base(const struct cgroup_tree *tree, char *base, struct err *err)
{
    for (;;) {
        AUTO_CLOSE int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return err_set(err, -errno, "open cgroup '%s'", base);
        int rc = unified_enable(tree, fd, err);
        if (rc == 0)
            return take_fd(&fd);
        char *slash = strrchr(base, '/');
        if (rc != -EBUSY || slash == NULL || slash == base)
            return err_wrap(err, "enable controllers in '%s'", base);
        *slash = '\0';
        if (faccessat(AT_FDCWD, base, F_OK, 0) < 0)
            return err_set(err, -errno, "open cgroup '%s'", base);
    }
}

/* Calls fn for each group below a parent; stops at the first error. */
static int each_group(int parent_fd, int (*fn)(int parent_fd, const char *name, struct err *err),
                      struct err *err)
{
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "list cgroups");
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int rc = err_set(err, -errno, "list cgroups");
        (void) close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            rc = fn(parent_fd, entry->d_name, err);
    (void) closedir(dir);
    return rc;
}

/* Waits, bounded, until nothing lives in a version 2 group; its events file reports changes. */
static int wait_empty(int dir_fd, const char *name, struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open cgroup.events of %s", name);
    for (int waited_ms = 0; waited_ms < LEFTOVER_WAIT_MS; waited_ms += 100) {
        char text[128];
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n < 0)
            return err_set(err, -errno, "read cgroup.events of %s", name);
        text[n] = '\0';
        if (strstr(text, "populated 0") != NULL)
            return 0;
        struct pollfd change = {.fd = fd, .events = POLLPRI};
        (void) poll(&change, 1, 100); /* Woken or not, the file is read again. */
    }
    return err_say(err, -EBUSY, "processes in leftover cgroup %s do not die", name);
}

static int leftover_kill(int parent_fd, const char *name, struct err *err)
{
    AUTO_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open leftover cgroup %s", name);
    int rc = cgroup_file_write(fd, "cgroup.kill", "1", err);
    return rc < 0 ? rc : wait_empty(fd, name, err);
}

static int leftover_remove(int parent_fd, const char *name, struct err *err)
{
    /* A group is empty a moment before the kernel lets it be removed. */
    for (int tries = 0; tries < 500; tries++) {
        if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            break;
        (void) poll(NULL, 0, 2);
    }
    return err_set(err, -errno, "remove leftover cgroup %s", name);
}

/* Version 2 first, since every process of ours is in it, then each hierarchy. */
static int leftovers_remove(struct cgroup_tree *tree, struct err *err)
{
    int rc = each_group(tree->parts[CGROUP_UNIFIED].parent_fd, leftover_kill, err);
    for (int i = 0; i < CGROUP_PARTS && rc == 0; i++)
        if (tree->parts[i].parent_fd >= 0)
            rc = each_group(tree->parts[i].parent_fd, leftover_remove, err);
    return rc;
}

static int parent_open(struct cgroup_tree *tree, enum cgroup_part part, struct err *err)
{
    char *base = tree->parts[part].base;
    AUTO_CLOSE int base_fd = part == CGROUP_UNIFIED
                                 ? unified_open_base(tree, base, err)
                                 : open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd < 0)
        return part == CGROUP_UNIFIED ? base_fd : err_set(err, -errno, "open cgroup '%s'", base);
    int fd = cgroup_dir(base_fd, tree->name, err);
    if (fd < 0)
        return err_wrap(err, "in '%s'", base);
    tree->parts[part].parent_fd = fd;
    return part == CGROUP_UNIFIED ? unified_enable(tree, fd, err) : 0;
}

/* Moving a process into a version 1 group waits for a grace period of RCU, milliseconds, unless the
 * kernel is told to favour such moves over forks (since 6.0; a switch of the whole host, hence put
 * back when we leave). In version 2 nothing moves: CLONE_INTO_CGROUP. Older kernels refuse the
 * option, and the start of a sandbox has its tail there. */
static void favour_migration(struct cgroup_tree *tree)
{
    bool has_v1 = false;
    for (int i = 0; i < CGROUP_UNIFIED; i++)
        has_v1 = has_v1 || tree->parts[i].driver->is_v1;
    if (!has_v1 || strstr(tree->unified_options, "favordynmods") != NULL)
        return;
    char options[300];
    (void) snprintf(options, sizeof options, "%sfavordynmods", tree->unified_options);
    tree->is_favoured = mount(NULL, tree->unified_point, NULL, MS_REMOUNT, options) == 0;
}

int cgroup_tree_open(struct cgroup_tree *tree, const char *key, struct err *err)
{
    (void) snprintf(tree->name, sizeof tree->name, "virga-%.24s", key);
    for (int i = 0; i < CGROUP_PARTS; i++) {
        if (tree->parts[i].same_as != (enum cgroup_part) i)
            continue;
        int rc = parent_open(tree, (enum cgroup_part) i, err);
        if (rc < 0)
            return rc;
    }
    favour_migration(tree);
    int rc = leftovers_remove(tree, err);
    return rc < 0 ? err_wrap(err, "clean up after an earlier run") : 0;
}

void cgroup_tree_bare(struct cgroup_tree *out_tree)
{
    *out_tree = (struct cgroup_tree){.is_bare = true, .next = 1};
    for (int i = 0; i < CGROUP_PARTS; i++)
        out_tree->parts[i].parent_fd = -1;
}

void cgroup_tree_close(struct cgroup_tree *tree)
{
    if (tree != NULL && tree->is_favoured) /* Best effort: it harms nobody if it stays. */
        (void) mount(NULL, tree->unified_point, NULL, MS_REMOUNT, tree->unified_options);
    for (int i = 0; tree != NULL && i < CGROUP_PARTS; i++) {
        if (tree->parts[i].parent_fd < 0)
            continue;
        char path[600];
        (void) snprintf(path, sizeof path, "%s/%s", tree->parts[i].base, tree->name);
        (void) close(tree->parts[i].parent_fd);
        (void) rmdir(path); /* What stays is removed at the next start. */
        tree->parts[i].parent_fd = -1;
    }
}
