/* The snapshotter as a module for Node: take(fd, keptFd, threadsMax) returns a text in the
 * template,
 * "" once the image is written or the reason why there is none, and in each copy an object
 * {pid, seed}: the process's number, which Node asks for only once, and 32 fresh random bytes.
 * pid() is that number as the kernel has it now.
 *
 * Declares the few functions of Node-API that it uses by hand, so that building Virga needs no Node
 * headers and one library fits every Node. The program exports them.
 *
 * Memory that the C library has free is given back before, so that it is not in the image.
 * Source: Node-API, "Application Binary Interface stability". */
#include "restorer/snap.h"
#include "restorer/sys.h"

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct node_env *napi_env;
typedef struct node_value *napi_value;
typedef struct node_info *napi_info;
typedef napi_value (*napi_fn)(napi_env env, napi_info info);

/* napi_status: 0 is success. */
int napi_get_cb_info(napi_env env, napi_info info, size_t *argc, napi_value *argv, napi_value *self,
                     void **data);
int napi_get_value_int32(napi_env env, napi_value value, int32_t *out);
int napi_create_int32(napi_env env, int32_t value, napi_value *out);
int napi_create_string_utf8(napi_env env, const char *text, size_t len, napi_value *out);
int napi_create_object(napi_env env, napi_value *out);
int napi_create_arraybuffer(napi_env env, size_t size, void **bytes, napi_value *out);
int napi_create_function(napi_env env, const char *name, size_t len, napi_fn call, void *data,
                         napi_value *out);
int napi_set_named_property(napi_env env, napi_value object, const char *name, napi_value value);
int napi_throw_error(napi_env env, const char *code, const char *text);

enum { NUL_TERMINATED = -1, ARGUMENTS = 3, SEED_BYTES = 32 };

/* undefined, with an exception pending. */
static napi_value fail(napi_env env, const char *why)
{
    (void) napi_throw_error(env, NULL, why);
    return NULL;
}

static napi_value get_pid(napi_env env, napi_info info)
{
    (void) info;
    napi_value value;
    return napi_create_int32(env, (int32_t) sys3(__NR_getpid, 0, 0, 0), &value) == 0
               ? value
               : fail(env, "no number can be made");
}

static napi_value identity(napi_env env)
{
    napi_value object, pid = get_pid(env, NULL), seed;
    void *bytes;
    if (pid == NULL || napi_create_object(env, &object) != 0 ||
        napi_create_arraybuffer(env, SEED_BYTES, &bytes, &seed) != 0 ||
        sys3(__NR_getrandom, (long) bytes, SEED_BYTES, 0) != SEED_BYTES ||
        napi_set_named_property(env, object, "pid", pid) != 0 ||
        napi_set_named_property(env, object, "seed", seed) != 0)
        return fail(env, "a copy cannot be told what it is");
    return object;
}

static napi_value take(napi_env env, napi_info info)
{
    napi_value arguments[ARGUMENTS], text;
    size_t count = ARGUMENTS;
    int32_t numbers[ARGUMENTS];
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != 0)
        return fail(env, "take: arguments");
    for (size_t i = 0; i < ARGUMENTS; i++)
        if (i >= count || napi_get_value_int32(env, arguments[i], &numbers[i]) != 0)
            return fail(env, "take: three numbers are expected");
    (void) malloc_trim(0);
    char reason[SNAP_REASON_MAX] = "";
    switch (snap_take(numbers[0], numbers[1], (unsigned) numbers[2], reason)) {
    case SNAP_RESTORED: return identity(env);
    case SNAP_WRITTEN: reason[0] = '\0'; break;
    case SNAP_REFUSED:
        if (reason[0] == '\0')
            return fail(env, "refused for an unknown reason");
    }
    return napi_create_string_utf8(env, reason, (size_t) NUL_TERMINATED, &text) == 0
               ? text
               : fail(env, "no text can be made");
}

napi_value napi_register_module_v1(napi_env env, napi_value exports);
__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports)
{
    static const struct {
        const char *name;
        napi_fn call;
    } functions[] = {{"take", take}, {"pid", get_pid}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        napi_value function;
        if (napi_create_function(env, functions[i].name, (size_t) NUL_TERMINATED, functions[i].call,
                                 NULL, &function) != 0 ||
            napi_set_named_property(env, exports, functions[i].name, function) != 0)
            return fail(env, "virga_snap cannot be set up");
    }
    return exports;
}
