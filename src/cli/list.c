/* virga list: all pages of ListFunctions as one table, or as one JSON array. */
#include "cli/api.h"
#include "cli/cli.h"
#include "data/json.h"
#include "data/uri.h"

struct listing {
    bool is_json, is_names;
    size_t count;
};

static struct str member(struct arena *arena, struct str function, struct str name)
{
    struct str text = cli_json_member(arena, function, name);
    return text.ptr == NULL ? STR("-") : text;
}

static void print_function(void *arg, struct str function)
{
    struct listing *listing = arg;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    if (listing->is_names) {
        printf(STR_FMT "\n", STR_ARG(member(&arena, function, STR("FunctionName"))));
    } else if (listing->is_json) {
        printf("%s" STR_FMT, listing->count == 0 ? "[" : ",\n ", STR_ARG(function));
    } else {
        if (listing->count == 0)
            printf("%-32s %-12s %7s %8s  %-23s %s\n", "NAME", "RUNTIME", "MEMORY", "TIMEOUT",
                   "CHANGED", "HANDLER");
        printf("%-32.*s %-12.*s %4.*s MB %6.*s s  %-23.*s " STR_FMT "\n",
               STR_ARG(member(&arena, function, STR("FunctionName"))),
               STR_ARG(member(&arena, function, STR("Runtime"))),
               STR_ARG(member(&arena, function, STR("MemorySize"))),
               STR_ARG(member(&arena, function, STR("Timeout"))),
               STR_ARG(str_head(member(&arena, function, STR("LastModified")), 23)),
               STR_ARG(member(&arena, function, STR("Handler"))));
    }
    listing->count++;
}

/* One page; *marker is replaced by the next one, {NULL, 0} at the end. */
static int list_page(const struct cli_common *common, struct arena *arena, struct listing *listing,
                     struct str *marker)
{
    AUTO_BUF struct buf target;
    buf_init(&target, 8192);
    buf_put(&target, STR("/2015-03-31/functions"));
    if (marker->ptr != NULL) {
        buf_put(&target, STR("?Marker="));
        uri_encode(&target, *marker, false);
    }
    const struct cli_request request = {
        .method = "GET", .target = buf_str(&target), .timeout_ms = 30000};
    struct http_response response;
    int rc = cli_ask(common, "list", &request, &response);
    if (rc != CLI_OK)
        return rc;
    if (!cli_json_each(arena, response.body, STR("Functions"), print_function, listing)) {
        (void) fprintf(stderr, "virga list: the answer is not understood\n");
        rc = CLI_SERVER_ERROR;
    } else {
        struct str next = cli_json_member(arena, response.body, STR("NextMarker"));
        *marker = next.ptr == NULL ? STR_NONE : arena_str(arena, next);
    }
    http_response_done(&response);
    return rc;
}

int cli_list_main(int argc, char **argv)
{
    struct listing listing = {0};
    const struct cli_option options[] = {
        {"--names", OPTION_FLAG, &listing.is_names, NULL, "print the names alone"},
    };
    const struct cli_syntax syntax = {
        .command = "list",
        .summary = "Lists the functions of the account and region.",
        .arguments = "",
        .options = options,
        .option_count = ARRAY_LEN(options),
    };
    struct cli_common common = {0};
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 256 << 20);
    listing.is_json = common.is_json && !listing.is_names;
    struct str marker = STR_NONE;
    do
        rc = list_page(&common, &arena, &listing, &marker);
    while (rc == CLI_OK && marker.ptr != NULL);
    if (rc != CLI_OK || listing.is_names)
        return rc;
    if (listing.is_json)
        printf(listing.count == 0 ? "[]\n" : "]\n");
    else if (listing.count == 0)
        printf("no functions\n");
    return rc;
}
