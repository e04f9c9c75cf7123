#include "test.h"

#include "base/list.h"

struct item {
    int value;
    struct list_node node;
};

static int value_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct item, node)->value;
}

static void order_removal_and_splicing(void **state)
{
    (void) state;
    struct list a, b;
    list_init(&a);
    list_init(&b);
    struct item items[4] = {{1}, {2}, {3}, {4}};
    list_push_back(&a, &items[1].node);
    list_push_front(&a, &items[0].node);
    list_push_back(&b, &items[2].node);
    list_push_back(&b, &items[3].node);
    list_splice(&a, &b);
    assert_true(list_is_empty(&b));
    int expect = 1;
    LIST_FOR_EACH (&a, node)
        assert_int_equal(value_of(node), expect++);
    LIST_FOR_EACH_SAFE (&a, node) {
        if (value_of(node) % 2 == 0)
            list_remove(&a, node);
    }
    assert_int_equal(a.len, 2);
    assert_int_equal(value_of(list_pop_front(&a)), 1);
    assert_int_equal(value_of(list_pop_front(&a)), 3);
    assert_null(list_pop_front(&a));
    assert_false(list_is_linked(&items[0].node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_removal_and_splicing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
