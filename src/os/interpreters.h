#pragma once
/* The language interpreters that this host has, as functions see them: those of the system, below
 * /usr. Versions are hundreds and units: Python 3.11 is 311, Node 20 is 2000, Java 17 is 1700.
 *
 * Nothing is run to find them but node, the one that does not tell its version by a name or a file;
 * it takes milliseconds, so whoever starts up asks first and reads the answer later. */
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum interpreter_kind {
    INTERPRETER_PYTHON,
    INTERPRETER_NODE,
    INTERPRETER_RUBY,
    INTERPRETER_JAVA,
};

enum { INTERPRETERS_MAX = 32, INTERPRETER_PATH_MAX = 120 };

struct interpreter {
    enum interpreter_kind kind;
    unsigned version;
    bool is_usual;                   /* what /usr/bin/python3, node, ruby, java stand for */
    char path[INTERPRETER_PATH_MAX]; /* absolute */
};

struct interpreters {
    struct interpreter items[INTERPRETERS_MAX]; /* by kind and version */
    size_t count;
    const char *root; /* borrowed until interpreters_end */
    pid_t node_pid;   /* of the question to node; 0: none */
    int node_fd;
};

/* Looks below root ("" but for tests) and asks node; single-threaded, since it starts a process.
 * What cannot be read is not there. */
void interpreters_begin(struct interpreters *found, const char *root);
/* Reads node's answer. Between the two no other child may be waited for by "any". */
void interpreters_end(struct interpreters *found);

/* As if there were none of the kind. */
void interpreters_forget(struct interpreters *found, enum interpreter_kind kind);

/* The one of exactly this version, else the oldest newer one, else the newest; NULL: none of the
 * kind. */
const struct interpreter *interpreters_pick(const struct interpreters *found,
                                            enum interpreter_kind kind, unsigned version);

/* "Python 3.11", "Java 17", as people say it. */
enum { INTERPRETER_NAME_MAX = 24 };
void interpreter_name(char out[INTERPRETER_NAME_MAX], enum interpreter_kind kind, unsigned version);
