#pragma once
/* Which service and operation a request is for, and in which protocol it speaks. Pure. thread: any.
 */
#include "core/registry.h"
#include "gateway/identity.h"

struct classified {
    const struct installed *installed;     /* NULL: no service of ours */
    const struct aws_operation *operation; /* NULL: none that we support */
    enum aws_protocol protocol;            /* to answer in; valid with installed */
    struct str service;                    /* what the client called it, "" unknown */
    bool is_form;        /* Query: the body, which is yet to come, names the operation, and the
                          * service too when installed is NULL */
    struct str rejected; /* what it asked for, when operation is NULL and it can be
                          * named; else empty */
    struct str version;  /* of a form, when the service has another; else ptr NULL */
};

/* In strict mode: what would only be stored is rejected by name, as what we lack. */
void classify_strictly(struct classified *found);

/* By the head alone. */
void classify(const struct registry *registry, const struct http_head *head,
              const struct credential_scope *scope, struct classified *out);

/* Completes a classification that is_form, now that the body is there. Decoded names lie in the
 * arena. installed stays NULL when no service has that Action in that Version. */
void classify_form(const struct registry *registry, const struct http_head *head, struct str body,
                   struct arena *arena, struct classified *found);
