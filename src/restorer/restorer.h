#pragma once
/* What virga-restore and its callers agree on. */

#define RESTORER_NAME "virga-restore"
#define RESTORER_PATH "/var/runtime/" RESTORER_NAME

/* Its argument when the image has been on a disk since the last restore: everything is checked, not
 * the tables alone. */
#define RESTORER_CHECKS "--check"

/* The image, readable; the snapshotter's output has the same number. */
enum { RESTORER_FD_IMAGE = 5 };

/* Inside IMAGE_OWN_START..IMAGE_OWN_END, behind the program itself. */
#define RESTORER_VDSO_PARKED UINT64_C(0x600002000000)
#define RESTORER_VDSO_MAX    UINT64_C(0x100000)
