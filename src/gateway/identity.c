/* Reading the credential scope.
 *
 *   Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261120/us-east-1/lambda/aws4_request,
 *                  SignedHeaders=host;x-amz-date, Signature=...
 *   GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261120%2F...
 *
 * An access key may hold slashes (presigned URLs of temporary keys of other systems do), so the
 * scope is taken apart from its end. Regions are what the client wrote: some old tools sign for
 * "US" (ecosystem facts), so nothing but emptiness is refused here. This reader is lenient on
 * purpose: development mode takes any credentials. Checking a signature starts with the strict
 * one, aws/sigv4.h. */
#include "gateway/identity.h"

#include "data/uri.h"

enum { ACCOUNT_DIGITS = 12, SCOPE_MAX = 512 };

/* Cuts the part behind the last '/' off; false when there is none or it is empty. */
static bool part_take(struct str *rest, struct str *out_part)
{
    size_t at = rest->len;
    while (at > 0 && rest->ptr[at - 1] != '/')
        at--;
    if (at == 0 || at == rest->len)
        return false;
    *out_part = str_skip(*rest, at);
    *rest = str_head(*rest, at - 1);
    return true;
}

bool scope_parse(struct str text, struct credential_scope *out_scope)
{
    struct credential_scope scope;
    struct str rest = text, terminator;
    bool is_whole = text.len <= SCOPE_MAX && part_take(&rest, &terminator) &&
                    str_eq(terminator, STR("aws4_request")) && part_take(&rest, &scope.service) &&
                    part_take(&rest, &scope.region) && part_take(&rest, &scope.date) &&
                    rest.len > 0;
    scope.access_key = rest;
    *out_scope = is_whole ? scope : (struct credential_scope){0};
    return is_whole;
}

/* The value of "Credential=" in an Authorization header. */
static struct str header_credential(struct str value)
{
    struct str part;
    if (!str_starts(value, STR("AWS4-")))
        return STR_NONE;
    struct str rest = str_skip(value, str_find(value, ' '));
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_starts(part, STR("Credential=")))
            return str_skip(part, STR("Credential=").len);
    }
    return STR_NONE;
}

void scope_find(const struct http_head *head, struct arena *arena,
                struct credential_scope *out_scope)
{
    *out_scope = (struct credential_scope){0};
    struct str text = header_credential(http_header_find(head, STR("authorization")));
    if (text.ptr == NULL && head->query.ptr != NULL &&
        uri_query_find(arena, head->query, STR("X-Amz-Credential"), &text) < 0)
        return; /* A broken escape is the decoder's to report; here it names nobody. */
    if (text.ptr != NULL)
        (void) scope_parse(text, out_scope); /* Malformed: nobody, as documented. */
}

static bool is_account(struct str text)
{
    if (text.len != ACCOUNT_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

void identity_dev(const struct credential_scope *scope, struct arena *arena,
                  struct op_caller *out_caller)
{
    bool is_known = scope->access_key.ptr != NULL;
    struct str account =
        is_known && is_account(scope->access_key) ? scope->access_key : STR("000000000000");
    *out_caller = (struct op_caller){
        .account = account,
        .region = is_known ? scope->region : STR("us-east-1"),
        .principal = arena_printf(arena, "arn:aws:iam::" STR_FMT ":root", STR_ARG(account)),
        .access_key = is_known ? scope->access_key : STR(""),
    };
}
