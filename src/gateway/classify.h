#pragma once
/* Which service and operation a request is for, and in which protocol it speaks. Pure: looks at the
 * head only. thread: any. */
#include "core/registry.h"
#include "gateway/identity.h"

struct classified {
    const struct installed *installed;     /* NULL: no service of ours */
    const struct aws_operation *operation; /* NULL: none that we support */
    enum aws_protocol protocol;            /* to answer in; valid with installed */
    struct str service;                    /* what the client called it, "" unknown */
    bool is_form;        /* Query: the operation is named in the body, which is yet to come */
    struct str rejected; /* what it asked for, when operation is NULL and it can be
                          * named; else empty */
};

void classify(const struct registry *registry, const struct http_head *head,
              const struct credential_scope *scope, struct classified *out);
