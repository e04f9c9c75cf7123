/* Snapshots in real sandboxes, without the runtime: a Python template that is snapshotted in one
 * sandbox and restored in others. */
#include "test.h"

#include "harness.h"

#include "base/buf.h"
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

enum { WAIT_MS = 20000, ANSWER_MAX = 4096 };

static struct harness h;
static char image_path[128];

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
 * to image_path. */
static void template_run(const char *init, char said[ANSWER_MAX])
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = 256;
    struct sandbox_event made = harness_spawn(&h, &spec);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start_with(
        &made,
        (const char *[]){"/usr/bin/python3", "-S", "-s", "-B", "/var/task/template.py", init, NULL},
        true, ends[1]);
    close(ends[1]);
    image_receive(ends[0], image_path);
    close(ends[0]);
    struct outcome out;
    harness_finish(&h, &made, &out);
    (void) snprintf(said, ANSWER_MAX, "%.*s", (int) strcspn(out.log, "\n"), out.log);
    if (out.gone.is_signalled || out.gone.status != 0)
        fail_msg("the template ended with %d: %s", out.gone.status, out.log);
}

static void template_make(const char *init)
{
    char said[ANSWER_MAX];
    template_run(init, said);
    assert_string_equal(said, "");
}

static struct sandbox_event clone_make_of(const char *path)
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = 256;
    struct sandbox_event made = harness_spawn(&h, &spec);
    AUTO_CLOSE int image = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(image >= 0);
    start_with(&made, (const char *[]){RESTORER_PATH, NULL}, false, image);
    return made;
}

static struct sandbox_event clone_make(void)
{
    return clone_make_of(image_path);
}

/* False: the clone ended instead. */
static bool try_ask(const struct sandbox_event *made, const char *expression, char *out)
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

static void ask(const struct sandbox_event *made, const char *expression, char *out)
{
    if (try_ask(made, expression, out))
        return;
    struct outcome end;
    struct sandbox_event copy = *made;
    harness_finish(&h, &copy, &end);
    fail_msg("the clone ended (%s %d) at %s: %s", end.gone.is_signalled ? "signal" : "exit",
             end.gone.status, expression, end.log);
}

static void assert_answer(const struct sandbox_event *made, const char *expression,
                          const char *expected)
{
    char answer[ANSWER_MAX];
    ask(made, expression, answer);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s is %s, not %s", expression, answer, expected);
}

/* Ends a clone; its exit code. */
static struct sandbox_event clone_end(struct sandbox_event *made)
{
    struct outcome out;
    (void) shutdown(made->control_fd, SHUT_RDWR);
    harness_finish(&h, made, &out);
    return out.gone;
}

static void end_well(struct sandbox_event *made)
{
    struct sandbox_event gone = clone_end(made);
    assert_false(gone.is_signalled);
    assert_int_equal(gone.status, 0);
}

/* ---- what a copy is ---- */

static void a_copy_goes_on_where_the_template_stood(void **state)
{
    (void) state;
    template_make("import json; words = {'a': [1, 2.5, 'x' * 5000]}; pid = os.getpid()");
    for (int i = 0; i < 5; i++) {
        struct sandbox_event made = clone_make();
        assert_answer(&made, "len(json.dumps(words))", "5019");
        assert_answer(&made, "pid, os.getpid()", "(1, 2)");
        assert_answer(&made, "os.getcwd()", "/var/task");
        assert_answer(&made, "sorted(os.listdir('/proc/self/fd'))", "['0', '1', '2', '3', '4']");
        assert_answer(&made, "open('/proc/self/comm').read().strip()", "python3");
        end_well(&made);
    }
}

/* RELRO: relocated constants are read-only and differ from their file. A library that is used only
 * after the restore finds its own. */
static void constants_that_were_relocated_survive(void **state)
{
    (void) state;
    template_make("import ssl, hashlib, ctypes, zlib, decimal, sqlite3, lzma, bz2");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "hashlib.sha256(b'x').hexdigest()[:8], zlib.crc32(b'x')",
                  "('2d711642', 2363233923)");
    assert_answer(&made, "sqlite3.connect(':memory:').execute('select 6*7').fetchone()[0]", "42");
    assert_answer(&made, "len(ssl.create_default_context().get_ciphers()) > 3", "True");
    assert_answer(&made, "lzma.decompress(lzma.compress(b'x' * 100000)) == b'x' * 100000", "True");
    end_well(&made);
}

/* brk: the kernel must know where the copy's heap ends. */
static void the_heap_grows(void **state)
{
    (void) state;
    template_make("import gc");
    struct sandbox_event made = clone_make();
    assert_answer(&made,
                  "[sum(len(x) for x in [bytes(100) * (i % 9) for i in range(60000)]) "
                  "for _ in range(3)]",
                  "[23999100, 23999100, 23999100]");
    assert_answer(&made, "sum(l.startswith('Vm') for l in open('/proc/self/status')) > 5", "True");
    end_well(&made);
}

static void the_stack_grows(void **state)
{
    (void) state;
    template_make("import re; sys.setrecursionlimit(20000)\n"
                  "def down(n, key=None): return 0 if n == 0 else 1 + max([n - 1], key=lambda m: "
                  "down(m)) - (n - 1) + (n - 1)\n");
    struct sandbox_event made = clone_make();
    /* max() calls back from C: about half a kilobyte of the C stack each. */
    assert_answer(&made, "down(5000)", "5000");
    end_well(&made);
}

static void processes_threads_files_and_sockets_work(void **state)
{
    (void) state;
    template_make(
        "import subprocess, threading, tempfile, socket, signal, time, select\n"
        "def thread():\n"
        " out = []; t = threading.Thread(target=lambda: out.append(threading.get_ident()))\n"
        " t.start(); t.join(); return len(out)\n"
        "def tcp():\n"
        " s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection("
        "s.getsockname())\n"
        " a = s.accept()[0]; c.send(b'hi'); return a.recv(2)\n"
        "got = []\n"
        "def alarm():\n"
        " signal.setitimer(signal.ITIMER_REAL, 0.005); signal.pause(); return got\n"
        "signal.signal(signal.SIGALRM, lambda *a: got.append(a[0]))\n");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "subprocess.check_output(['echo', 'x'])", "b'x\\n'");
    assert_answer(&made, "subprocess.check_output([sys.executable, '-c', 'print(1)'])", "b'1\\n'");
    assert_answer(&made, "[thread() for _ in range(20)] == [1] * 20", "True");
    assert_answer(&made, "tcp()", "b'hi'");
    assert_answer(&made, "alarm()", "[14]");
    assert_answer(&made, "tempfile.NamedTemporaryFile().write(b'x')", "1");
    assert_answer(&made,
                  "abs(time.time() - float(subprocess.check_output(['date', '+%s.%N']))) < 1",
                  "True"); /* the vDSO at its new place */
    assert_answer(&made, "os.waitpid(os.fork() or os._exit(7), 0)[1] >> 8", "7");
    end_well(&made);
}

static void state_of_the_process_is_kept(void **state)
{
    (void) state;
    template_make("import ctypes, signal, faulthandler, threading, time\n"
                  "stack = (ctypes.c_long * 3)()\n"
                  "os.umask(0o027); os.chdir('/usr/lib')\n"
                  "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])\n"
                  "faulthandler.enable()\n"); /* which sets an alternate signal stack */
    struct sandbox_event made = clone_make();
    assert_answer(&made, "oct(os.umask(0o022)), os.getcwd()", "('0o27', '/usr/lib')");
    assert_answer(&made, "signal.pthread_sigmask(signal.SIG_BLOCK, [])", "{<Signals.SIGUSR2: 12>}");
    assert_answer(&made, "signal.getsignal(signal.SIGPIPE)", "1");
    assert_answer(&made, "ctypes.CDLL(None).sigaltstack(None, stack), stack[0] != 0, stack[1]",
                  "(0, True, 0)");
    /* The C library knows its thread's number from its own memory. */
    assert_answer(
        &made, "time.clock_gettime(time.pthread_getcpuclockid(threading.get_ident())) > 0", "True");
    assert_answer(&made, "threading.get_native_id()", "2");
    assert_answer(&made,
                  "[l.split()[1] for l in open('/proc/self/status') if l.startswith('Seccomp:'"
                  ") or l.startswith('NoNewPrivs')]",
                  "['1', '2']");
    assert_answer(&made,
                  "[l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')]",
                  "['0000000000000000']");
    /* The restorer itself is gone from the copy. */
    assert_answer(&made, "[l for l in open('/proc/self/maps') if l.startswith('60000')]", "[]");
    end_well(&made);
}

/* Libraries learn of a fork by a page that the kernel empties; a copy is the same to them. */
static void memory_that_a_fork_empties_is_empty(void **state)
{
    (void) state;
    template_make("import mmap\n"
                  "m = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                  "m[:] = b'x' * 8192; m.madvise(18)\n"
                  "def child():\n"
                  " r, w = os.pipe()\n"
                  " if os.fork() == 0: os.write(w, m[:1]); os._exit(0)\n"
                  " return os.read(r, 1)\n"
                  "def put(): m[0] = 65; return m[0]\n");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "m[:] == bytes(8192), put(), child(), m[0]", "(True, 65, b'\\x00', 65)");
    end_well(&made);
}

static void files_that_cannot_change_are_opened_anew(void **state)
{
    (void) state;
    template_make("a = open('/dev/urandom', 'rb', buffering=0); b = os.open('/etc/hosts', 0)\n"
                  "os.lseek(b, 10, 0); c = os.dup(b); os.dup2(c, 40); os.close(c)\n"
                  "d = os.open('/dev/null', os.O_WRONLY); os.close(b); os.dup2(40, 9)\n");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "os.read(40, 9), os.read(9, 9)", "(b'localhost', b'localhost')");
    assert_answer(&made, "len(a.read(8)), os.write(d, b'x')", "(8, 1)");
    assert_answer(&made, "[os.get_inheritable(x) for x in (a.fileno(), 40)]", "[False, True]");
    end_well(&made);
}

/* ---- what is not copied ---- */

static void what_cannot_be_copied_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *init, *reason;
    } cases[] = {
        {"import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
         "more than one thread runs"},
        {"import socket; s = socket.socket()", "descriptor 4 is open: socket:["},
        {"f = open('/tmp/x', 'w')", "descriptor 4 is open: /tmp/x"},
        {"r, w = os.pipe()", "descriptor 4 is open: pipe:["},
        {"import subprocess; p = subprocess.Popen(['sleep', '5'])", "a child process exists"},
        {"open('/tmp/state', 'w').write('x')", "/tmp is not empty: state"},
        {"import mmap; m = mmap.mmap(-1, 4096)", "shared memory is mapped: /dev/zero"},
        {"import signal; signal.setitimer(signal.ITIMER_REAL, 100)", "a timer is set"},
        {"import select; e = select.epoll()", "descriptor 4 is open: anon_inode:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char said[ANSWER_MAX];
        template_run(cases[i].init, said);
        if (strncmp(said, cases[i].reason, strlen(cases[i].reason)) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].init, said, cases[i].reason);
    }
}

/* ---- nothing is drawn twice ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* OpenSSL tells a copy by its pid alone, so the template must have one that no copy has, nor any
 * child of a copy. */
static void copies_share_no_random_value(void **state)
{
    (void) state;
    enum { COPIES = 40, VALUES = 8 };
    template_make("import ssl, random, uuid, secrets, hashlib, tempfile, subprocess\n"
                  "ssl.RAND_bytes(8); random.random(); tempfile._get_candidate_names()\n"
                  "next(tempfile._get_candidate_names())\n"
                  "def child():\n"
                  " r, w = os.pipe()\n"
                  " if os.fork() == 0: os.write(w, ssl.RAND_bytes(8).hex().encode()); os._exit(0)\n"
                  " return os.read(r, 100).decode()\n"
                  "def draw(): return ' '.join([child(), ssl.RAND_bytes(8).hex(), "
                  "random.randbytes(8).hex(), str(uuid.uuid4()), secrets.token_hex(8), "
                  "os.urandom(8).hex(), str(uuid.uuid1())[:8] + str(uuid.uuid4()), "
                  "next(tempfile._get_candidate_names())])\n");
    static char answers[COPIES][ANSWER_MAX];
    char *values[COPIES * VALUES];
    size_t count = 0;
    for (int i = 0; i < COPIES; i++) {
        struct sandbox_event made = clone_make();
        ask(&made, "draw()", answers[i]);
        end_well(&made);
        char *rest = answers[i];
        for (char *word; (word = strsep(&rest, " ")) != NULL;) {
            assert_true(count < ARRAY_LEN(values) && strlen(word) >= 8);
            values[count++] = word;
        }
    }
    assert_int_equal(count, ARRAY_LEN(values));
    qsort(values, count, sizeof values[0], by_text);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(values[i - 1], values[i]);
}

/* ---- damaged and forged images ---- */

static void flip(const char *path, off_t at, unsigned char bits)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static struct sandbox_event restore_and_end(void)
{
    struct sandbox_event made = clone_make();
    char answer[ANSWER_MAX];
    (void) try_ask(&made, "1", answer);
    return clone_end(&made);
}

static void damaged_tables_are_not_restored(void **state)
{
    (void) state;
    template_make("import json");
    AUTO_CLOSE int fd = open(image_path, O_RDONLY | O_CLOEXEC);
    struct image_header header;
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    size_t size = image_tables_size(&header);
    for (size_t at = 0; at < size; at += size / 61 + 1) {
        flip(image_path, (off_t) at, 0x10);
        struct sandbox_event gone = restore_and_end();
        assert_false(gone.is_signalled);
        assert_in_range(gone.status, IMAGE_FAULT_READ, IMAGE_FAULT_LAST);
        flip(image_path, (off_t) at, 0x10);
    }
    struct sandbox_event sound = clone_make();
    end_well(&sound);
    static const off_t lengths[] = {0, 1, 79, 80, 4095, 4096, 100000};
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = ARRAY_LEN(lengths); i-- > 0;) {
        assert_int_equal(truncate(image_path, lengths[i]), 0);
        assert_int_equal(restore_and_end().status, IMAGE_FAULT_READ);
    }
}

/* Pages are the tenant's memory: damaged ones may do anything to him, and nothing to others. */
static void damaged_pages_stay_in_their_sandbox(void **state)
{
    (void) state;
    template_make("import json");
    struct stat st;
    assert_int_equal(stat(image_path, &st), 0);
    for (off_t at = 40000; at < st.st_size; at += st.st_size / 40)
        flip(image_path, at, 0xff);
    for (int i = 0; i < 3; i++)
        (void) restore_and_end();
    template_make("import json");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "json.dumps([1])", "[1]");
    end_well(&made);
}

static void an_image_of_other_files_is_stale(void **state)
{
    (void) state;
    template_make("import json");
    AUTO_BUF struct buf bytes;
    buf_init(&bytes, 64 << 20);
    AUTO_CLOSE int fd = open(image_path, O_RDWR | O_CLOEXEC);
    static _Alignas(8) char tables[IMAGE_TABLES_MAX];
    assert_true(pread(fd, tables, sizeof tables, 0) > 0);
    struct image_header *header = (void *) tables;
    struct image_file *files = (void *) (header + 1);
    assert_true(header->file_count > 3);
    files[0].mtime_ns++;
    header->check = image_check_of(header);
    assert_true(pwrite(fd, tables, image_tables_size(header), 0) > 0);
    assert_int_equal(restore_and_end().status, IMAGE_FAULT_STALE);
    files[0].mtime_ns--;
    header->kernel ^= 1;
    header->check = image_check_of(header);
    assert_true(pwrite(fd, tables, image_tables_size(header), 0) > 0);
    assert_int_equal(restore_and_end().status, IMAGE_FAULT_KERNEL);
}

static void memory_limits_hold_for_copies(void **state)
{
    (void) state;
    template_make("big = bytearray(40 << 20)\nfor i in range(0, len(big), 4096): big[i] = 1\n");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "sum(big) == len(big) // 4096", "True");
    char answer[ANSWER_MAX];
    assert_false(try_ask(&made, "len([bytearray(b'x') * (1 << 20) for _ in range(400)])", answer));
    struct sandbox_event gone = clone_end(&made);
    assert_true(gone.oom_kills > 0);
}

int main(void)
{
    if (geteuid() != 0 || restorer_file_count == 0) {
        printf("skipped: building sandboxes needs root, snapshots need x86-64\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_goes_on_where_the_template_stood),
        cmocka_unit_test(constants_that_were_relocated_survive),
        cmocka_unit_test(the_heap_grows),
        cmocka_unit_test(the_stack_grows),
        cmocka_unit_test(processes_threads_files_and_sockets_work),
        cmocka_unit_test(state_of_the_process_is_kept),
        cmocka_unit_test(memory_that_a_fork_empties_is_empty),
        cmocka_unit_test(files_that_cannot_change_are_opened_anew),
        cmocka_unit_test(what_cannot_be_copied_is_refused),
        cmocka_unit_test(copies_share_no_random_value),
        cmocka_unit_test(damaged_tables_are_not_restored),
        cmocka_unit_test(damaged_pages_stay_in_their_sandbox),
        cmocka_unit_test(an_image_of_other_files_is_stale),
        cmocka_unit_test(memory_limits_hold_for_copies),
    };
    for (size_t i = 0; i < restorer_file_count; i++)
        spawner_add_runtime_file(restorer_files[i].name, restorer_files[i].bytes,
                                 *restorer_files[i].size, restorer_files[i].is_executable);
    harness_init(&h);
    char script[128];
    (void) snprintf(script, sizeof script, "%s/template.py", h.code);
    (void) snprintf(image_path, sizeof image_path, "%s/image", h.dir);
    harness_copy(getenv("TEMPLATE"), script);
    harness_spawner(&h, 16, 4);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    (void) unlink(script);
    (void) unlink(image_path);
    harness_done(&h);
    return rc;
}
