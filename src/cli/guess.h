#pragma once
/* Runtime and handler of a package, guessed from its files as a person would. */
#include "base/arena.h"
#include "base/err.h"

struct guess {
    struct str runtime; /* "python3.12"; {NULL, 0}: no idea */
    struct str handler; /* "lambda_function.lambda_handler"; {NULL, 0}: no idea */
};

/* zip: the package. host: what this machine has, since the server is mostly on it too, so that a
 * guess asks for no version that is not there; NULL: the newest common ones. Strings lie in the
 * arena or are literals. errors: -EINVAL not a ZIP archive. */
struct interpreters;
CHECK_RESULT int guess_package(struct arena *arena, struct str zip, const struct interpreters *host,
                               struct guess *out_guess, struct err *err);

/* The function that is the handler in a source text, or {NULL, 0}. */
struct str guess_python_function(struct str source);
struct str guess_node_function(struct str source);
struct str guess_ruby_function(struct str source);
/* A function's name from a path: "dir/My App.zip" -> "My-App". */
struct str guess_name(struct arena *arena, const char *path);
