#pragma once
/* Functions that invite bugs, turned into compile errors. Included by base/str.h, hence by
 * every file of the project; system headers must come first only where they declare these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Under _FORTIFY_SOURCE some of them are macros, and clang warns when it poisons a macro. */
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol gmtime
#pragma GCC poison localtime system rand srand gets sscanf
