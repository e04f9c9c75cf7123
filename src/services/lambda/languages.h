#pragma once
/* Which runtimes there are, by their ids, and what of the host runs them. thread: any. */
#include "core/op.h"
#include "runtime/runtime.h"

/* Refuses ids that AWS does not know, or has withdrawn, or that nothing here runs: no interpreter
 * of the language, or, in strict mode, none of the version. */
CHECK_RESULT int lambda_check_runtime(struct op *op, struct str runtime);

/* The rest is about ids that lambda_check_runtime has let in, today or in an earlier life of the
 * server: the host may have changed. `host` may be NULL: nothing is known of it. */

enum runtime_kind lambda_runtime_kind(struct str runtime);
/* The interpreter's path; NULL: the language's usual one, which is also said where there is none.
 */
const char *lambda_runtime_program(const struct interpreters *host, struct str runtime);
/* "Python 3.12 is not installed on this host: Python 3.11 runs the function."; ptr NULL: nothing to
 * say. */
struct str lambda_runtime_note(struct arena *arena, const struct interpreters *host,
                               struct str runtime);
