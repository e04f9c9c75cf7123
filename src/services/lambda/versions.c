/* Versions: how they are made, written and found.
 *
 * A version is a row of its own beside $LATEST's, and a specification of its own in the loops'
 * directory, under "arn:number". Nothing changes it but its function's reservation, so instances
 * of a version live until they are idle for long. An alias is one more lookup before that. */
#include "services/lambda/versions.h"

#include "base/mem.h"
#include "services/lambda/messages.h"

struct str version_format(struct arena *arena, int64_t version)
{
    return version == 0 ? STR("$LATEST") : arena_printf(arena, "%lld", (long long) version);
}

int version_parse(struct str text, int64_t *out_version)
{
    uint64_t number = 0;
    if (!str_eq(text, STR("$LATEST")) &&
        (parse_u64(text, INT64_MAX, &number) < 0 || text.ptr[0] == '0'))
        return -EINVAL;
    *out_version = (int64_t) number;
    return 0;
}

struct str version_key(struct arena *arena, struct str arn, int64_t version)
{
    return version == 0 ? arn
                        : arena_printf(arena, STR_FMT ":%lld", STR_ARG(arn), (long long) version);
}

struct str lambda_row_arn(struct arena *arena, const struct lambda_row *row)
{
    return arena_printf(arena, "arn:aws:lambda:" STR_FMT ":" STR_FMT ":function:" STR_FMT,
                        STR_ARG(row->region), STR_ARG(row->account), STR_ARG(row->name));
}

static void alias_free(struct snapshot *snapshot)
{
    free(CONTAINER_OF(snapshot, struct alias_spec, snapshot));
}

static void put_version(char text[24], int64_t version)
{
    if (version == 0)
        (void) snprintf(text, 24, "$LATEST");
    else
        (void) snprintf(text, 24, "%lld", (long long) version);
}

struct alias_spec *alias_spec_new(const struct alias_row *row)
{
    struct alias_spec *alias = NEW(struct alias_spec);
    snapshot_init(&alias->snapshot, alias_free);
    put_version(alias->version, row->version);
    put_version(alias->other, row->other_version);
    alias->other_ppb = (uint64_t) row->other_ppb;
    return alias;
}

/* The entry "arn:qualifier" of a directory. */
static struct snapshot *find_qualified(struct directory *directory, size_t loop, struct str arn,
                                       struct str qualifier)
{
    char key[512];
    int len = snprintf(key, sizeof key, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(qualifier));
    if (len < 0 || (size_t) len >= sizeof key)
        return NULL; /* no name is so long */
    return directory_find(directory, loop, str_of(key, (size_t) len));
}

struct lambda_spec *version_find(struct lambda_state *state, size_t loop, struct str arn,
                                 struct str qualifier)
{
    int64_t version = 0;
    if (qualifier.ptr != NULL && version_parse(qualifier, &version) < 0) {
        struct snapshot *found = find_qualified(state->aliases, loop, arn, qualifier);
        if (found == NULL)
            return NULL;
        const struct alias_spec *alias = CONTAINER_OF(found, struct alias_spec, snapshot);
        bool is_other = alias->other_ppb > 0 && rng_below(state->rng, ALIAS_PPB) < alias->other_ppb;
        qualifier = str_from(is_other ? alias->other : alias->version);
        if (version_parse(qualifier, &version) < 0)
            return NULL;
    }
    struct snapshot *snapshot = version == 0
                                    ? directory_find(state->directory, loop, arn)
                                    : find_qualified(state->directory, loop, arn, qualifier);
    if (snapshot == NULL)
        return NULL;
    struct function_spec *spec = CONTAINER_OF(snapshot, struct function_spec, snapshot);
    return CONTAINER_OF(spec, struct lambda_spec, spec);
}

enum version_state version_snap_start(const struct lambda_state *state, struct str arn,
                                      struct str version, int64_t published_at_ms,
                                      uint32_t timeout_ms, int64_t now_ms,
                                      struct snapshot_status *out_status)
{
    *out_status =
        (struct snapshot_status){.state = SNAPSHOT_MAKING}; /* the loops do not know yet */
    (void) runtime_snapshot_find(state->runtime, arn, version, out_status);
    if (out_status->is_init_failed)
        return VERSION_FAILED;
    bool is_late = now_ms - published_at_ms > runtime_snap_start_limit_ms(timeout_ms);
    return out_status->state == SNAPSHOT_MAKING && !is_late ? VERSION_PENDING : VERSION_ACTIVE;
}

int version_publish(struct op *op, struct lambda_row *latest, struct str revision_id,
                    struct str description, struct lambda_row *out_row)
{
    struct err err;
    int rc = lambda_db_find(op->db, op->arena, latest->account, latest->region, latest->name,
                            latest->last_version, out_row, &err);
    if (rc == 0 && str_eq(out_row->source_revision, latest->revision_id))
        return 0; /* also for $LATEST itself, which has no source: none was made yet */
    if (rc < 0 && rc != -ENOENT)
        return svc_fail_internal(op, &err);
    latest->last_version++;
    *out_row = *latest;
    out_row->version = latest->last_version;
    out_row->last_version = 0;
    out_row->source_revision = latest->revision_id;
    out_row->revision_id = revision_id;
    out_row->tags = STR_NONE;
    out_row->modified_at_ms = op->now_ms;
    if (description.ptr != NULL)
        out_row->description = description;
    rc = lambda_db_insert(op->db, out_row, &err);
    if (rc == 0)
        rc = lambda_db_update(op->db, latest, &err);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}
