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
#include "store/blob.h"
#include "store/db.h"

#include <errno.h>

struct lambda_state {
    struct runtime *runtime;     /* borrowed */
    struct db *db;               /* borrowed from the actor; used on the actor only */
    struct blobs *blobs;         /* owned */
    struct code_store *code;     /* owned */
    struct directory *directory; /* owned: ARN -> struct lambda_spec on every loop */
};

struct lambda_work {
    struct code_package package;    /* from prepare; name empty: none */
    bool is_package_kept;           /* the committed row uses it */
    struct lambda_row row;          /* as committed; published */
    struct str arn;                 /* of the function */
    char old_sha256[CODE_SHA_SIZE]; /* code that the function no longer uses; "": none */
    bool is_deleted;
};

/* A function as the loops see it. */
struct lambda_spec {
    struct function_spec spec; /* first */
    struct code *code;         /* counted; NULL: its files are lost, nothing can run */
    struct arena arena;        /* owned: the strings of spec */
};

/* A fault for which svc_fail() was called gets the member Type that Lambda's errors carry. */
CHECK_RESULT int lambda_fault_typed(struct op *op, int rc);
#define lambda_fail(op, ...) lambda_fault_typed((op), svc_fail((op), __VA_ARGS__))

/* 413, as the wire calls it; the model knows only its cousins. */
extern const struct aws_error lambda_error_entity_too_large;

/* The specification that a row describes; takes a reference of code (may be NULL). thread: actor,
 * or main before the loops run. */
CHECK_RESULT struct lambda_spec *lambda_spec_new(const struct lambda_row *row, struct str arn,
                                                 struct code *code);
/* service_op.publish of all changing operations. */
void lambda_publish(struct op *op, struct task *then);
/* service_op.discard of the operations that carry code. */
void lambda_discard(struct op *op);

/* The answer's FunctionConfiguration. is_qualified: the ARN ends in ":$LATEST". Lists leave the
 * state members out, as AWS does. -E2BIG: the arena is full. */
enum lambda_shown { LAMBDA_SHOW_ALL, LAMBDA_SHOW_LISTED };
CHECK_RESULT int lambda_show(struct op *op, const struct lambda_row *row, bool is_qualified,
                             enum lambda_shown shown, struct lambda_FunctionConfiguration *out);
/* Stored JSON object of strings -> list of the model; the two maps have the same layout. */
CHECK_RESULT int lambda_map_parse(struct arena *arena, struct str json,
                                  struct lambda_EnvironmentVariables *out_map);

int lambda_prepare_CreateFunction(struct op *op, const void *in);
int lambda_run_CreateFunction(struct op *op, const void *in, void *out);
int lambda_run_GetFunction(struct op *op, const void *in, void *out);
int lambda_run_GetFunctionConfiguration(struct op *op, const void *in, void *out);
int lambda_run_ListFunctions(struct op *op, const void *in, void *out);
int lambda_run_DeleteFunction(struct op *op, const void *in, void *out);
int lambda_prepare_UpdateFunctionCode(struct op *op, const void *in);
int lambda_run_UpdateFunctionCode(struct op *op, const void *in, void *out);
int lambda_run_UpdateFunctionConfiguration(struct op *op, const void *in, void *out);
void lambda_start_Invoke(struct op *op, const void *in, void *out);
