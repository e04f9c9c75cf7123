#pragma once
/* The door of each function to the gateway: what runtime asks for, made by gateway. */
#include "runtime/runtime.h"

struct gateway;

/* gateway: where the gateway will be, once the loops run. */
struct runtime_doors doors_to(struct gateway *const *gateway);
