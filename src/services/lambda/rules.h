#pragma once
/* Decisions of the lambda service that need no database: what a function may be called, what a
 * configuration may say. Each answers 0, or OP_FAILED with the fault set in op (AWS's code and
 * words, see messages.h). thread: any, op's owner. */
#include "core/op.h"
#include "runtime/runtime.h"
#include "services/lambda/db.h"

struct lambda_Environment;
struct lambda_FunctionCode;

enum {
    LAMBDA_NAME_MAX = 64,
    LAMBDA_TIMEOUT_MAX_S = 900,
    LAMBDA_MEMORY_MAX_MB = 10240,
    LAMBDA_ENV_MAX = 4096, /* bytes of the variables as JSON */
    LAMBDA_ZIP_MAX = 52428800,
    LAMBDA_REQUEST_MAX = 70167211, /* of the operations that carry a ZIP in base64 */
    LAMBDA_PAYLOAD_MAX = 6291456,
    LAMBDA_CLIENT_CONTEXT_MAX = 3583,
};
#define LAMBDA_UNZIPPED_MAX 262144000ull

/* Whom a request means. All strings are views or lie in op's arena. */
struct lambda_target {
    struct str name;
    struct str qualifier; /* {NULL, 0}: none was given */
    struct str arn;       /* without qualifier, in the caller's account and region */
};

/* Resolves name, partial and full ARN, with the qualifier from either place. */
CHECK_RESULT int lambda_resolve(struct op *op, struct str function_name, struct str qualifier,
                                struct lambda_target *out_target);
/* The ARN as the caller named the function: with the qualifier if there was one. */
struct str lambda_invoked_arn(struct op *op, const struct lambda_target *target);
/* "Function not found", with the qualifier when one was given. */
CHECK_RESULT int lambda_not_found(struct op *op, const struct lambda_target *target);
/* The operations that only know $LATEST. */
CHECK_RESULT int lambda_check_latest(struct op *op, const struct lambda_target *target);

/* What CreateFunction and UpdateFunctionConfiguration have in common: views of their members. */
struct lambda_settings {
    struct str runtime, role, handler, description, kms_key;
    bool has_timeout, has_memory;
    int32_t timeout_s, memory_mb;
    const struct lambda_VpcConfig *vpc;
    const struct lambda_DeadLetterConfig *dead_letter;
    const struct lambda_Environment *environment;
    const struct lambda_TracingConfig *tracing;
    const struct lambda_EphemeralStorage *storage;
    const struct lambda_SnapStart *snap_start;
    const struct lambda_LoggingConfig *logging;
    const struct lambda_CapacityProviderConfig *capacity;
    const struct lambda_DurableConfig *durable;
    const struct lambda_ImageConfig *image;
    const struct str *layers; /* ARNs of versions; NULL: not given */
    size_t layer_count, file_system_count;
};

/* Refuses values that are wrong and members that we do not act upon. */
CHECK_RESULT int lambda_check_settings(struct op *op, const struct lambda_settings *settings);
/* Puts what was given into the row; the rest keeps its value. settings were checked. */
CHECK_RESULT int lambda_apply_settings(struct op *op, const struct lambda_settings *settings,
                                       struct lambda_row *row);

CHECK_RESULT int lambda_check_environment(struct op *op, const struct lambda_Environment *env);
/* At most one element, our own architecture. */
CHECK_RESULT int lambda_check_architectures(struct op *op, const struct str *items, size_t count);
/* Exactly one source, and it is a ZIP in the request. */
CHECK_RESULT int lambda_check_code(struct op *op, const struct lambda_FunctionCode *code);
/* The limit of code and layers together. */
CHECK_RESULT int lambda_check_unzipped(struct op *op, const struct lambda_row *row);
/* The payload is empty or JSON of a bearable size. */
CHECK_RESULT int lambda_check_payload(struct op *op, struct str payload);
/* Base64 of a JSON object; decoded into op's arena. Absent stays absent. */
CHECK_RESULT int lambda_check_client_context(struct op *op, struct str encoded,
                                             struct str *out_json);

/* "x86_64" or "arm64". */
const char *lambda_architecture(void);
/* {"key":"value",…} of a model's map, in the order given. */
struct str_pair {
    struct str key, value;
};
CHECK_RESULT int lambda_map_format(struct arena *arena, const struct str_pair *pairs, size_t count,
                                   struct str *out_json);
