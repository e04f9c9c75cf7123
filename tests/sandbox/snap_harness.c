/* See snap_harness.h. */
#include "snap_harness.h"

#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "restorer/files.h"
#include "restorer/image.h"
#include "restorer/restorer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 60000 }; /* an emulated processor needs more than half of it */

static struct harness h;
static const struct language *language;
static char script[128];
char snaps_image[128];
bool snaps_are_checked;

static const char *const environment[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};

/* Sends a START block with a descriptor. */
static void start_with(const struct sandbox_event *made, const char *const *argv, bool is_alone,
                       int fd)
{
    AUTO_BUF struct buf block;
    buf_init(&block, SANDBOX_START_MAX);
    size_t argc = 0;
    while (argv[argc] != NULL)
        argc++;
    assert_ok(sandbox_start_block(&block, argv, argc, environment, ARRAY_LEN(environment), NULL));
    if (is_alone)
        sandbox_start_alone(&block);
    struct err err = {0};
    assert_int_equal(sandbox_send_fd(made->control_fd, buf_str(&block), fd, &err), block.len);
}

/* Takes what the template writes; blocks of zeroes become holes. */
static void image_receive(int pipe, const char *path)
{
    AUTO_CLOSE int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(out >= 0);
    static char block[IMAGE_PAGE], zeroes[IMAGE_PAGE];
    off_t at = 0;
    for (size_t have = 0;;) {
        struct pollfd wait = {.fd = pipe, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) <= 0)
            fail_msg("no image in %d ms", WAIT_MS);
        ssize_t n = read(pipe, block + have, sizeof block - have);
        assert_true(n >= 0);
        if (n == 0)
            break;
        have += (size_t) n;
        if (have < sizeof block)
            continue;
        if (memcmp(block, zeroes, sizeof block) != 0)
            assert_int_equal(pwrite(out, block, sizeof block, at), sizeof block);
        at += (off_t) sizeof block;
        have = 0;
    }
    assert_int_equal(ftruncate(out, at), 0);
}

/* Runs the template with this initialisation; its last words in `said`, "" when it wrote an image
 * to snaps_image. */
void template_run(const char *init, char said[ANSWER_MAX])
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = language->memory_mb;
    struct sandbox_event made = harness_spawn(&h, &spec);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *argv[ARRAY_LEN(language->argv) + 2] = {NULL};
    size_t argc = 0;
    for (; language->argv[argc] != NULL; argc++)
        argv[argc] = language->argv[argc];
    argv[argc] = init;
    start_with(&made, argv, true, ends[1]);
    close(ends[1]);
    image_receive(ends[0], snaps_image);
    close(ends[0]);
    struct outcome out;
    harness_finish(&h, &made, &out);
    (void) snprintf(said, ANSWER_MAX, "%.*s", (int) strcspn(out.log, "\n"), out.log);
    if (out.gone.is_signalled || out.gone.status != 0)
        fail_msg("the template ended with %d: %s", out.gone.status, out.log);
}

void template_make(const char *init)
{
    char said[ANSWER_MAX];
    template_run(init, said);
    assert_string_equal(said, "");
}

struct sandbox_event clone_make(void)
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = language->memory_mb;
    struct sandbox_event made = harness_spawn(&h, &spec);
    AUTO_CLOSE int image = open(snaps_image, O_RDONLY | O_CLOEXEC);
    assert_true(image >= 0);
    start_with(&made,
               (const char *[]){RESTORER_PATH, snaps_are_checked ? RESTORER_CHECKS : NULL, NULL},
               false, image);
    return made;
}

/* False: the clone ended instead. */
bool try_ask(const struct sandbox_event *made, const char *expression, char *out)
{
    char line[ANSWER_MAX];
    int len = snprintf(line, sizeof line, "%s\n", expression);
    if (send(made->control_fd, line, (size_t) len, MSG_NOSIGNAL) != len)
        return false;
    for (size_t at = 0; at + 1 < ANSWER_MAX;) {
        struct pollfd wait = {.fd = made->control_fd, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) <= 0)
            fail_msg("no answer to %s", expression);
        ssize_t n = read(made->control_fd, out + at, ANSWER_MAX - 1 - at);
        if (n <= 0)
            return false;
        at += (size_t) n;
        if (out[at - 1] == '\n') {
            out[at - 1] = '\0';
            return true;
        }
    }
    return false;
}

void ask(const struct sandbox_event *made, const char *expression, char *out)
{
    if (try_ask(made, expression, out))
        return;
    struct outcome end;
    struct sandbox_event copy = *made;
    harness_finish(&h, &copy, &end);
    fail_msg("the clone ended (%s %d) at %s: %s", end.gone.is_signalled ? "signal" : "exit",
             end.gone.status, expression, end.log);
}

void assert_answer(const struct sandbox_event *made, const char *expression, const char *expected)
{
    char answer[ANSWER_MAX];
    ask(made, expression, answer);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s is %s, not %s", expression, answer, expected);
}

/* Ends a clone; its exit code. */
struct sandbox_event clone_end(struct sandbox_event *made)
{
    struct outcome out;
    (void) shutdown(made->control_fd, SHUT_RDWR);
    harness_finish(&h, made, &out);
    return out.gone;
}

void end_well(struct sandbox_event *made)
{
    struct sandbox_event gone = clone_end(made);
    assert_false(gone.is_signalled);
    assert_int_equal(gone.status, 0);
}

void flip(const char *path, off_t at, unsigned char bits)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

struct sandbox_event restore_and_end(void)
{
    struct sandbox_event made = clone_make();
    char answer[ANSWER_MAX];
    (void) try_ask(&made, "1", answer);
    return clone_end(&made);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

void copies_differ(const char *expression, int copies, int values)
{
    char(*answers)[ANSWER_MAX] = mem_new((size_t) copies * ANSWER_MAX);
    char **words = NEW_ARRAY(char *, (size_t) (copies * values));
    int count = 0;
    for (int i = 0; i < copies; i++) {
        struct sandbox_event made = clone_make();
        ask(&made, expression, answers[i]);
        end_well(&made);
        char *rest = answers[i];
        for (char *word; (word = strsep(&rest, " ")) != NULL;) {
            assert_true(count < copies * values && strlen(word) >= 8);
            words[count++] = word;
        }
    }
    assert_int_equal(count, copies * values);
    qsort(words, (size_t) count, sizeof words[0], by_text);
    for (int i = 1; i < count; i++)
        assert_string_not_equal(words[i - 1], words[i]);
    free(words);
    free(answers);
}

bool snaps_init(const struct language *of)
{
    if (geteuid() != 0 || restorer_file_count == 0) {
        printf("skipped: building sandboxes needs root, snapshots need x86-64\n");
        return false;
    }
    language = of;
    for (size_t i = 0; i < restorer_file_count; i++)
        spawner_add_runtime_file(restorer_files[i].name, restorer_files[i].bytes,
                                 *restorer_files[i].size, restorer_files[i].is_executable);
    harness_init(&h);
    (void) snprintf(script, sizeof script, "%s/%s", h.code, language->file);
    (void) snprintf(snaps_image, sizeof snaps_image, "%s/image", h.dir);
    harness_copy(getenv(language->variable), script);
    harness_spawner(&h, 16, 4);
    return true;
}

void snaps_done(void)
{
    (void) unlink(script);
    (void) unlink(snaps_image);
    harness_done(&h);
}
