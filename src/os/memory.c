/* Sources: proc(5) meminfo; Documentation/admin-guide/cgroup-v2.rst memory.max; in a container the
 * group of the container is what its file system shows at the root. */
#include "os/memory.h"

#include "base/str.h"

#include <fcntl.h>
#include <unistd.h>

enum { TEXT_MAX = 4096 };

static struct str read_text(const char *path, char text[TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_MAX - 1);
    if (fd >= 0)
        (void) close(fd);
    return str_of(text, n < 0 ? 0 : (size_t) n);
}

/* The number at the beginning, blanks before it; UINT64_MAX: there is none ("max"). */
static uint64_t number_of(struct str text)
{
    size_t begin = 0, end;
    while (begin < text.len && text.ptr[begin] == ' ')
        begin++;
    for (end = begin; end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9';)
        end++;
    uint64_t number;
    struct str digits = str_of(text.ptr + begin, end - begin);
    return parse_u64(digits, UINT64_MAX, &number) < 0 ? UINT64_MAX : number;
}

uint64_t memory_available(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    static const char key[] = "MemAvailable:";
    char text[TEXT_MAX];
    struct str info = read_text("/proc/meminfo", text);
    size_t at = str_find_str(info, str_from(key));
    if (at >= info.len)
        return 0;
    uint64_t kib = number_of(str_skip(info, at + sizeof key - 1));
    uint64_t bytes = kib > UINT64_MAX / 1024 ? 0 : kib * 1024;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint64_t limit = number_of(read_text(limits[i], text));
        bytes = limit < bytes ? limit : bytes;
    }
    return bytes;
}
