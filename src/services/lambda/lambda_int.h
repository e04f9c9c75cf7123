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
#include "services/lambda/rules.h"
#include "store/blob.h"
#include "store/db.h"

#include <errno.h>

struct actor;
struct async;

struct lambda_state {
    struct runtime *runtime;     /* borrowed */
    struct db *db;               /* borrowed from the actor; used on the actor only */
    struct blobs *blobs;         /* owned */
    struct code_store *code;     /* owned */
    struct directory *directory; /* owned: ARN -> struct lambda_spec on every loop */
    struct directory *urls;      /* owned: id -> struct url_spec */
    struct exec *workers;        /* borrowed */
    struct async *async;         /* owned */
    struct actor *actor;         /* borrowed; set before the loops run */
};

struct lambda_work {
    struct code_package package; /* from prepare; name empty: none */
    bool is_package_kept;        /* the committed row uses it */
    struct lambda_row row;       /* as committed; published */
    struct str arn;              /* of the function */
    /* Packages that the function or the layer no longer uses; perhaps nobody does. */
    char released[1 + LAYERS_MAX][CODE_SHA_SIZE];
    size_t released_count;
    bool is_deleted;
    int64_t forgotten_bytes; /* of events that went with the function */
    struct str gone_url;     /* id of the URL that went with it; ptr NULL: it had none */
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
};

/* 413, as the wire calls it; the model knows only its cousins. */
extern const struct aws_error lambda_error_entity_too_large;

/* The specification that a row describes; refers to the code of the row and of its layers, as the
 * store has them. thread: actor, or main before the loops run. */
CHECK_RESULT struct lambda_spec *lambda_spec_new(const struct lambda_row *row, struct str arn,
                                                 struct code_store *store);
/* Notes a package that the change no longer uses: of the row as it was. */
void lambda_work_release(struct lambda_work *work, struct str sha256);
void lambda_work_release_layers(struct lambda_work *work); /* those of work->row */
/* service_op.publish of all changing operations. */
void lambda_publish(struct op *op, struct task *then);
/* service_op.discard of the operations that carry code. */
void lambda_discard(struct op *op);

/* The answer's FunctionConfiguration. is_qualified: the ARN ends in ":$LATEST". Lists leave the
 * state members out, as AWS does. -E2BIG: the arena is full. */
enum lambda_shown { LAMBDA_SHOW_ALL, LAMBDA_SHOW_LISTED };
CHECK_RESULT int lambda_show(struct op *op, const struct lambda_row *row, bool is_qualified,
                             enum lambda_shown shown, struct lambda_FunctionConfiguration *out);
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
/* The row of the caller's function that in->FunctionName means; $LATEST and no qualifier alone. */
CHECK_RESULT int lambda_find(struct op *op, struct str function_name, struct str qualifier,
                             struct lambda_target *out_target, struct lambda_row *out_row);
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
void lambda_start_Invoke(struct op *op, const void *in, void *out);
