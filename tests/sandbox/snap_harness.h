#pragma once
/* Snapshots in real sandboxes, without the runtime: a template is snapshotted in one sandbox and
 * restored in others. Assertions inside: cmocka's. */
#include "harness.h"

#include <stdbool.h>

enum { ANSWER_MAX = 4096 };

/* A program that takes "init" as its last argument, snapshots itself to descriptor 5, and in each
 * copy answers expressions, one per line of descriptor 3 (snapshot_template.py, .js). */
struct language {
    const char *argv[8];
    const char *file;     /* the program's name in /var/task */
    const char *variable; /* of the environment, which names it here */
    uint32_t memory_mb;
};

/* Once, first and last. Returns false when there are no snapshots here; says so. */
bool snaps_init(const struct language *language);
void snaps_done(void);
extern char snaps_image[128];
extern bool snaps_are_checked; /* clones check their whole image first, against its seal */

/* Runs the template with this initialisation; its last words in `said`, "" when it wrote an image
 * to snaps_image. */
void template_run(const char *init, char said[ANSWER_MAX]);
void template_make(const char *init); /* which must succeed */

struct sandbox_event clone_make(void);
/* False: the clone ended instead. */
bool try_ask(const struct sandbox_event *made, const char *expression, char *out);
void ask(const struct sandbox_event *made, const char *expression, char *out);
void assert_answer(const struct sandbox_event *made, const char *expression, const char *expected);
/* Ends a clone; how it ended. */
struct sandbox_event clone_end(struct sandbox_event *made);
void end_well(struct sandbox_event *made);
struct sandbox_event restore_and_end(void);

void flip(const char *path, off_t at, unsigned char bits);
/* Each value of each of `copies` copies is another one. `expression` answers `values` words. */
void copies_differ(const char *expression, int copies, int values);
