/* Snapshots of Node in real sandboxes, without the runtime: a process of many threads, an event
 * loop, machine code of its own making. */
#include "test.h"

#include "snap_harness.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_copy_goes_on_where_the_template_stood(void **state)
{
    (void) state;
    template_make("names.words = {a: [1, 2.5, 'x'.repeat(5000)]}; names.pid = process.pid;"
                  "names.fds = () => fs.readdirSync('/proc/self/fd').filter((fd) => fs.existsSync("
                  "'/proc/self/fdinfo/' + fd)).map((fd) => fd + ' ' + fs.readlinkSync("
                  "'/proc/self/fd/' + fd).replace(/\\d+/, '')).filter((text) => "
                  "!/^[35] /.test(text)).sort().join();"
                  "names.before = names.fds()");
    for (int i = 0; i < 5; i++) {
        struct sandbox_event made = clone_make();
        assert_answer(&made, "JSON.stringify(names.words).length", "5016");
        assert_answer(&made, "[names.pid, copy.pid, process.cwd(), process.version.length > 3]",
                      "[1,2,\"/var/task\",true]");
        assert_answer(&made, "names.fds() === names.before || names.fds() + ' ' + names.before",
                      "true");
        end_well(&made);
    }
}

/* All threads are there, by their names, and do their work. */
static void the_threads_run_on(void **state)
{
    (void) state;
    template_make("names.threads = () => fs.readdirSync('/proc/self/task').length;"
                  "new Promise((resolve) => fs.stat('/', resolve)).then(() => {"
                  " names.before = names.threads(); })");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "names.before > 4", "true");
    /* They start each other; then there are as many as there were. */
    assert_answer(&made,
                  "new Promise((resolve) => { const look = () => names.threads() === names.before ?"
                  " resolve('all') : setImmediate(look); look(); })",
                  "all");
    assert_answer(&made, "fs.promises.readFile('/etc/hosts', 'utf8').then((x) => x.slice(0, 9))",
                  "127.0.0.1");
    assert_answer(&made,
                  "Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => new Promise((resolve, reject) => "
                  "require('crypto').pbkdf2('a', 'b', 1000, 8, 'sha256', (error, key) => error ? "
                  "reject(error) : resolve(key.length))))).then((all) => all.join(''))",
                  "88888888");
    assert_answer(&made,
                  "new Promise((resolve) => require('dns').lookup('localhost', (error, address) => "
                  "resolve(error ? error.code : address)))",
                  "127.0.0.1");
    end_well(&made);
}

/* Whoever ends the process waits for threads that were told to end: they must be there. */
static void the_process_ends_as_it_is_told(void **state)
{
    (void) state;
    template_make("setTimeout(() => {}, 1e9)");
    struct sandbox_event made = clone_make();
    char answer[ANSWER_MAX];
    assert_false(try_ask(&made, "process.exit(7)", answer));
    struct sandbox_event gone = clone_end(&made);
    assert_false(gone.is_signalled);
    assert_int_equal(gone.status, 7);
}

static void collections_and_compiled_code_work(void **state)
{
    (void) state;
    template_make(
        "names.fib = (n) => n < 2 ? n : names.fib(n - 1) + names.fib(n - 2); names.fib(22);"
        "names.churn = () => { let kept = []; for (let i = 0; i < 1e6; i++) {"
        " kept.push({ i, text: 'x' + i }); if (kept.length > 1000) kept = kept.slice(500); }"
        " return kept.length; }; names.churn();"
        "require('v8').setFlagsFromString('--expose-gc');"
        "names.gc = require('vm').runInNewContext('gc'); names.gc();"
        "names.big = Buffer.alloc(3e7, 'y')");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "names.fib(27)", "196418");
    assert_answer(&made, "names.churn() > 0 && names.churn() > 0", "true");
    assert_answer(&made, "(names.gc(), names.gc(), names.fib(20))", "6765");
    assert_answer(
        &made,
        "{ const f = new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s += i % 7; "
        "return s'); let sum = 0; for (let i = 0; i < 200; i++) sum += f(10000); sum }",
        "5998800");
    assert_answer(&made, "names.big.every((byte) => byte === 121)", "true");
    assert_answer(&made,
                  "WebAssembly.compile(Buffer.from('0061736d0100000001070160027f7f017f030201000707"
                  "01036164640000'+'0a09010700200020016a0b', 'hex')).then((module) => new "
                  "WebAssembly.Instance(module).exports.add(40, 2))",
                  "42");
    end_well(&made);
}

static void timers_processes_files_and_sockets_work(void **state)
{
    (void) state;
    template_make("names.ticks = 0; names.timer = setInterval(() => names.ticks++, 1);"
                  "names.late = new Promise((resolve) => setTimeout(resolve, 30, 'late'))");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "names.late", "late");
    assert_answer(
        &made,
        "new Promise((resolve) => { const look = setInterval(() => { if (names.ticks > 3) "
        "{ clearInterval(look); resolve('ticking'); } }, 1); })",
        "ticking");
    assert_answer(&made,
                  "Math.abs(Date.now() - require('child_process').execFileSync('date', "
                  "['+%s%3N'])) < 2000",
                  "true");
    assert_answer(&made,
                  "new Promise((resolve) => require('child_process').execFile(process.execPath, "
                  "['-p', '6 * 7'], (error, out) => resolve(error ? error.message : out.trim())))",
                  "42");
    assert_answer(&made,
                  "(fs.writeFileSync('/tmp/x', 'y'), fs.promises.readFile('/tmp/x', 'utf8'))", "y");
    assert_answer(&made,
                  "new Promise((resolve, reject) => { const server = require('http').createServer("
                  "(q, s) => s.end('hi')).listen(0, '127.0.0.1', () => require('http').get({ port: "
                  "server.address().port, host: '127.0.0.1' }, (a) => { a.on('data', (d) => { "
                  "server.close(); resolve(String(d)); }); }).on('error', reject)); })",
                  "hi");
    assert_answer(&made, "fetch('http://127.0.0.1:4000').catch((error) => error.cause.code)",
                  "ECONNREFUSED");
    assert_answer(&made,
                  "new Promise((resolve) => { process.on('SIGUSR2', resolve); "
                  "process.kill(copy.pid, 'SIGUSR2'); })",
                  "SIGUSR2");
    assert_answer(&made,
                  "new Promise((resolve) => { const { Worker } = require('worker_threads');"
                  " new Worker('postMessage = require(\"worker_threads\").parentPort."
                  "postMessage(9)', { eval: true }).on('message', resolve); })",
                  "9");
    end_well(&made);
}

static void what_cannot_be_copied_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *init, *reason;
    } cases[] = {
        {"new Promise((resolve) => require('net').createServer().listen(0, '127.0.0.1', resolve))",
         " is open: socket:["},
        {"names.watcher = fs.watch('/tmp')", " is open: anon_inode:inotify"},
        {"names.child = require('child_process').spawn('sleep', ['50'])", "is open"},
        {"fs.writeFileSync('/tmp/state', 'x')", "/tmp is not empty: state"},
        {"const { Worker } = require('worker_threads'); Promise.all([1, 2, 3, 4, 5, 6].map(() => "
         "new "
         "Promise((resolve) => new Worker('setInterval(() => {}, 1e6)', { eval: true }).on('online'"
         ", resolve))))",
         "more threads run than the runtime's own"},
        {"require('crypto').pbkdf2('a', 'b', 5e6, 8, 'sha512', () => {})", "a thread is at work"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char said[ANSWER_MAX];
        template_run(cases[i].init, said);
        if (strstr(said, cases[i].reason) == NULL)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].init, said, cases[i].reason);
    }
}

/* OpenSSL notices by the process's number, in each of its threads. */
static void copies_share_no_random_value(void **state)
{
    (void) state;
    template_make("names.crypto = require('crypto'); names.crypto.randomBytes(8);"
                  "names.later = () => new Promise((resolve) => names.crypto.randomBytes(8, "
                  "(error, bytes) => resolve(bytes.toString('hex'))));"
                  "names.draw = async () => [names.crypto.randomBytes(8).toString('hex'), await "
                  "names.later(), await names.later(), await names.later(), copy.seed, "
                  "names.crypto.webcrypto.getRandomValues(Buffer.alloc(8)).toString('hex'), "
                  "names.crypto.generateKeyPairSync('ed25519').privateKey.export({format: 'der', "
                  "type: 'pkcs8'}).toString('hex'), names.crypto.randomUUID()].join(' ');"
                  "Promise.all([names.later(), names.later(), names.later(), names.later()])");
    copies_differ("names.draw()", 40, 8);
}

/* Machine code cannot be mapped from a file system without programs. */
static void an_image_may_lie_where_nothing_is_executed(void **state)
{
    (void) state;
    char kept[sizeof snaps_image], folder[sizeof snaps_image];
    (void) snprintf(kept, sizeof kept, "%s", snaps_image);
    (void) snprintf(folder, sizeof folder, "%.100s-noexec", snaps_image);
    assert_int_equal(mkdir(folder, 0755), 0);
    if (mount("none", folder, "tmpfs", MS_NOEXEC, NULL) < 0)
        fail_msg("mount: %d", errno);
    (void) snprintf(snaps_image, sizeof snaps_image, "%.100s/image", folder);
    template_make(
        "names.fib = (n) => n < 2 ? n : names.fib(n - 1) + names.fib(n - 2); names.fib(27)");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "names.fib(25)", "75025");
    end_well(&made);
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
    assert_int_equal(rmdir(folder), 0);
    (void) snprintf(snaps_image, sizeof snaps_image, "%s", kept);
}

/* Damaged memory of the tenant may do anything to him, and nothing to others. */
static void damaged_pages_stay_in_their_sandbox(void **state)
{
    (void) state;
    template_make("names.x = 1");
    struct stat st;
    assert_int_equal(stat(snaps_image, &st), 0);
    for (int round = 0; round < 3; round++) {
        for (off_t at = 60000 + round * 777; at < st.st_size; at += st.st_size / 400)
            flip(snaps_image, at, 0xff);
        (void) restore_and_end();
    }
    template_make("names.x = 1");
    struct sandbox_event made = clone_make();
    assert_answer(&made, "names.x", "1");
    end_well(&made);
}

int main(void)
{
    static const struct language language = {
        .argv = {"/usr/bin/node", "/var/task/template.js"},
        .file = "template.js",
        .variable = "TEMPLATE",
        .memory_mb = 512,
    };
    if (!snaps_init(&language))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_goes_on_where_the_template_stood),
        cmocka_unit_test(the_threads_run_on),
        cmocka_unit_test(the_process_ends_as_it_is_told),
        cmocka_unit_test(collections_and_compiled_code_work),
        cmocka_unit_test(timers_processes_files_and_sockets_work),
        cmocka_unit_test(what_cannot_be_copied_is_refused),
        cmocka_unit_test(copies_share_no_random_value),
        cmocka_unit_test(an_image_may_lie_where_nothing_is_executed),
        cmocka_unit_test(damaged_pages_stay_in_their_sandbox),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    snaps_done();
    return rc;
}
