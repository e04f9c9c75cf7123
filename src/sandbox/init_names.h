#pragma once
/* virga-init's socket for names (START_FD_NAMES): answers what waits there, a bounded number of
 * packets, and never waits itself. */
void init_names_serve(void);
