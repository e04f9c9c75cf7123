#pragma once
/* AWS Lambda: functions, their code and configuration, and their invocation. Registered by app/,
 * which fills service_env.port with the struct runtime; README.md says what is supported. */
#include "core/op.h"

enum { LAMBDA_ACCOUNT_CONCURRENCY = 1000 }; /* AWS's default quota */

extern const struct service lambda_room;
