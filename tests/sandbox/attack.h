#pragma once
/* The hostile program's attacks: each is a function that prints what it should not have been able
 * to do. Plain libc, no header of Virga: it stands for somebody else's code. */
#include <stddef.h>

struct attack {
    const char *name; /* the program's first argument */
    void (*run)(char **argv);
};

/* Each ends with a name of NULL. */
extern const struct attack attacks_kernel[], attacks_process[], attacks_files[], attacks_memory[],
    attacks_network[];

/* A call that has to fail with this code, 0: with any. */
void must_fail(const char *what, long result, int code);
void must_be(const char *what, int is_so);
/* Where no user exists but the program's own (docs/rootless.md), everything that is its owner's is
 * its own, and a call that would make it root answers EINVAL instead of EPERM. */
int is_alone(void);
int not_root_code(void);
/* Tells the test that the attack stands, and waits to be killed. */
_Noreturn void stay(void);
