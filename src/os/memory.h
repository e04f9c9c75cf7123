#pragma once
/* What memory this machine, or the container around the process, has to give. */
#include <stdint.h>

/* Bytes that could be used now without swapping: what the kernel estimates (MemAvailable), or less
 * where a control group allows less. 0: unknown. */
uint64_t memory_available(void);
