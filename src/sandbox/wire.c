/* The one check of requests that the spawner trusts. It is pure, so that tests can throw anything
 * at it. Numbers come from main, the less privileged side: a main that a tenant took over must not
 * reach further than asking for sandboxes within these bounds. */
#include "sandbox/wire.h"

#include "base/err.h"
#include "sandbox/sandbox.h"

#include <errno.h>

static int bad(struct err *err, const char *field)
{
    return err_say(err, -EPROTO, "request refused: %s", field);
}

static int spawn_check(const struct wire_request *r, unsigned fd_count, struct err *err)
{
    if (r->memory_mb < WIRE_MEMORY_MB_MIN || r->memory_mb > WIRE_MEMORY_MB_MAX)
        return bad(err, "memory_mb");
    if (r->cpu_milli < 1 || r->cpu_milli > WIRE_CPU_MILLI_MAX)
        return bad(err, "cpu_milli");
    if (r->pids_max < 2 || r->pids_max > WIRE_PIDS_MAX)
        return bad(err, "pids_max");
    if (r->tmp_bytes < WIRE_TMP_BYTES_MIN || r->tmp_bytes > WIRE_TMP_BYTES_MAX)
        return bad(err, "tmp_bytes");
    if (r->network > SANDBOX_NETWORK_RUNTIME_API)
        return bad(err, "network");
    if (r->has_egress > 1 || (r->has_egress && r->network == SANDBOX_NETWORK_NONE))
        return bad(err, "has_egress");
    if (r->has_code > 1)
        return bad(err, "has_code");
    if (r->layer_count > WIRE_LAYERS_MAX)
        return bad(err, "layer_count");
    if (fd_count != r->has_code + r->layer_count)
        return bad(err, "number of descriptors");
    return 0;
}

/* What is neither asked for nor given by anything but a SPAWN. */
static int no_spawn_check(const struct wire_request *r, unsigned fd_count, struct err *err)
{
    if (fd_count != 0)
        return bad(err, "number of descriptors");
    if ((r->tmp_bytes | r->memory_mb | r->pids_max | r->network | r->has_egress | r->has_code |
         r->layer_count) != 0)
        return bad(err, "fields of another kind");
    return 0;
}

static int kill_check(const struct wire_request *r, unsigned fd_count, struct err *err)
{
    return r->cpu_milli != 0 ? bad(err, "fields of another kind")
                             : no_spawn_check(r, fd_count, err);
}

static int limit_check(const struct wire_request *r, unsigned fd_count, struct err *err)
{
    if (r->cpu_milli < 1 || r->cpu_milli > WIRE_CPU_MILLI_MAX)
        return bad(err, "cpu_milli");
    return no_spawn_check(r, fd_count, err);
}

int wire_request_check(const struct wire_request *r, size_t size, unsigned fd_count,
                       struct err *err)
{
    if (size != sizeof *r)
        return bad(err, "size");
    if (r->magic != WIRE_MAGIC)
        return bad(err, "magic");
    if ((r->id == 0) != (r->kind == WIRE_SHRINK))
        return bad(err, "id");
    if ((r->shells == 0) != (r->kind != WIRE_SHRINK))
        return bad(err, "shells");
    switch (r->kind) {
    case WIRE_SPAWN: return spawn_check(r, fd_count, err);
    case WIRE_KILL:
    case WIRE_TERMINATE:
    case WIRE_SOCKET:
    case WIRE_SHRINK: return kill_check(r, fd_count, err);
    case WIRE_LIMIT: return limit_check(r, fd_count, err);
    default: return bad(err, "kind");
    }
}
