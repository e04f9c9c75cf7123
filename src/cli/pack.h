#pragma once
/* A package for upload: a folder zipped, or a ZIP file as it is. */
#include "base/buf.h"
#include "base/err.h"

enum { PACK_MAX = 50 * 1024 * 1024 };

/* Appends the package to out_zip (limit PACK_MAX). Of folders, version control, caches and compiled
 * Python are left out (pack_is_left_out); entries are in the order of their names, so the same
 * folder gives the same bytes.
 * errors: -EINVAL something that cannot be packed, -EFBIG/-E2BIG too large, others of the files. */
CHECK_RESULT int pack_path(const char *path, struct buf *out_zip, struct err *err);

bool pack_is_left_out(struct str name);
