/* What Virga tells about snapshots, for `virga snapshot` and `virga describe`:
 *
 *     GET    /_virga/snapshots/                 of all functions of the account and region; "off":
 *                                               why the server makes none at all
 *     GET    /_virga/snapshots/NAME[:VERSION]   of one; {"state":"none"} when nothing is known
 *     DELETE /_virga/snapshots/NAME[:VERSION]   drops the image; 204
 *
 * The caller is who signs for lambda; in development whoever asks. On the loop, from the runtime's
 * board. */
#include "core/front.h"
#include "data/json.h"
#include "services/lambda/messages.h"
#include "services/lambda/url.h"
#include "services/lambda/versions.h"

enum { ANSWER_MAX = 1 << 20 };

static void put_entry(struct json_writer *w, struct str function, const struct snapshot_status *s)
{
    static const char *const states[] = {[SNAPSHOT_NONE] = "none",
                                         [SNAPSHOT_MAKING] = "making",
                                         [SNAPSHOT_READY] = "ready",
                                         [SNAPSHOT_REFUSED] = "refused"};
    json_object_begin(w);
    json_key(w, STR("function"));
    json_str(w, function);
    json_key(w, STR("state"));
    json_str(w, str_from(states[s->state]));
    json_key(w, STR("bytes"));
    json_u64(w, s->bytes);
    json_key(w, STR("copies"));
    json_u64(w, s->copies);
    if (s->reason[0] != '\0') {
        json_key(w, STR("reason"));
        json_str(w, str_from(s->reason));
    }
    json_object_end(w);
}

struct listing {
    struct json_writer writer;
    struct str prefix; /* "arn:aws:lambda:REGION:ACCOUNT:function:" */
};

static void list_one(void *arg, struct str key, const void *status)
{
    struct listing *listing = arg;
    if (str_starts(key, listing->prefix))
        put_entry(&listing->writer, str_skip(key, listing->prefix.len), status);
}

static void answer(struct op *op, const struct buf *body)
{
    struct aws_http_answer *out = op->out;
    struct str text = arena_str(op->arena, buf_str(body));
    if (buf_is_over(body) || text.ptr == NULL) {
        op_finish(op, lambda_fail_too_large(op));
        return;
    }
    *out = (struct aws_http_answer){.status = 200, .body = text};
    (void) url_header_add(out, STR("Content-Type"), STR("application/json")); /* it is the first */
    op_finish(op, 0);
}

static void answer_all(struct op *op)
{
    const struct lambda_state *state = op->state;
    struct snapshot_status server;
    AUTO_BUF struct buf body;
    struct listing listing = {
        .prefix = lambda_row_arn(op->arena, &(struct lambda_row){.account = op->caller.account,
                                                                 .region = op->caller.region})};
    buf_init(&body, ANSWER_MAX);
    json_writer_init(&listing.writer, &body);
    json_object_begin(&listing.writer);
    json_key(&listing.writer, STR("snapshots"));
    json_array_begin(&listing.writer);
    runtime_snapshot_each(state->runtime, list_one, &listing);
    json_array_end(&listing.writer);
    if (runtime_snapshots_state(state->runtime, &server) && server.state == SNAPSHOT_REFUSED) {
        json_key(&listing.writer, STR("off"));
        json_str(&listing.writer, str_from(server.reason));
    }
    json_object_end(&listing.writer);
    answer(op, &body);
}

/* "$LATEST", or a number, also of an alias's version. */
static struct str version_of(struct op *op, const struct lambda_target *target)
{
    struct lambda_spec *own = version_find(op->state, op->loop, target->arn, target->qualifier);
    return own == NULL ? STR_NONE : own->spec.version;
}

static void answer_one(struct op *op, const struct lambda_target *target, struct str version)
{
    const struct lambda_state *state = op->state;
    struct snapshot_status status = {.state = SNAPSHOT_NONE};
    (void) runtime_snapshot_find(state->runtime, target->arn, version, &status);
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, ANSWER_MAX);
    json_writer_init(&w, &body);
    put_entry(&w,
              arena_printf(op->arena, STR_FMT ":" STR_FMT, STR_ARG(target->name), STR_ARG(version)),
              &status);
    answer(op, &body);
}

static void start(struct op *op, const void *in_any, void *out_any)
{
    const struct front_in *in = in_any;
    struct aws_http_answer *out = out_any;
    struct lambda_state *state = op->state;
    bool is_get = str_eq(in->http.method, STR("GET"));
    struct lambda_target target;
    if (!in->is_authentic || (!is_get && !str_eq(in->http.method, STR("DELETE")))) {
        op_finish(op, svc_fail(op, MSG_URL_FORBIDDEN));
        return;
    }
    if (in->id.len == 0 && is_get) {
        answer_all(op);
        return;
    }
    if (lambda_resolve(op, in->id, STR_NONE, &target) < 0) {
        op_finish(op, OP_FAILED);
        return;
    }
    struct str version = version_of(op, &target);
    if (version.ptr == NULL) {
        op_finish(op, lambda_not_found(op, &target));
        return;
    }
    if (is_get) {
        answer_one(op, &target, version);
        return;
    }
    runtime_snapshot_drop(state->runtime, target.arn, version);
    *out = (struct aws_http_answer){.status = 204};
    op_finish(op, 0);
}

const struct service_front snapshots_front = {
    .path_prefix = STR_INIT("/_virga/snapshots/"),
    .op = {.model = &lambda_op_GetFunction, .start = start},
};
