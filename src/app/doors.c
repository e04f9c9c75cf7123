/* A function acts as its role: the session is called like the function, as on AWS.
 *
 *     arn:aws:iam::<account>:role/<path><role>  → arn:aws:sts::<account>:assumed-role/<role>/<name>
 *
 * Source: AWS IAM user guide, "assumed-role session principals"; Lambda names sessions so. */
#include "app/doors.h"

#include "gateway/gateway.h"

enum { PRINCIPAL_MAX = 512 };

/* The name behind the last slash. */
static struct str role_name(struct str arn)
{
    for (size_t at = arn.len; at > 0; at--)
        if (arn.ptr[at - 1] == '/')
            return str_skip(arn, at);
    return arn;
}

static int open_door(void *arg, size_t loop, int listen_fd, const struct function_spec *spec,
                     void **out_door, struct err *err)
{
    struct gateway *const *gateway = arg;
    struct buf principal;
    buf_init(&principal, PRINCIPAL_MAX);
    buf_printf(&principal, "arn:aws:sts::" STR_FMT ":assumed-role/" STR_FMT "/" STR_FMT,
               STR_ARG(spec->account), STR_ARG(role_name(spec->role)), STR_ARG(spec->name));
    const struct gateway_caller caller = {spec->account, spec->region, buf_str(&principal)};
    struct gateway_door *door;
    int rc = gateway_door_open(*gateway, loop, listen_fd, &caller, &door, err);
    buf_done(&principal);
    if (rc >= 0)
        *out_door = door;
    return rc < 0 ? rc : 0;
}

static void close_door(void *arg, void *door)
{
    (void) arg;
    gateway_door_close(door);
}

struct runtime_doors doors_to(struct gateway *const *gateway)
{
    return (struct runtime_doors){open_door, close_door, (void *) (uintptr_t) gateway};
}
