#pragma once
/* A limit that all threads share, such as the concurrency of an account: exact, and nobody waits.
 * A unit of it is taken before it is used and given back after; what somebody keeps for himself is
 * never taken by others. thread: any. */
#include "base/err.h"
#include "base/str.h"

struct quota;
struct quotas;

/* Quotas by name, each of this limit. */
struct quotas *quotas_new(int64_t limit);
void quotas_free(struct quotas *quotas); /* NULL is fine; nothing is in use */
/* The one of that name, made when it is asked for first; lives as long as quotas. Takes a lock for
 * a moment: not for each call. */
struct quota *quotas_find(struct quotas *quotas, struct str name);

/* One unit of what nobody keeps. False: every one of them is in use. */
CHECK_RESULT bool quota_take(struct quota *quota);
void quota_give(struct quota *quota);
/* So many more (fewer, if negative) are kept, in all no fewer than none. Those that are in use
 * already come back one by one. */
void quota_keep(struct quota *quota, int64_t units);

int64_t quota_used(const struct quota *quota); /* taken, without what is kept */
int64_t quota_kept(const struct quota *quota);
