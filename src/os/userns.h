#pragma once
/* Rootless: a user namespace of this process's own, in which it is root and has a range of user ids
 * to give away, all of them ordinary users' outside. What a server does as root (namespaces,
 * mounts, a uid for each sandbox) then works unchanged, except for what belongs to the host: device
 * nodes, loop devices, ports below 1024, control groups that nobody delegated.
 *
 * The range is the one that the administrator gave the user in /etc/subuid and /etc/subgid; it is
 * mapped by newuidmap(1) and newgidmap(1), the two small privileged programs that containers of
 * ordinary users need, too (package uidmap).
 *
 * thread: main's, before any other. sources: user_namespaces(7), subuid(5), newuidmap(1). */
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { USERNS_IDS = 65536 }; /* that are needed, the user's own among them, as number 0 */

/* For a process that is not root, or root of a container that may not mount: enters. The latter
 * takes all the ids there are along, without anybody's help. accepts_one: where the user has no
 * range, a namespace with one id, its own, will do (userns_id_count tells). The error says what the
 * host lacks and how to get it. */
CHECK_RESULT int userns_enter(bool accepts_one, struct err *err);

/* How many ids from 0 on exist here: 4294967295 on a plain host. */
uint64_t userns_id_count(void);

/* The first range of at least `count` ids that a file like /etc/subuid gives the user of that name
 * or number ("name:first:count" a line). False: none. Pure. */
bool userns_range_find(struct str file, struct str name, uid_t uid, uint64_t count,
                       uint64_t *out_first);
/* The same from a text like /proc/self/uid_map ("inside outside count" a line). Pure. */
uint64_t userns_map_count(struct str map);
