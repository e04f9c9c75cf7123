#pragma once
/* virga doctor: the command. argv[0] is its name; returns 0 all good, 1 degraded, 2 cannot run (or
 * the command line is wrong). */
int doctor_main(int argc, char **argv);
