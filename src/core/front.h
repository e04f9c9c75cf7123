#pragma once
/* A service's front: requests that speak no AWS protocol but are for something that the service
 * made, such as a function URL. They are recognised by their Host, "<id>.<host_label>.<rest>", or,
 * for clients that cannot resolve such names, by a path, "<path_prefix><id>/…". The op's start gets
 * struct front_in and fills a struct aws_http_answer; a fault becomes {"Message": …}. */
#include "core/op.h"

struct front_in {
    struct aws_http_request http; /* path without the prefix of the path form */
    struct str id;                /* as the client wrote it */
    struct str host;              /* as the client addressed us, with the port */
    struct str peer;              /* the client's address, without port */
    bool is_https;                /* the client speaks TLS */
    bool is_authentic;            /* signed for the service by a key of ours; true in development */
};

struct service_front {
    struct str host_label; /* len 0: by path only */
    struct str path_prefix;
    struct service_op op;             /* start and body_max */
    const struct service_front *next; /* of the same service; NULL: it has no other */
};
