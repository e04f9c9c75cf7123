#pragma once
/* `virga serve`: starts everything, runs until SIGTERM or SIGINT, stops everything. Returns the
 * exit status: 0 stopped cleanly, 1 could not start or broke, 2 wrong usage. */
int serve_main(int argc, char **argv);
