/* Times of building sandboxes, as main sees them: not a test, run by hand and by bench.
 * Usage: time_build [count [pool [burst [network]]]]. Prints medians and 99th percentiles in us. */
#include "test.h"

#include "harness.h"

#include <time.h>
#include <unistd.h>

static enum sandbox_network network;

static double now_us(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static void print(const char *name, double *values, size_t n)
{
    qsort(values, n, sizeof values[0], by_value);
    printf("%-28s p50 %8.0f  p99 %8.0f  max %8.0f us (n=%zu)\n", name, values[n / 2],
           values[n * 99 / 100], values[n - 1], n);
}

static void one_by_one(struct harness *h, unsigned count)
{
    static double asked_made[10000], built[10000], hello[10000], gone[10000];
    for (unsigned i = 0; i < count; i++) {
        struct sandbox_spec spec = harness_spec(h);
        spec.tmp_bytes = UINT64_C(512) << 20;
        spec.network = network;
        double t0 = now_us();
        struct sandbox_event made = harness_spawn(h, &spec);
        double t1 = now_us();
        struct outcome out;
        harness_start(&made, (const char *[]){"/var/task/tenant", "hello", NULL});
        char line[64];
        harness_line(&made, line, sizeof line);
        double t2 = now_us();
        harness_finish(h, &made, &out);
        double t3 = now_us();
        asked_made[i] = t1 - t0;
        built[i] = made.build_us;
        hello[i] = t2 - t1;
        gone[i] = t3 - t2;
        usleep(20000); /* The pool refills, as between the cold starts of a real day. */
    }
    print("asked -> MADE", asked_made, count);
    print("of it in the spawner", built, count);
    print("START -> first output", hello, count);
    print("output -> GONE", gone, count);
}

static void burst(struct harness *h, unsigned count)
{
    struct sandbox_spec specs[1000];
    double t0 = now_us();
    for (unsigned i = 0; i < count; i++) {
        specs[i] = harness_spec(h);
        specs[i].tmp_bytes = UINT64_C(512) << 20;
        specs[i].network = network;
        struct err err;
        assert_ok(spawner_spawn(h->spawner, &specs[i], &err));
    }
    double t1 = now_us();
    struct sandbox_event made[1000];
    for (unsigned i = 0; i < count; i++) {
        made[i] = harness_event(h, specs[i].id);
        assert_int_equal(made[i].type, SANDBOX_MADE);
    }
    double t2 = now_us();
    for (unsigned i = 0; i < count; i++) {
        struct err err;
        assert_ok(spawner_kill(h->spawner, specs[i].id, &err));
    }
    for (unsigned i = 0; i < count; i++) {
        (void) harness_event(h, specs[i].id);
        harness_close(&made[i]);
    }
    printf("burst of %u: sent in %.1f ms, all MADE after %.1f ms, all GONE %.1f ms later\n", count,
           (t1 - t0) / 1e3, (t2 - t0) / 1e3, (now_us() - t2) / 1e3);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 200;
    unsigned pool = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : 16;
    unsigned many = argc > 3 ? (unsigned) strtoul(argv[3], NULL, 10) : 100;
    network = argc > 4 ? (enum sandbox_network) strtoul(argv[4], NULL, 10) : SANDBOX_NETWORK_NONE;
    struct harness h;
    harness_init(&h);
    double t0 = now_us();
    harness_spawner(&h, 256, pool);
    printf("spawner_start %.1f ms; weakness: %s\n", (now_us() - t0) / 1e3,
           spawner_weakness(h.spawner) == NULL ? "none" : spawner_weakness(h.spawner));
    usleep(500000);
    one_by_one(&h, count < 10000 ? count : 10000);
    usleep(1000000);
    burst(&h, many < 1000 ? many : 1000);
    harness_done(&h);
    return 0;
}
