#include "test.h"

#include "sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void the_groups_name_real_calls_once(void **state)
{
    (void) state;
    static bool seen[1024];
    for (size_t g = 0; g < filter_group_count; g++) {
        assert_non_null(filter_groups[g].why);
        for (const char *const *name = filter_groups[g].calls; *name != NULL; name++) {
            int number = seccomp_syscall_resolve_name(*name);
            if (number == __NR_SCMP_ERROR)
                fail_msg("%s is not the name of a system call", *name);
            if (number < 0)
                continue; /* Another architecture's. */
            if (seen[number])
                fail_msg("%s stands in two groups", *name);
            seen[number] = true;
        }
    }
    static const char *const never[] = {
        "mount",          "unshare", "setns",  "ptrace",  "bpf",        "keyctl",
        "clone",          "clone3",  "socket", "ioctl",   "chroot",     "reboot",
        "io_uring_setup", "bpf",     "kcmp",   "seccomp", "userfaultfd"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_false(seen[seccomp_syscall_resolve_name(never[i])]);
}

/* Bits of what went wrong, in a child under the program. */
static int probe(const struct filter *filter)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || filter_load(filter) < 0)
        return 1;
    if (getpid() <= 0 || socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) < 0)
        return 2;
    if (socket(AF_INET, SOCK_RAW, 1) >= 0 || errno != EPERM)
        return 3;
    if (syscall(SYS_unshare, 0) >= 0 || errno != EPERM)
        return 4;
    if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS)
        return 5;
    if (syscall(505) >= 0 || errno != ENOSYS)
        return 6;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 7;
}

static void the_program_is_built_and_decides(void **state)
{
    (void) state;
    struct filter filter = {0};
    struct err err;
    assert_ok(filter_init(&filter, &err));
    assert_in_range(filter.program.len, 200, 1500);
    pid_t pid = fork();
    if (pid == 0)
        _exit(probe(&filter));
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    filter_done(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_groups_name_real_calls_once),
        cmocka_unit_test(the_program_is_built_and_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
