#pragma once
/* AWS Security Token Service: who is calling. Registered by app/. */
#include "core/op.h"

extern const struct service sts_room;
