#pragma once
/* How well functions are kept apart on this host: said at the start, by /_virga/health, and here
 * only put into words. docs/rootless.md tells what each means. */
#include <stdbool.h>
#include <stddef.h>

struct json_writer;
struct spawner;

enum { ISOLATION_WEAKNESSES_MAX = 3 };

struct isolation {
    const char *tier; /* "root", "rootless" or "bare" */
    struct {
        const char *name; /* "limits", "users", "tmp" */
        const char *msg;  /* of the log's line */
        const char *why;  /* for a person */
    } weaknesses[ISOLATION_WEAKNESSES_MAX];
    size_t count;
};

/* spawner: ready; borrowed as long as the result is used. */
void isolation_find(struct isolation *out, const struct spawner *spawner, bool is_rootless,
                    bool has_one_id);
void isolation_log(const struct isolation *isolation);
/* Writes the member "isolation" of an object. thread: any. */
void isolation_put(const struct isolation *isolation, struct json_writer *w);

/* For who was refused for want of control groups: what can be done. */
extern const char isolation_advice[];
