/* Functions print what they like, and what they were sent; on a terminal an escape sequence is a
 * command. Those of C1 (U+0080 to U+009F) are two bytes in UTF-8. */
#include "cli/print.h"

#include <stdio.h>

void print_visibly(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char) text.ptr[i];
        unsigned char next = i + 1 < text.len ? (unsigned char) text.ptr[i + 1] : 0;
        bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
        if (c == '\t' || c == '\n' || (c >= ' ' && c != 0x7f && !is_c1)) {
            (void) putchar(c);
        } else if (is_c1) {
            printf("<%02x>", next);
            i++;
        } else {
            printf("^%c", c ^ 0x40);
        }
    }
}
