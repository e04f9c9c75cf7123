/* Four checks, from what a browser cannot lie about:
 *
 * 1. Host. With DNS rebinding the page's own name points to us, and the browser sends that name.
 *    Only names that nobody but us answers for, or that cannot be rebound (address literals of
 *    this listener), are let in.
 * 2. Origin. Sent with every cross-origin request that can do harm with a body or a custom method.
 *    The page must be our own (same host and port) or one that the operator named. "null" is what
 *    sandboxed frames and files send: refused.
 * 3. Sec-Fetch-Site. Simple GETs (images, scripts) carry no Origin; browsers since 2020 say that
 *    they come from another site. A person who follows a link (navigate) is let through, but not
 *    to a Query operation: "/?Action=DeleteTopic" acts by GET, and a page can open it by itself.
 * 4. Actions under /_virga (and its alias) need a header of their own, which no form and no simple
 *    request can set; anything else would need a preflight, which check 2 refuses.
 *
 * Programs send none of these headers, but a Host; they are not affected.
 * Sources: fetch.spec.whatwg.org (forbidden headers), w3.org/TR/fetch-metadata, RFC 6454. */
#include "gateway/crosssite.h"

#include "base/arena.h"
#include "data/uri.h"

#include <arpa/inet.h>

struct str host_name(struct str host)
{
    if (str_starts(host, STR("[")))
        return str_head(str_skip(host, 1), str_find(str_skip(host, 1), ']'));
    return str_head(host, str_find(host, ':'));
}

struct str host_bare(struct str host)
{
    static const struct str prefixes[] = {STR_INIT("sync-"), STR_INIT("stream-"),
                                          STR_INIT("streaming-")};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (str_starts_nocase(host, prefixes[i]))
            return str_skip(host, prefixes[i].len);
    }
    return host;
}

static bool is_below(struct str name, struct str dot_domain)
{
    return name.len > dot_domain.len &&
           str_eq_nocase(str_skip(name, name.len - dot_domain.len), dot_domain);
}

static bool is_address(struct str name)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool host_is_allowed(const struct crosssite *rules, struct str name)
{
    static const struct str names[] = {STR_INIT("localhost"), STR_INIT("127.0.0.1"),
                                       STR_INIT("::1")};
    static const struct str domains[] = {STR_INIT(".localhost"),
                                         STR_INIT(".localhost.localstack.cloud"),
                                         STR_INIT(".amazonaws.com")};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        if (is_below(name, domains[i]))
            return true;
    }
    if (str_eq_nocase(name, STR("localhost.localstack.cloud")) ||
        str_eq_nocase(name, rules->listen_host))
        return true;
    for (size_t i = 0; i < rules->extra_host_count; i++) {
        struct str extra = rules->extra_hosts[i];
        if (str_eq_nocase(name, extra) || (str_starts(extra, STR(".")) && is_below(name, extra)))
            return true;
    }
    /* On a wildcard address we cannot know the machine's addresses, but a literal one cannot be
     * rebound: the browser would show that very address as the page's. */
    bool is_wildcard =
        str_eq(rules->listen_host, STR("0.0.0.0")) || str_eq(rules->listen_host, STR("::"));
    return is_wildcard && is_address(name);
}

static bool origin_is_allowed(const struct crosssite *rules, struct str origin, struct str host)
{
    for (size_t i = 0; i < rules->extra_origin_count; i++) {
        if (str_eq(origin, rules->extra_origins[i]))
            return true;
    }
    size_t at = str_find_str(origin, STR("://"));
    return at < origin.len && str_eq_nocase(str_skip(origin, at + 3), host);
}

static bool is_own_path(struct str path)
{
    return str_starts(path, STR("/_virga/")) || str_starts(path, STR("/_localstack/"));
}

/* A page, or something else to read. What cannot be read well names an action. */
static bool is_link(const struct http_head *head)
{
    enum { KEYS_AND_VALUE_MAX = 64 * 1024 };
    if (head->query.len == 0)
        return true;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, KEYS_AND_VALUE_MAX);
    struct str action;
    return uri_query_find(&arena, head->query, STR("Action"), &action) == 0 && action.ptr == NULL;
}

const char *crosssite_check_host(const struct crosssite *rules, const struct http_head *head)
{
    /* A request of HTTP/1.0 may come without a Host; no browser sends those. */
    if (head->host.len > 0 && !host_is_allowed(rules, host_bare(host_name(head->host))))
        return "this Host is not served here; see --allow-host";
    return NULL;
}

const char *crosssite_check(const struct crosssite *rules, const struct http_head *head)
{
    const char *why = crosssite_check_host(rules, head);
    if (why != NULL)
        return why;
    struct str origin = http_header_find(head, STR("origin"));
    if (origin.ptr != NULL && !origin_is_allowed(rules, origin, head->host))
        return "this Origin may not use this server; see --allow-origin";
    bool is_get = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));
    struct str site = http_header_find(head, STR("sec-fetch-site"));
    struct str mode = http_header_find(head, STR("sec-fetch-mode"));
    if (str_eq(site, STR("cross-site")) && origin.ptr == NULL &&
        !(is_get && str_eq(mode, STR("navigate")) && is_link(head)))
        return "a page of another site may not use this server";
    if (!is_get && is_own_path(head->path) &&
        http_header_find(head, STR("x-virga-action")).ptr == NULL)
        return "actions need the header X-Virga-Action";
    return NULL;
}
