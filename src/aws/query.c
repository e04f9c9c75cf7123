/* The query protocol: a form in, XML out.
 *
 *     Action=Op&Version=2012-11-05&List.member.1.Name=x&Map.entry.1.key=k&Map.entry.1.value=v
 *     <OpResponse xmlns="…"><OpResult>…</OpResult><ResponseMetadata><RequestId>…
 *     <ErrorResponse><Error><Type>Sender</Type><Code>…</Code><Message>…
 *
 * The parameters are sorted by their dotted keys, segment by segment, numbers as numbers; then
 * every structure, list and map is one range of the array and the whole form is decoded in one
 * walk, whatever order the client sent. Flattened lists and maps leave out "member" and "entry".
 * Parameters that the model does not know are ignored, as AWS does it; of equal keys the first one
 * counts.
 *
 * thread: any. Sources: Smithy "AWS query"; the API references' "Common parameters". */
#include "aws/protocol.h"
#include "aws/xml.h"
#include "base/assert.h"
#include "data/base64.h"
#include "data/uri.h"

#include <errno.h>

enum { PARAMS_MAX = 20000, DEPTH_MAX = 64, XML_ANSWER_MAX = 64 * 1024 * 1024 };

struct param {
    struct str key, value;
    size_t order; /* in which the client sent them */
};

/* The parameters [from, to) share the first bytes of their keys; `at` is where they begin to
 * differ. */
struct range {
    const struct param *from, *to;
    size_t at;
    unsigned depth;
};

static int read_value(struct decode *d, struct range range, const struct aws_member *member,
                      void *to);

static struct str segment_at(const struct param *param, size_t at)
{
    struct str rest = str_skip(param->key, at);
    return str_head(rest, str_find(rest, '.'));
}

static bool is_number(struct str text, uint64_t *out_value)
{
    return parse_u64(text, UINT32_MAX, out_value) == 0;
}

static int segment_cmp(struct str a, struct str b)
{
    uint64_t x, y;
    if (is_number(a, &x) && is_number(b, &y))
        return x < y ? -1 : x > y;
    return str_cmp(a, b);
}

static int param_cmp(const void *left, const void *right)
{
    const struct param *a = left, *b = right;
    for (size_t i = 0, j = 0;;) {
        struct str one = segment_at(a, i), other = segment_at(b, j);
        int order = segment_cmp(one, other);
        if (order != 0)
            return order;
        i += one.len + 1;
        j += other.len + 1;
        if (i > a->key.len && j > b->key.len)
            return a->order < b->order ? -1 : 1;
        if (i > a->key.len || j > b->key.len)
            return i > a->key.len ? -1 : 1;
    }
}

/* Takes the parameters that share the next segment off *rest. False when none are left. */
static bool group_take(struct range *rest, struct str *out_name, struct range *out_group)
{
    if (rest->from == rest->to)
        return false;
    *out_name = segment_at(rest->from, rest->at);
    const struct param *end = rest->from + 1;
    while (end < rest->to && str_eq(segment_at(end, rest->at), *out_name))
        end++;
    *out_group = (struct range){rest->from, end, rest->at + out_name->len + 1, rest->depth + 1};
    rest->from = end;
    return true;
}

/* The range holds a value itself, and not only values below it. */
static bool is_leaf(struct range range)
{
    return range.at > range.from->key.len;
}

static int refuse(struct decode *d, const struct param *param)
{
    return aws_refuse(d, &aws_error_serialization, "Value of parameter " STR_FMT " is malformed",
                      STR_ARG(str_head(param->key, 100)));
}

static int read_scalar(struct decode *d, const struct param *param, const struct aws_member *member,
                       void *to)
{
    int rc = 0;
    if (member->shape->kind == AWS_BLOB)
        rc = base64_decode(d->arena, param->value, to);
    else if (aws_is_text(member->shape))
        *(struct str *) to = param->value;
    else if (member->shape->kind == AWS_TIMESTAMP)
        rc = aws_time_parse(param->value, aws_time_format(member, AWS_TIME_ISO8601), false, to);
    else
        rc = aws_scalar_parse(member->shape, param->value, to);
    if (rc == -E2BIG)
        return aws_refuse_size(d);
    return rc < 0 ? refuse(d, param) : 0;
}

static int read_structure(struct decode *d, struct range range, const struct aws_shape *shape,
                          void *base)
{
    struct str name;
    struct range group;
    while (group_take(&range, &name, &group)) {
        const struct aws_member *member = NULL;
        for (uint32_t i = 0; i < shape->member_count && member == NULL; i++)
            if (str_eq(xml_name(&shape->members[i]), name))
                member = &shape->members[i];
        if (member == NULL)
            continue;
        void *to = aws_member_room(member, base, d->arena);
        int rc = to == NULL ? aws_refuse_size(d) : read_value(d, group, member, to);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_entry(struct decode *d, struct range range, const struct aws_shape *shape,
                      void *entry)
{
    struct str name;
    struct range group;
    while (group_take(&range, &name, &group)) {
        for (int i = 0; i < 2; i++) {
            const struct aws_member *member = &shape->members[i];
            if (!str_eq(name, xml_name(member)))
                continue;
            void *to = i == 0 ? entry : aws_item_room(member, entry);
            int rc = read_value(d, group, member, to);
            if (rc < 0)
                return rc;
        }
    }
    return ((const struct str *) entry)->ptr == NULL ? refuse(d, group.from) : 0;
}

/* "1", "2", … in ascending order; numbers may be missing. */
static int read_numbered(struct decode *d, struct range range, const struct aws_shape *shape,
                         struct aws_items *items)
{
    size_t cap = 0;
    struct str number;
    struct range group;
    uint64_t ignored;
    while (group_take(&range, &number, &group)) {
        if (!is_number(number, &ignored))
            return refuse(d, group.from);
        void *item = aws_items_add(shape, items, &cap, d->arena);
        if (item == NULL)
            return aws_refuse_size(d);
        int rc;
        if (shape->kind == AWS_MAP)
            rc = is_leaf(group) ? refuse(d, group.from) : read_entry(d, group, shape, item);
        else
            rc = read_value(d, group, &shape->members[0], aws_item_room(&shape->members[0], item));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_items(struct decode *d, struct range range, const struct aws_member *member,
                      struct aws_items *to)
{
    const struct aws_shape *shape = member->shape;
    struct str name;
    struct range group;
    aws_items_be_empty(to);
    if (is_leaf(range)) /* "List=": an empty one */
        return range.from->value.len == 0 ? 0 : refuse(d, range.from);
    if (member->flags & AWS_FLATTENED)
        return read_numbered(d, range, shape, to);
    struct str wanted = shape->kind == AWS_MAP ? STR("entry") : xml_name(&shape->members[0]);
    while (group_take(&range, &name, &group)) {
        if (!str_eq(name, wanted))
            continue;
        return is_leaf(group) ? refuse(d, group.from) : read_numbered(d, group, shape, to);
    }
    return 0;
}

static int read_value(struct decode *d, struct range range, const struct aws_member *member,
                      void *to)
{
    const struct aws_shape *shape = member->shape;
    if (range.depth > DEPTH_MAX)
        return refuse(d, range.from);
    if (shape->kind == AWS_LIST || shape->kind == AWS_MAP)
        return read_items(d, range, member, to);
    if (aws_is_aggregate(shape))
        return is_leaf(range) ? 0 : read_structure(d, range, shape, to);
    return is_leaf(range) ? read_scalar(d, range.from, member, to) : refuse(d, range.from);
}

static int add_params(struct decode *d, struct str form, struct param *params, size_t *count)
{
    struct str key, value;
    while (uri_query_next(&form, &key, &value)) {
        if (*count == PARAMS_MAX)
            return aws_refuse_size(d);
        struct param *param = &params[*count];
        param->order = (*count)++;
        int rc = uri_decode(d->arena, key, true, &param->key);
        if (rc == 0)
            rc = uri_decode(d->arena, value.ptr == NULL ? STR("") : value, true, &param->value);
        if (rc == -E2BIG)
            return aws_refuse_size(d);
        if (rc < 0)
            return aws_refuse(d, &aws_error_serialization, "A parameter is not percent-encoded");
    }
    return 0;
}

static size_t count_pairs(struct str form)
{
    size_t count = 1;
    for (size_t i = 0; i < form.len; i++)
        count += form.ptr[i] == '&';
    return count < PARAMS_MAX ? count : PARAMS_MAX;
}

static int query_decode(struct decode *d, void *out_input)
{
    if (d->op->input == NULL)
        return 0;
    size_t count = 0, room = count_pairs(d->req->body) + count_pairs(d->req->query);
    struct param *params = ARENA_ARRAY(d->arena, struct param, room + 1);
    if (params == NULL)
        return aws_refuse_size(d);
    int rc = add_params(d, d->req->body, params, &count);
    if (rc == 0)
        rc = add_params(d, d->req->query, params, &count);
    if (rc < 0)
        return rc;
    qsort(params, count, sizeof *params, param_cmp);
    return read_structure(d, (struct range){params, params + count, 0, 0}, d->op->input, out_input);
}

static void put_namespace_root(struct buf *out, struct encode *e, struct str name,
                               const char *suffix)
{
    buf_printf(out, "<" STR_FMT "%s", STR_ARG(name), suffix);
    if (e->service->xml_namespace.ptr != NULL)
        buf_printf(out, " xmlns=\"" STR_FMT "\"", STR_ARG(e->service->xml_namespace));
    buf_put_char(out, '>');
}

static int finish(struct encode *e, struct buf *text)
{
    if (!aws_answer_header(e->answer, STR("Content-Type"), STR("text/xml")))
        return -E2BIG;
    return aws_answer_text(e, text, &e->answer->body);
}

static int query_encode(struct encode *e, const void *output)
{
    AUTO_BUF struct buf text;
    buf_init(&text, XML_ANSWER_MAX);
    put_namespace_root(&text, e, e->op->name, "Response");
    if (e->op->output != NULL) {
        buf_printf(&text, "<" STR_FMT "Result>", STR_ARG(e->op->name));
        xml_put_members(&text, e->op->output, output, false);
        buf_printf(&text, "</" STR_FMT "Result>", STR_ARG(e->op->name));
    }
    xml_open(&text, STR("ResponseMetadata"));
    xml_put_text(&text, STR("RequestId"), e->request_id);
    xml_close(&text, STR("ResponseMetadata"));
    buf_printf(&text, "</" STR_FMT "Response>", STR_ARG(e->op->name));
    return finish(e, &text);
}

static int query_encode_fault(struct encode *e, const struct aws_fault *fault,
                              const void *error_detail)
{
    AUTO_BUF struct buf text;
    const struct aws_error *error = fault->error;
    buf_init(&text, XML_ANSWER_MAX);
    put_namespace_root(&text, e, STR("ErrorResponse"), "");
    xml_open(&text, STR("Error"));
    xml_put_text(&text, STR("Type"), error->side == AWS_SENDER ? STR("Sender") : STR("Receiver"));
    xml_put_text(&text, STR("Code"),
                 error->query_code.ptr != NULL ? error->query_code : error->code);
    if (error_detail != NULL)
        xml_put_error_members(&text, error->shape, error_detail);
    else
        xml_put_text(&text, STR("Message"), fault->message);
    xml_close(&text, STR("Error"));
    xml_put_text(&text, STR("RequestId"), e->request_id);
    xml_close(&text, STR("ErrorResponse"));
    return finish(e, &text);
}

const struct aws_codec aws_codec_query = {
    .decode = query_decode,
    .encode = query_encode,
    .encode_fault = query_encode_fault,
};
