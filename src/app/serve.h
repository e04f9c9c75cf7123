#pragma once

enum {
    INSTANCES_MAX = 1024, /* sandboxes of this host at a time */
    TEMPLATES_MAX = 16,   /* beside them: instances that snapshots are taken of */
    POOL_SIZE = 8,        /* finished sandboxes in advance, if nobody says another number */
};

/* `virga serve`: starts everything, runs until SIGTERM or SIGINT, stops everything. Returns the
 * exit status: 0 stopped cleanly, 1 could not start or broke, 2 wrong usage. */
int serve_main(int argc, char **argv);
