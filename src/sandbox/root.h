#pragma once
/* The file system of a sandbox. The template tree is built once in the spawner's private mount
 * namespace and copied by CLONE_NEWNS; per sandbox only its own directories are added. */
#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

enum { ROOT_LAYERS_MAX = 5, ROOT_PATH_MAX = 512 };

struct root_config {
    const char *state_dir;
    uid_t uid_base; /* names for uid_base .. uid_base + slot_count - 1 in /etc/passwd */
    unsigned slot_count;
};

struct root {
    char path[ROOT_PATH_MAX]; /* of the template */
    int home_fd, host_fd;     /* owned: the caller's mount namespace, and its root directory */
};

/* Builds the template at <state_dir>/root. The caller is in a mount namespace of its own.
 * -ENOTSUP names a mount feature that the kernel lacks. */
CHECK_RESULT int root_init(struct root *root, const struct root_config *config, struct err *err);

void root_done(struct root *root); /* the descriptors; a zeroed or half-made one is fine */

struct root_dirs {
    int code_fd; /* -1: none */
    int layer_fds[ROOT_LAYERS_MAX];
    unsigned layer_count;
};
struct tmp;

/* Between clone and exec: mounts what is this sandbox's own, makes it the root and lets go of the
 * old one. Returns -errno and the step that failed; no heap. */
CHECK_RESULT int root_enter(const struct root *root, const struct root_dirs *dirs,
                            const struct tmp *tmp, const char **out_step);

/* Mounts directories in the file system of a sandbox that has none yet, from outside: nothing but
 * virga-init is in it, mounts_fd is its mount namespace. For a moment the calling thread, which
 * must be the only one, is in there; when it cannot come back the process ends. Returns -errno and
 * the step. */
CHECK_RESULT int root_attach(const struct root *root, int mounts_fd, const struct root_dirs *dirs,
                             const char **out_step);

/* A file that appears in /var/runtime; see spawner_add_runtime_file. */
struct runtime_file {
    const char *name;
    const void *bytes;
    size_t size;
    unsigned mode;
};
enum { RUNTIME_FILES_MAX = 64 };
/* Whether a new /proc may be mounted here, tried in a child that ends: 0, or -errno. */
int root_can_proc(void);

/* -ENOSPC past RUNTIME_FILES_MAX, -EINVAL for a name with a slash. */
CHECK_RESULT int root_add_runtime_file(const struct runtime_file *file, struct err *err);

#define ROOT_INIT_NAME "virga-init"
#define ROOT_INIT_PATH "/var/runtime/" ROOT_INIT_NAME
