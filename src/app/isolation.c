/* The tiers: root of the host; root of a user namespace with ids and a control group of its own
 * (rootless); and the same with one of these missing (bare). */
#include "app/isolation.h"

#include "base/log.h"
#include "data/json.h"
#include "sandbox/sandbox.h"

const char isolation_advice[] =
    "Do one of these:\n"
    "  - as an ordinary user, start below a control group of your own:\n"
    "      systemd-run --user --scope -p Delegate=yes virga serve\n"
    "  - start as root; in a container make /sys/fs/cgroup writable (docker run --privileged)\n"
    "  - accept reduced isolation, where all functions are your own: virga serve --isolation "
    "reduced\n"
    "virga doctor looks at this host; docs/rootless.md says what is weaker.\n";

static const char no_limits[] =
    "no control group is delegated: memory is watched, not limited; CPU has no shares; idle "
    "functions are stopped by signal";
static const char no_users[] = "no subordinate ids: functions, the server and your own files have "
                               "one user, and only namespaces "
                               "keep them apart";

static void add(struct isolation *isolation, const char *name, const char *msg, const char *why)
{
    size_t i = isolation->count++;
    isolation->weaknesses[i].name = name;
    isolation->weaknesses[i].msg = msg;
    isolation->weaknesses[i].why = why;
}

void isolation_find(struct isolation *out, const struct spawner *spawner, bool is_rootless,
                    bool has_one_id)
{
    bool is_bare = spawner_is_bare(spawner) || has_one_id;
    const char *tmp = spawner_weakness(spawner);
    *out = (struct isolation){.tier = is_bare ? "bare" : is_rootless ? "rootless" : "root"};
    if (spawner_is_bare(spawner))
        add(out, "limits", "limits of functions are weaker than designed", no_limits);
    if (has_one_id)
        add(out, "users", "functions have no users of their own", no_users);
    if (tmp != NULL)
        add(out, "tmp", "/tmp of functions is in memory", tmp);
}

void isolation_log(const struct isolation *isolation)
{
    struct log_text text;
    for (size_t i = 0; i < isolation->count; i++)
        log_warn("app", isolation->weaknesses[i].msg, "tier=%s why=%s", isolation->tier,
                 log_quote(&text, str_from(isolation->weaknesses[i].why)));
}

static void put_text(struct json_writer *w, struct str key, const char *value)
{
    json_key(w, key);
    json_str(w, str_from(value));
}

void isolation_put(const struct isolation *isolation, struct json_writer *w)
{
    json_key(w, STR("isolation"));
    json_object_begin(w);
    put_text(w, STR("tier"), isolation->tier);
    json_key(w, STR("weaknesses"));
    json_array_begin(w);
    for (size_t i = 0; i < isolation->count; i++) {
        json_object_begin(w);
        put_text(w, STR("name"), isolation->weaknesses[i].name);
        put_text(w, STR("why"), isolation->weaknesses[i].why);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}
