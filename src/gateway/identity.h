#pragma once
/* Who calls, read from where SigV4 puts it: the credential scope in the Authorization header or in
 * the X-Amz-Credential query parameter of a presigned URL. Pure; nothing is verified here.
 * thread: any. source: AWS "Signature Version 4 signing process". */
#include "core/op.h"
#include "net/http1.h"

/* AKID/20261120/us-east-1/lambda/aws4_request. All parts are set, or none (access_key.ptr NULL). */
struct credential_scope {
    struct str access_key, date, region, service;
};

/* Looks into the header first, then into the query. A malformed or missing scope leaves *out_scope
 * without parts. Percent-encoded values are decoded into the arena. */
void scope_find(const struct http_head *head, struct arena *arena,
                struct credential_scope *out_scope);

/* The text of one scope; false when malformed, *out_scope is then empty. */
bool scope_parse(struct str text, struct credential_scope *out_scope);

/* Development mode, as local emulators have it: an access key of 12 digits is the account, any
 * other (or none) 000000000000; the region is the scope's, us-east-1 without. The principal is the
 * account's root. */
void identity_dev(const struct credential_scope *scope, struct arena *arena,
                  struct op_caller *out_caller);
