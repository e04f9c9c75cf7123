/* The external extensions: the files of /opt/extensions, started before the runtime as companions,
 * and what they write, which goes to the function's log line by line. They share one pipe. */
#include "runtime/extensions_int.h"
#include "runtime/telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { OUTPUT_SIZE = 16 * 1024, DRAIN_READS_MAX = 16 };

static void put_line(void *arg, int64_t at_ms, struct str line)
{
    output_line(arg, at_ms, line);
    telemetry_line(arg, TELEMETRY_EXTENSION, at_ms, line);
}

/* False at the end of what is there. */
static bool read_output(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    char *scratch = inst->home->log_scratch;
    ssize_t n = read(exts->output_fd, scratch, OUTPUT_SIZE);
    if (n == 0 && exts->output_watch != NULL) /* all writers have gone; why, comes from elsewhere */
        watch_set(exts->output_watch, 0);
    if (n > 0)
        lines_feed(&exts->lines, clock_utc_ms(inst->home->exec->clock), scratch, (size_t) n,
                   put_line, inst);
    return n > 0;
}

static void on_output(void *arg, int events)
{
    struct instance *inst = arg;
    (void) events;
    if (read_output(inst))
        extensions_listen(inst);
}

void extensions_drain(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    for (int i = 0; i < DRAIN_READS_MAX && exts != NULL && exts->output_fd >= 0; i++)
        if (!read_output(inst))
            return;
}

void extensions_listen(struct instance *inst)
{
    if (inst->extensions != NULL && inst->extensions->output_watch != NULL)
        watch_set(inst->extensions->output_watch, inst->is_output_paused ? 0 : WATCH_READ);
}

void extensions_output_done(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    extensions_drain(inst); /* the last words */
    lines_flush(&exts->lines, put_line, inst);
    lines_done(&exts->lines);
    watch_free(exts->output_watch);
    cleanup_close(&exts->output_fd);
}

/* The pipe that external extensions write to; its other end goes with the first START block. */
static int open_output(struct instance *inst, struct err *err)
{
    struct extensions *exts = inst->extensions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "pipe of extensions");
    exts->output_fd = ends[0];
    inst->image_fd = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return err_set(err, -errno, "pipe of extensions");
    int rc = watch_new(inst->home->loop, ends[0], on_output, inst, &exts->output_watch, err);
    if (rc == 0)
        watch_set(exts->output_watch, WATCH_READ);
    return rc;
}

static int put_block(struct instance *inst, const char *name, struct err *err)
{
    char path[32 + EXTENSION_NAME_MAX];
    (void) snprintf(path, sizeof path, "/opt/extensions/%s", name);
    size_t at = inst->out.len;
    int rc = start_extension(&inst->out, inst->slot.spec, inst->log_stream, inst->door != NULL,
                             path, err);
    if (rc == 0)
        sandbox_start_companion(&inst->out, at);
    return rc;
}

int extensions_start(struct instance *inst, struct err *err)
{
    const struct function_spec *spec = inst->slot.spec;
    struct extensions *exts = extensions_of(inst);
    if (spec->extension_count > EXTENSIONS_MAX)
        return err_say(err, -E2BIG, "Extension limit (%d) reached", EXTENSIONS_MAX);
    exts->is_runtime_started = false;
    int rc = open_output(inst, err);
    for (size_t i = 0; i < spec->extension_count && rc == 0; i++) {
        struct extension *ext = &exts->items[exts->count];
        if (strlen(spec->extensions[i]) > EXTENSION_NAME_MAX)
            return err_say(err, -ENAMETOOLONG, "the name of an extension is too long");
        *ext = (struct extension){.is_external = true};
        memcpy(ext->name, spec->extensions[i], strlen(spec->extensions[i]) + 1);
        exts->count++;
        exts->external_count++;
        rc = put_block(inst, ext->name, err);
    }
    return rc;
}

void extensions_start_runtime(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    for (size_t i = 0; i < exts->external_count; i++) /* they come first */
        if (exts->items[i].state == EXTENSION_STARTED)
            return;
    if (exts->is_runtime_started || inst->slot.state != SLOT_INITIALISING)
        return;
    exts->is_runtime_started = true;
    instance_start_runtime(inst);
}
