/* The way to a debugger inside a sandbox, with --dev: two connections that name the same token are
 * joined, one from outside and one from a function.
 *
 *     debugger's front end → virga invoke --debug → GET /_virga/debug/TOKEN ─┐ joined here
 *     debugger in the instance ← its relay        → GET /_virga/debug/TOKEN ─┘ (through its door)
 *
 * Nobody can connect into an instance's network, so its side calls as well: the relay in a
 * bootstrap (bootstraps/README.md) keeps one connection waiting. The token is drawn by the command
 * line and is known to the function by its environment. What one side sends before the other is
 * there waits.
 *
 * Both ask to upgrade to "virga-debug", which no web page can. thread: the loop's. */
#include "base/assert.h"
#include "base/mem.h"
#include "gateway/gateway_int.h"
#include "net/tunnel.h"

enum { ENDS_MAX = 64, EARLY_MAX = 64 * 1024, TOKEN_MIN = 16, TOKEN_MAX = 64 };

#define PREFIX "/_virga/debug/"

struct debug_end {
    struct list_node waiting; /* gateway_loop.debug_waiting, without a peer */
    struct gateway_loop *home;
    struct tunnel *tunnel;
    struct debug_end *peer;
    struct buf early; /* for a peer that is not there yet */
    bool is_inside;   /* a function's */
    size_t token_len;
    char token[TOKEN_MAX];
};

bool debug_is_asked(const struct gateway_door *door, const struct http_head *head)
{
    return door->home->gateway->config.keys == NULL && str_starts(head->path, STR(PREFIX));
}

static void end_free(struct debug_end *end)
{
    if (end->peer == NULL)
        list_remove(&end->home->debug_waiting, &end->waiting);
    end->home->debug_ends--;
    buf_done(&end->early);
    free(end);
}

static void on_bytes(void *user, struct str bytes)
{
    struct debug_end *end = user;
    if (end->peer != NULL) {
        if (!tunnel_write(end->peer->tunnel, bytes))
            tunnel_pause(end->tunnel); /* until the peer has drained */
        return;
    }
    buf_put(&end->early, bytes);
    if (buf_is_over(&end->early)) {
        tunnel_close(end->tunnel); /* that is no debugger's greeting */
        end_free(end);
    }
}

static void on_drained(void *user)
{
    struct debug_end *end = user;
    if (end->peer != NULL)
        tunnel_resume(end->peer->tunnel);
}

/* One side is gone, so the other goes. */
static void on_closed(void *user)
{
    struct debug_end *end = user, *peer = end->peer;
    if (peer != NULL) {
        tunnel_close(peer->tunnel);
        end_free(peer);
    }
    end_free(end);
}

static struct debug_end *find_peer(const struct debug_end *end)
{
    struct list *waiting = &end->home->debug_waiting;
    for (struct list_node *node = waiting->head.next; node != &waiting->head; node = node->next) {
        struct debug_end *other = CONTAINER_OF(node, struct debug_end, waiting);
        if (other->is_inside != end->is_inside &&
            str_eq(str_of(other->token, other->token_len), str_of(end->token, end->token_len)))
            return other;
    }
    return NULL;
}

static void join(struct debug_end *end, struct debug_end *peer)
{
    list_remove(&end->home->debug_waiting, &peer->waiting);
    end->peer = peer;
    peer->peer = end;
    (void) tunnel_write(end->tunnel, buf_str(&peer->early)); /* small: EARLY_MAX */
    buf_done(&peer->early);
}

static bool is_token(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return token.len >= TOKEN_MIN && token.len <= TOKEN_MAX;
}

/* NULL: fine. */
static const char *check(const struct gateway_loop *home, const struct http_head *head,
                         struct str token)
{
    if (!is_token(token))
        return "The token is malformed.";
    if (!str_eq_nocase(http_header_find(head, STR("upgrade")), STR("virga-debug")))
        return "Upgrade to virga-debug.";
    if (home->gateway->config.loop_count > 1)
        return "Debugging wants a server with one event loop: virga serve --loops 1.";
    return home->debug_ends == ENDS_MAX ? "Too many debuggers are connected." : NULL;
}

const char *debug_on_body(struct gateway_door *door, struct exchange *x)
{
    static const struct tunnel_handler handler = {on_bytes, on_drained, on_closed};
    static const struct http_header upgrade = {STR_INIT("Upgrade"), STR_INIT("virga-debug")};
    struct gateway_loop *home = door->home;
    const struct http_head *head = exchange_head(x);
    struct str token = str_skip(head->path, sizeof PREFIX - 1);
    const char *why = check(home, head, token);
    if (why != NULL)
        return why;
    struct debug_end *end = NEW(struct debug_end);
    *end = (struct debug_end){
        .home = home, .is_inside = door->caller.account.ptr != NULL, .token_len = token.len};
    memcpy(end->token, token.ptr, token.len);
    if (exchange_upgrade(x, &upgrade, 1, &handler, end, &end->tunnel, NULL) < 0) {
        free(end);
        return "The connection cannot be upgraded.";
    }
    buf_init(&end->early, EARLY_MAX);
    home->debug_ends++;
    struct debug_end *peer = find_peer(end);
    if (peer != NULL)
        join(end, peer);
    else
        list_push_back(&home->debug_waiting, &end->waiting);
    return NULL;
}
