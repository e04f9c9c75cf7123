/* virga doctor: what this host can and cannot do, with advice; nothing is changed and no server is
 * asked. It lives in app/ because its checks are the sandbox's, which cli/ may not see. */
#include "app/doctor.h"

#include "app/serve.h"
#include "base/buf.h"
#include "data/json.h"
#include "sandbox/probe.h"

#include <stdio.h>

enum { OUTPUT_MAX = 64 * 1024, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: virga doctor [options]\n"
    "\n"
    "Says what this host can and cannot do, and what to do about it.\n"
    "\n"
    "  --data DIR   where the server would keep everything; /var/lib/virga by default\n"
    "  --json       print JSON\n"
    "  --help       print this\n"
    "\n"
    "exit codes: 0 all good, 1 functions run with less than intended, 2 they cannot run\n";

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
    struct probe_config config = {.data_dir = "/var/lib/virga",
                                  .slot_count = INSTANCES_MAX + TEMPLATES_MAX,
                                  .pool_size = POOL_SIZE};
    bool is_json = false;
    for (int i = 1; i < argc; i++) {
        struct str word = str_from(argv[i]);
        if (str_eq(word, STR("--help")) || str_eq(word, STR("-h"))) {
            printf("%s", usage);
            return 0;
        }
        if (str_eq(word, STR("--json"))) {
            is_json = true;
        } else if (str_eq(word, STR("--data")) && i + 1 < argc) {
            config.data_dir = argv[++i];
        } else if (str_starts(word, STR("--data=")) && word.len > 7) {
            config.data_dir = argv[i] + 7;
        } else {
            (void) fprintf(stderr, "virga doctor: unknown option '%s'\n\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
    }
    struct probe probe;
    probe_run(&config, &probe);
    if (is_json)
        print_json(&probe);
    else
        print_text(&probe);
    return (int) probe.level;
}
