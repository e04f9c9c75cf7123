/* From images of this run to those of the next, and back: what an image depends on, the functions
 * that the server starts with, and the end of a file.
 *
 * What an image depends on is, byte by byte, what its template was started with (program,
 * arguments, environment, secrets included: hence a digest), the revision, code and limits of the
 * function; the rest is the host's (kept.c). An image of a booted language is not kept: a copy's
 * hash seed and layout are to live no longer than they must, and another is made in a moment. */
#include "base/log.h"
#include "base/mem.h"
#include "runtime/runtime_int.h"

#include <errno.h>

enum { WHAT_MAX = 2 * SANDBOX_START_MAX };

static int put_what(struct buf *out, const struct home *home, const struct function_spec *spec,
                    struct err *err)
{
    buf_init(out, WHAT_MAX);
    int rc = start_template(out, spec, home->runtime->config.doors.open != NULL, err);
    if (rc < 0)
        return rc;
    buf_printf(out, STR_FMT ":" STR_FMT " %llu " STR_FMT " %u %llu %u %d", STR_ARG(spec->arn),
               STR_ARG(spec->version), (unsigned long long) spec->revision,
               STR_ARG(spec->code_sha256), spec->memory_mb, (unsigned long long) spec->tmp_bytes,
               spec->layer_count, home->runtime->config.egress != NULL);
    return buf_is_over(out) ? err_say(err, -E2BIG, "the function's environment") : 0;
}

void images_name(const struct home *home, const struct function_spec *spec,
                 char out[KEPT_NAME_SIZE])
{
    AUTO_BUF struct buf what = {.ptr = NULL};
    struct err err;
    out[0] = '\0';
    if (home->runtime->kept == NULL || spec->is_runtime_alone)
        return;
    if (put_what(&what, home, spec, &err) == 0) /* else the template does not start, either */
        kept_name(home->runtime->kept, buf_str(&what), &rng_real, out);
}

struct removal {
    struct task task;
    const struct kept *kept;
    int fd;
    char name[KEPT_NAME_SIZE];
};

static void run_removal(struct task *task)
{
    struct removal *removal = CONTAINER_OF(task, struct removal, task);
    if (removal->name[0] != '\0')
        kept_remove(removal->kept, removal->name);
    (void) close(removal->fd);
    free(removal);
}

void images_remove_later(struct home *home, int fd, const char *name)
{
    struct removal *removal = NEW(struct removal);
    *removal =
        (struct removal){.task = {.run = run_removal}, .kept = home->runtime->kept, .fd = fd};
    memcpy(removal->name, name, sizeof removal->name);
    exec_post(home->runtime->config.workers, &removal->task);
}

void runtime_function_loaded(struct runtime *runtime, struct function_spec *spec)
{
    struct home *home = home_of_function(runtime, spec);
    AUTO_BUF struct buf what = {.ptr = NULL};
    struct kept_image found;
    struct err err;
    if (runtime->kept == NULL || images_why_not(home, spec) != NULL)
        return;
    if (put_what(&what, home, spec, &err) == 0 && kept_find(runtime->kept, buf_str(&what), &found))
        images_found(home, spec, &found);
}

void runtime_functions_loaded(struct runtime *runtime)
{
    if (runtime->kept != NULL)
        kept_sweep(runtime->kept, runtime->config.workers);
}
