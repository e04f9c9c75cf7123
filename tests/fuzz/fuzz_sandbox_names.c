/* What a tenant sends to virga-init's port for names, and what a name server of the world sends. */
#include "base/assert.h"
#include "sandbox/names.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct names_forwards forwards;
    struct names_question question;
    unsigned char *packet = malloc(size + 1); /* Its own block, so that one byte too far is seen. */
    if (packet == NULL)
        abort();
    memcpy(packet, data, size);
    (void) names_return(&forwards, packet, size);
    if (names_parse(packet, size, &question) == 0) {
        assert(question.end <= size && question.end <= NAMES_QUESTION_MAX);
        names_forward(&forwards, packet, 1, 2);
        packet = realloc(packet, question.end + NAMES_REPLY_ROOM);
        if (packet == NULL)
            abort();
        size_t reply = names_reply(packet, &question);
        assert(reply == question.end || reply == question.end + NAMES_REPLY_ROOM);
        struct names_question none;
        assert(names_parse(packet, reply, &none) < 0); /* Answers are not answered. */
    }
    free(packet);
    return 0;
}
