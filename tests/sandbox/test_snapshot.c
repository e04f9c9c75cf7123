/* Snapshots of Python in real sandboxes, without the runtime; what holds for every language is
 * tested here. */
#include "test.h"

#include "snap_harness.h"

#include "base/buf.h"
#include "base/mem.h"
#include "restorer/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Pipes with what they hold, eventfds with their count, epolls with what they watch. */
static void what_event_loops_consist_of_is_made_anew(void **state)
{
    (void) state;
    template_make("import select, fcntl\n"
                  "a, b = os.pipe(); os.dup2(a, 30); os.close(a); os.write(b, b'held')\n"
                  "os.set_blocking(b, False); c, d = os.pipe(); os.dup2(c, 20); os.close(c)\n"
                  "c = 20; os.dup2(d, 4); os.close(d); d = 4; os.set_inheritable(c, False)\n"
                  "count = os.eventfd(7, os.EFD_NONBLOCK); idle = os.eventfd(0)\n"
                  "poll = select.epoll(); poll.register(count, select.EPOLLIN)\n"
                  "poll.register(c, select.EPOLLIN | select.EPOLLET); poll.register(3)\n"
                  "outer = select.epoll(); outer.register(poll.fileno(), select.EPOLLIN)\n");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "os.read(30, 9), os.get_blocking(b), os.get_blocking(30)",
                  "(b'held', False, True)");
    assert_answer(&made, "outer.poll(1) == [(poll.fileno(), 1)], poll.poll(1)[0][1] > 0",
                  "(True, True)");
    assert_answer(&made, "os.eventfd_read(count)", "7");
    assert_answer(&made, "os.write(d, b'x'), (c, 1) in poll.poll(1), poll.unregister(3)",
                  "(1, True, None)");
    assert_answer(&made, "poll.poll(0), os.read(c, 9), os.get_inheritable(c)", "([], b'x', False)");
    assert_answer(&made, "os.eventfd_write(idle, 3), os.eventfd_read(idle)", "(None, 3)");
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
        {"r, w = os.pipe(); os.close(w)", "descriptor 4 is open: pipe:["},
        {"r, w = os.pipe(); x = os.dup(w)", "descriptor 4 is open: pipe:["},
        {"r, w = os.pipe(); os.write(w, bytes(17))",
         "descriptor 4 is open: a pipe that holds data"},
        {"import subprocess; p = subprocess.Popen(['sleep', '5'])", "a child process exists"},
        {"open('/tmp/state', 'w').write('x')", "/tmp is not empty: state"},
        {"import mmap; m = mmap.mmap(-1, 4096)", "shared memory is mapped: /dev/zero"},
        {"import signal; signal.setitimer(signal.ITIMER_REAL, 100)", "a timer is set"},
        {"import os; e = os.eventfd(0); f = os.dup(e)",
         "descriptor 6 is open: anon_inode:[eventfd]"},
        {"import os; e = os.memfd_create('x')", "descriptor 4 is open: /memfd:x"},
        {"import ctypes; e = ctypes.CDLL(None).inotify_init()",
         "descriptor 4 is open: anon_inode:inotify"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char said[ANSWER_MAX];
        template_run(cases[i].init, said);
        if (strncmp(said, cases[i].reason, strlen(cases[i].reason)) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].init, said, cases[i].reason);
    }
}

/* ---- nothing is drawn twice ---- */

/* OpenSSL tells a copy by its pid alone, so the template must have one that no copy has, nor any
 * child of a copy. */
static void copies_share_no_random_value(void **state)
{
    (void) state;
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
    copies_differ("draw()", 40, 8);
}

/* ---- damaged and forged images ---- */

static void damaged_tables_are_not_restored(void **state)
{
    (void) state;
    template_make("import json");
    AUTO_CLOSE int fd = open(snaps_image, O_RDONLY | O_CLOEXEC);
    struct image_header header;
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    size_t size = image_tables_size(&header);
    for (size_t at = 0; at < size; at += size / 61 + 1) {
        flip(snaps_image, (off_t) at, 0x10);
        struct sandbox_event gone = restore_and_end();
        assert_false(gone.is_signalled);
        assert_in_range(gone.status, IMAGE_FAULT_READ, IMAGE_FAULT_LAST);
        flip(snaps_image, (off_t) at, 0x10);
    }
    struct sandbox_event sound = clone_make();
    end_well(&sound);
    static const off_t lengths[] = {0, 1, 79, 80, 4095, 4096, 100000};
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = ARRAY_LEN(lengths); i-- > 0;) {
        assert_int_equal(truncate(snaps_image, lengths[i]), 0);
        assert_int_equal(restore_and_end().status, IMAGE_FAULT_READ);
    }
}

/* Pages are the tenant's memory: damaged ones may do anything to him, and nothing to others. */
static void damaged_pages_stay_in_their_sandbox(void **state)
{
    (void) state;
    template_make("import json");
    struct stat st;
    assert_int_equal(stat(snaps_image, &st), 0);
    for (off_t at = 40000; at < st.st_size; at += st.st_size / 40)
        flip(snaps_image, at, 0xff);
    for (int i = 0; i < 3; i++)
        (void) restore_and_end();
    template_make("import json");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "json.dumps([1])", "[1]");
    end_well(&made);
}

/* As the platform does when it puts an image away. */
static off_t seal(void)
{
    AUTO_CLOSE int fd = open(snaps_image, O_RDWR | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    AUTO_FREE unsigned char *bytes = mem_new((size_t) st.st_size);
    assert_int_equal(pread(fd, bytes, (size_t) st.st_size, 0), st.st_size);
    struct image_seal s = {.magic = IMAGE_SEAL_MAGIC,
                           .size_bytes = (uint64_t) st.st_size,
                           .hash = image_hash(IMAGE_SEAL_SEED, bytes, (size_t) st.st_size)};
    s.check = image_seal_check(&s);
    assert_int_equal(ftruncate(fd, st.st_size + IMAGE_PAGE), 0);
    assert_int_equal(pwrite(fd, &s, sizeof s, st.st_size), sizeof s);
    return st.st_size;
}

static void a_sealed_image_is_checked_as_a_whole(void **state)
{
    (void) state;
    template_make("import json");
    snaps_are_checked = true;
    assert_in_range(restore_and_end().status, IMAGE_FAULT_SEAL, IMAGE_FAULT_SEAL); /* it has none */
    off_t size = seal();
    struct sandbox_event made = clone_make();
    assert_answer(&made, "json.dumps([1])", "[1]");
    end_well(&made);
    const off_t places[] = {IMAGE_TABLES_MAX, size / 2,  size - 1,  size,
                            size + 8,         size + 16, size + 24, size + 31};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        flip(snaps_image, places[i], 1);
        struct sandbox_event gone = restore_and_end();
        assert_false(gone.is_signalled);
        assert_int_equal(gone.status, IMAGE_FAULT_SEAL);
        flip(snaps_image, places[i], 1);
    }
    assert_int_equal(truncate(snaps_image, size), 0);
    assert_int_equal(restore_and_end().status, IMAGE_FAULT_SEAL);
    assert_int_equal(truncate(snaps_image, size + 1), 0);
    assert_int_equal(restore_and_end().status, IMAGE_FAULT_READ);
    snaps_are_checked = false;
}

static void an_image_of_other_files_is_stale(void **state)
{
    (void) state;
    template_make("import json");
    AUTO_BUF struct buf bytes;
    buf_init(&bytes, 64 << 20);
    AUTO_CLOSE int fd = open(snaps_image, O_RDWR | O_CLOEXEC);
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
    static const struct language language = {
        .argv = {"/usr/bin/python3", "-S", "-s", "-B", "/var/task/template.py"},
        .file = "template.py",
        .variable = "TEMPLATE",
        .memory_mb = 256,
    };
    if (!snaps_init(&language))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_goes_on_where_the_template_stood),
        cmocka_unit_test(constants_that_were_relocated_survive),
        cmocka_unit_test(the_heap_grows),
        cmocka_unit_test(the_stack_grows),
        cmocka_unit_test(processes_threads_files_and_sockets_work),
        cmocka_unit_test(state_of_the_process_is_kept),
        cmocka_unit_test(memory_that_a_fork_empties_is_empty),
        cmocka_unit_test(files_that_cannot_change_are_opened_anew),
        cmocka_unit_test(what_event_loops_consist_of_is_made_anew),
        cmocka_unit_test(what_cannot_be_copied_is_refused),
        cmocka_unit_test(copies_share_no_random_value),
        cmocka_unit_test(damaged_tables_are_not_restored),
        cmocka_unit_test(damaged_pages_stay_in_their_sandbox),
        cmocka_unit_test(a_sealed_image_is_checked_as_a_whole),
        cmocka_unit_test(an_image_of_other_files_is_stale),
        cmocka_unit_test(memory_limits_hold_for_copies),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    snaps_done();
    return rc;
}
