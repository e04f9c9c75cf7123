#pragma once
/* AWS Lambda: functions, their code and configuration, and their invocation. Registered by app/,
 * which fills service_env.port with the struct runtime; README.md says what is supported. */
#include "core/op.h"

extern const struct service lambda_room;
