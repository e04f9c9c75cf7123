/* The tenant of the sandbox tests: one static program, one attack per first argument. Each prints
 * what it got and ends; "contained" is what a good sandbox makes of it. It uses plain libc and
 * numbers of its own, since it stands for somebody else's code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "hello") == 0) {
        puts("hello");
        return 7;
    }
    return 99;
}
