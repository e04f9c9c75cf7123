/* Recognising requests for fronts (core/front.h), before anything else is looked at: the names that
 * they come by belong to nobody else, whatever headers they carry. Pure. */
#include "core/front.h"

#include "data/json.h"
#include "gateway/gateway_int.h"

enum { FAULT_MAX = 8192 };

/* "<id>.<label>." at the beginning of the host. */
static bool by_host(struct str host, struct str label, struct str *out_id)
{
    size_t dot = str_find(host, '.');
    struct str rest = str_skip(host, dot + 1);
    if (label.len == 0 || dot == 0 || !str_starts_nocase(rest, label) ||
        str_skip(rest, label.len).len == 0 || rest.ptr[label.len] != '.')
        return false;
    *out_id = str_head(host, dot);
    return true;
}

static bool by_path(struct str path, struct str prefix, struct str *out_id, struct str *out_path)
{
    if (!str_starts(path, prefix))
        return false;
    struct str rest = str_skip(path, prefix.len);
    size_t slash = str_find(rest, '/');
    *out_id = str_head(rest, slash);
    *out_path = slash == rest.len ? STR("/") : str_skip(rest, slash);
    return true;
}

static bool is_for(const struct service_front *front, const struct http_head *head,
                   struct front_found *out)
{
    if (by_host(head->host, front->host_label, &out->id))
        return true;
    out->is_path_form = by_path(head->path, front->path_prefix, &out->id, &out->path);
    return out->is_path_form;
}

bool front_find(const struct registry *registry, const struct http_head *head,
                struct front_found *out)
{
    for (size_t i = 0; i < registry_len(registry); i++) {
        const struct installed *installed = registry_at(registry, i);
        const struct service_front *front = installed->service->front;
        for (; front != NULL; front = front->next) {
            *out = (struct front_found){.installed = installed, .front = front, .path = head->path};
            if (is_for(front, head, out))
                return true;
        }
    }
    return false;
}

void front_put_fault(const struct aws_fault *fault, struct arena *arena,
                     struct aws_http_answer *out)
{
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, FAULT_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_key(&w, STR("Message"));
    json_str(&w, fault->message);
    json_object_end(&w);
    struct str text = arena_str(arena, buf_str(&body));
    *out = (struct aws_http_answer){
        .status = fault->error->status,
        .headers = {{STR("Content-Type"), STR("application/json")},
                    {STR("x-amzn-ErrorType"), fault->error->code}},
        .header_count = 2,
        .body = buf_is_over(&body) || text.ptr == NULL ? STR("{}") : text,
    };
}
