/* virga doctor: what this host can and cannot do, with advice; nothing is changed and no server is
 * asked. It lives in app/ because its checks are the sandbox's, which cli/ may not see. */
#include "app/doctor.h"

#include "app/place.h"
#include "app/serve.h"
#include "base/buf.h"
#include "cli/options.h"
#include "data/json.h"
#include "os/privilege.h"
#include "os/userns.h"
#include "sandbox/probe.h"

#include <stdio.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 * 1024 };

static const char *const words[] = {
    [PROBE_GOOD] = "good", [PROBE_WEAK] = "degraded", [PROBE_MISSING] = "missing"};
static const char *const verdicts[] = {
    [PROBE_GOOD] = "This host can do all that Virga wants.",
    [PROBE_WEAK] = "Functions run here, with less than Virga wants: see above.",
    [PROBE_MISSING] = "Functions cannot run here: see what is missing above."};

static void print_text(const struct probe *probe)
{
    for (size_t i = 0; i < probe->count; i++) {
        const struct probe_item *item = &probe->items[i];
        printf("%-9s %-20s %s\n", words[item->level], item->name, item->found);
        if (item->advice != NULL)
            printf("%31s%s\n", "", item->advice);
    }
    printf("\n%s\n", verdicts[probe->level]);
}

static void member(struct json_writer *w, struct str key, const char *value)
{
    json_key(w, key);
    if (value == NULL)
        json_null(w);
    else
        json_str(w, str_from(value));
}

static void print_json(const struct probe *probe)
{
    AUTO_BUF struct buf out;
    buf_init(&out, OUTPUT_MAX);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_object_begin(&w);
    member(&w, STR("status"), words[probe->level]);
    json_key(&w, STR("checks"));
    json_array_begin(&w);
    for (size_t i = 0; i < probe->count; i++) {
        json_object_begin(&w);
        member(&w, STR("name"), probe->items[i].name);
        member(&w, STR("status"), words[probe->items[i].level]);
        member(&w, STR("found"), probe->items[i].found);
        member(&w, STR("advice"), probe->items[i].advice);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
}

int doctor_main(int argc, char **argv)
{
    char home[PATH_MAX];
    struct probe_config config = {.data_dir = place_default(home),
                                  .slot_count = INSTANCES_MAX + TEMPLATES_MAX,
                                  .pool_max = POOL_SIZE};
    const struct cli_option options[] = {
        {"--data", OPTION_TEXT, &config.data_dir, "DIR",
         "where the server would keep everything; " PLACE_DEFAULT_TEXT " by default"},
    };
    const struct cli_syntax syntax = {
        .command = "doctor",
        .summary = "Says what this host can and cannot do, and what to do about it.",
        .arguments = "",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .scope = CLI_JSON,
        .exit_codes = "0 all good, 1 functions run with less than intended, 2 they cannot run",
    };
    struct cli_common common = {0};
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    struct err err;
    config.is_rootless = !privilege_is_root();
    if (config.is_rootless && userns_enter(true, &err) < 0)
        (void) fprintf(stderr, "virga doctor: rootless mode: %s\n", err.text);
    config.id_count = userns_id_count();
    struct probe probe;
    probe_run(&config, &probe);
    if (common.is_json)
        print_json(&probe);
    else
        print_text(&probe);
    return (int) probe.level;
}
