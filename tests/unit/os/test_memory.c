#include "test.h"

#include "os/memory.h"

#include <unistd.h>

static void less_than_the_machine_has_is_available(void **state)
{
    (void) state;
    uint64_t all = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
    uint64_t available = memory_available();
    assert_in_range(available, UINT64_C(1) << 20, all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(less_than_the_machine_has_is_available)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
