#pragma once
/* What the files of the lambda service share.
 *
 * Life of a change: prepare (worker) unpacks a package and leaves a struct lambda_work; run (actor)
 * checks it against the database, writes the row and leaves it in the work; publish (actor, after
 * the commit) hands the new specification to every loop. */
#include "core/op.h"
#include "core/snapshot.h"
#include "gen/lambda.h"
#include "runtime/runtime.h"
#include "services/lambda/code.h"
#include "services/lambda/db.h"
#include "services/lambda/db_layers.h"
#include "services/lambda/db_urls.h"
#include "services/lambda/languages.h"
#include "services/lambda/rules.h"
#include "store/blob.h"
#include "store/db.h"

#include <errno.h>

struct actor;
struct async;

struct lambda_state {
    struct runtime *runtime;                 /* borrowed */
    const struct interpreters *interpreters; /* borrowed; NULL: taken as there */
    bool is_strict;                          /* no interpreter stands in for another version's */
    struct db *db;                           /* borrowed from the actor; used on the actor only */
    struct blobs *blobs;                     /* owned */
    struct code_store *code;                 /* owned */
    struct directory *directory; /* owned: "arn", "arn:1" -> struct lambda_spec on every loop */
    struct directory *aliases;   /* owned: "arn:name" -> struct alias_spec */
    struct directory *urls;      /* owned: id -> struct url_spec */
    struct exec *workers;        /* borrowed */
    struct rng *rng;             /* borrowed */
    struct async *async;         /* owned */
    struct actor *actor;         /* borrowed; set before the loops run */
};

/* A package that a version or a layer no longer uses; perhaps nobody does. */
struct lambda_released {
    struct lambda_released *next;
    char code_sha256[CODE_SHA_SIZE];
};

/* A version that went. */
struct lambda_gone {
    struct lambda_gone *next;
    int64_t version;
};

/* An alias (its name) or a URL (its id) that went with its function. */
struct lambda_gone_name {
    struct lambda_gone_name *next;
    struct str name;
};

struct lambda_work {
    struct code_package package; /* from prepare; name empty: none */
    bool is_package_kept;        /* the committed row uses it */
    struct lambda_row row;       /* as committed; published */
    struct lambda_row *also;     /* a version that was made of it; NULL: none */
    bool are_all;                /* all versions of the function have changed */
    struct str arn;              /* of the function */
    struct lambda_released *released;
    bool is_deleted;
    struct lambda_gone *gone; /* is_deleted: row's version, or all */
    struct lambda_gone_name *gone_aliases, *gone_urls;
    int64_t forgotten_bytes; /* of events that went with the function */
};

struct url_work {
    struct url_row row; /* as committed, or as it was */
    bool is_deleted;
};

/* A function as the loops see it. */
struct lambda_spec {
    struct function_spec spec;       /* first */
    struct code *code;               /* counted; NULL: files of it are lost, nothing can run */
    struct code *layers[LAYERS_MAX]; /* counted, spec.layer_count */
    struct arena arena;              /* owned: the strings of spec */
    int64_t modified_at_ms;          /* of the row: when a version was published */
};

/* 413, as the wire calls it; the model knows only its cousins. */
extern const struct aws_error lambda_error_entity_too_large;

/* The specification that a row describes; refers to the code of the row and of its layers, as the
 * store has them. thread: actor, or main before the loops run. */
CHECK_RESULT struct lambda_spec *lambda_spec_new(const struct lambda_state *state,
                                                 const struct lambda_row *row, struct str arn);
/* Notes a package that the change no longer uses: of the row as it was. */
void lambda_work_release(struct op *op, struct lambda_work *work, struct str sha256);
void lambda_work_release_layers(struct op *op, struct lambda_work *work, struct str layers);
/* Of struct function_spec: differs whenever anything changed. */
uint64_t lambda_revision_number(struct str uuid);
/* service_op.publish of all changing operations. */
void lambda_publish(struct op *op, struct task *then);
/* service_op.discard of the operations that carry code. */
void lambda_discard(struct op *op);

/* Without a version. */
struct str lambda_row_arn(struct arena *arena, const struct lambda_row *row);
/* Notes that the row's version goes with this operation. */
void lambda_gone_add(struct op *op, struct lambda_work *work, const struct lambda_row *row);

/* The answer's FunctionConfiguration. qualifier: ends the ARN; ptr NULL: none. Lists leave the
 * state members out, as AWS does. -E2BIG: the arena is full. */
enum lambda_shown { LAMBDA_SHOW_ALL, LAMBDA_SHOW_LISTED };
CHECK_RESULT int lambda_show(struct op *op, const struct lambda_row *row, struct str qualifier,
                             enum lambda_shown shown, struct lambda_FunctionConfiguration *out);
/* Hex of the row -> base64 of the API. */
struct str lambda_sha256_base64(struct arena *arena, struct str hex);
struct str lambda_runtime_version_arn(struct arena *arena, struct str region, struct str runtime);
/* Stored JSON object of strings -> list of the model; the two maps have the same layout. */
CHECK_RESULT int lambda_map_parse(struct arena *arena, struct str json,
                                  struct lambda_EnvironmentVariables *out_map);

/* Unpacks into op->prepared, a new lambda_work. thread: worker. */
CHECK_RESULT int lambda_prepare_package(struct op *op, struct str zip);
/* Puts the versions of these ARNs into the row, as its layers. */
CHECK_RESULT int lambda_find_layers(struct op *op, const struct str *arns, size_t count,
                                    struct lambda_row *row);
/* Hex of a row -> base64 of the API; a time of a row -> the API's. */
struct str lambda_sha256_base64(struct arena *arena, struct str hex);
struct str lambda_time(struct arena *arena, int64_t utc_ms);
/* Base64 of the last name that was listed, and back. */
struct str lambda_marker_format(struct arena *arena, struct str name);
CHECK_RESULT int lambda_marker_parse(struct op *op, struct str marker, struct str *out_name);

int lambda_prepare_CreateFunction(struct op *op, const void *in);
int lambda_run_CreateFunction(struct op *op, const void *in, void *out);
/* The row of the caller's function that the name means, through an alias if need be. */
CHECK_RESULT int lambda_find(struct op *op, struct str function_name, struct str qualifier,
                             struct lambda_target *out_target, struct lambda_row *out_row);
/* The same for operations on functions alone: no qualifier, or $LATEST. */
CHECK_RESULT int lambda_find_function(struct op *op, struct str function_name,
                                      struct lambda_target *out_target, struct lambda_row *out_row);
/* $LATEST, which a change starts from; revision_id is the client's precondition. */
CHECK_RESULT int lambda_find_for_update(struct op *op, struct str function_name,
                                        struct str revision_id, struct lambda_row *out_row,
                                        struct str *out_arn);
/* A UUID; before the first statement, as operations are re-runnable. */
struct str lambda_new_revision(struct op *op);
/* Where a list goes on: base64 of what was listed last. Absent: empty. */
/* "The answer is too large." */
CHECK_RESULT int lambda_fail_too_large(struct op *op);

int lambda_run_GetFunction(struct op *op, const void *in, void *out);
int lambda_run_GetFunctionConfiguration(struct op *op, const void *in, void *out);
int lambda_run_ListFunctions(struct op *op, const void *in, void *out);
int lambda_run_DeleteFunction(struct op *op, const void *in, void *out);
int lambda_prepare_UpdateFunctionCode(struct op *op, const void *in);
int lambda_run_UpdateFunctionCode(struct op *op, const void *in, void *out);
int lambda_run_UpdateFunctionConfiguration(struct op *op, const void *in, void *out);
int lambda_run_PutFunctionConcurrency(struct op *op, const void *in, void *out);
int lambda_run_GetFunctionConcurrency(struct op *op, const void *in, void *out);
int lambda_run_DeleteFunctionConcurrency(struct op *op, const void *in, void *out);
int lambda_run_GetAccountSettings(struct op *op, const void *in, void *out);
int lambda_run_ListTags(struct op *op, const void *in, void *out);
int lambda_run_TagResource(struct op *op, const void *in, void *out);
int lambda_run_UntagResource(struct op *op, const void *in, void *out);
int lambda_run_ListVersionsByFunction(struct op *op, const void *in, void *out);
int lambda_run_PublishVersion(struct op *op, const void *in, void *out);
/* DeleteFunction with a qualifier other than $LATEST. */
CHECK_RESULT int version_delete(struct op *op, const struct lambda_target *target);
/* service_op.publish of the operations on aliases. */
void alias_publish(struct op *op, struct task *then);
int lambda_run_CreateAlias(struct op *op, const void *in, void *out);
int lambda_run_UpdateAlias(struct op *op, const void *in, void *out);
int lambda_run_GetAlias(struct op *op, const void *in, void *out);
int lambda_run_ListAliases(struct op *op, const void *in, void *out);
int lambda_run_DeleteAlias(struct op *op, const void *in, void *out);
int lambda_run_GetFunctionEventInvokeConfig(struct op *op, const void *in, void *out);
int lambda_run_PutFunctionEventInvokeConfig(struct op *op, const void *in, void *out);
int lambda_run_UpdateFunctionEventInvokeConfig(struct op *op, const void *in, void *out);
int lambda_run_DeleteFunctionEventInvokeConfig(struct op *op, const void *in, void *out);
int lambda_run_ListFunctionEventInvokeConfigs(struct op *op, const void *in, void *out);
int lambda_prepare_PublishLayerVersion(struct op *op, const void *in);
int lambda_run_PublishLayerVersion(struct op *op, const void *in, void *out);
int lambda_run_GetLayerVersion(struct op *op, const void *in, void *out);
int lambda_run_GetLayerVersionByArn(struct op *op, const void *in, void *out);
int lambda_run_ListLayers(struct op *op, const void *in, void *out);
int lambda_run_ListLayerVersions(struct op *op, const void *in, void *out);
int lambda_run_DeleteLayerVersion(struct op *op, const void *in, void *out);
/* service_op.publish of the operations on URLs. */
void url_publish(struct op *op, struct task *then);
int lambda_run_CreateFunctionUrlConfig(struct op *op, const void *in, void *out);
int lambda_run_GetFunctionUrlConfig(struct op *op, const void *in, void *out);
int lambda_run_UpdateFunctionUrlConfig(struct op *op, const void *in, void *out);
int lambda_run_DeleteFunctionUrlConfig(struct op *op, const void *in, void *out);
int lambda_run_ListFunctionUrlConfigs(struct op *op, const void *in, void *out);
/* Invoke with InvocationType Event, once the function is known to be there. */
void lambda_start_event(struct op *op, const struct lambda_target *target,
                        struct str client_context);
/* Makes and returns the trace id of op's invocation, which op's answer tells, too. */
struct str lambda_trace(struct op *op);
/* What both ways to invoke a function have in common. */
struct lambda_call_request {
    struct str function_name, qualifier, client_context, tenant_id, log_type, payload;
};
#define LAMBDA_CALL_REQUEST(in)                                                                    \
    {                                                                                              \
        .function_name = (in)->FunctionName, .qualifier = (in)->Qualifier,                         \
        .client_context = (in)->ClientContext, .tenant_id = (in)->TenantId,                        \
        .log_type = (in)->LogType, .payload = (in)->Payload                                        \
    }
/* Finds the function and checks the request; *out is then ready but for sink and done. Nothing is
 * held before lambda_call_run, which takes a reference of the specification, done's to give back.
 */
CHECK_RESULT int lambda_call_check(struct op *op, const struct lambda_call_request *in,
                                   struct lambda_target *out_target, struct invocation *out);
void lambda_call_run(struct op *op, struct invocation *inv);
/* The fault of an invocation that was throttled or refused. */
CHECK_RESULT int lambda_call_fail(struct op *op, const struct invocation *inv);
CHECK_RESULT int lambda_log_tail(struct op *op, struct str tail, struct str *out_base64);
void lambda_start_Invoke(struct op *op, const void *in, void *out);
void lambda_start_InvokeWithResponseStream(struct op *op, const void *in, void *out);
