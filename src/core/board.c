/* Loops own their state without locks, and actors answer questions about it ("has this version a
 * snapshot?"). Asking the loop would make the actor wait; a message at each change could be refused
 * by a full mailbox, and the answer then be wrong for ever. So the owner writes down what may be
 * asked, and the board always holds the last word. */
#include "core/board.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>

struct entry {
    struct str key; /* owned */
    char value[];   /* value_size bytes */
};

struct board {
    pthread_mutex_t lock;
    struct map entries;
    size_t value_size;
};

struct board *board_new(size_t value_size)
{
    struct board *board = NEW(struct board);
    (void) pthread_mutex_init(&board->lock, NULL); /* Default attributes: cannot fail. */
    map_init(&board->entries);
    board->value_size = value_size;
    return board;
}

static void entry_free(struct entry *entry)
{
    if (entry != NULL)
        free((void *) (uintptr_t) entry->key.ptr);
    free(entry);
}

void board_free(struct board *board)
{
    if (board == NULL)
        return;
    size_t at = 0;
    for (struct entry *entry; (entry = map_next(&board->entries, &at, NULL)) != NULL;)
        entry_free(entry);
    map_done(&board->entries);
    (void) pthread_mutex_destroy(&board->lock);
    free(board);
}

void board_put(struct board *board, struct str key, const void *value)
{
    (void) pthread_mutex_lock(&board->lock);
    struct entry *entry = map_find(&board->entries, key);
    if (entry == NULL) {
        entry = mem_new(sizeof *entry + board->value_size);
        entry->key = str_of(mem_copy(key.ptr, key.len), key.len);
        (void) map_put(&board->entries, entry->key, entry);
    }
    memcpy(entry->value, value, board->value_size);
    (void) pthread_mutex_unlock(&board->lock);
}

void board_remove(struct board *board, struct str key)
{
    (void) pthread_mutex_lock(&board->lock);
    entry_free(map_remove(&board->entries, key));
    (void) pthread_mutex_unlock(&board->lock);
}

bool board_get(struct board *board, struct str key, void *out_value)
{
    (void) pthread_mutex_lock(&board->lock);
    const struct entry *entry = map_find(&board->entries, key);
    if (entry != NULL)
        memcpy(out_value, entry->value, board->value_size);
    (void) pthread_mutex_unlock(&board->lock);
    return entry != NULL;
}

void board_each(struct board *board, void (*fn)(void *arg, struct str key, const void *value),
                void *arg)
{
    size_t at = 0;
    (void) pthread_mutex_lock(&board->lock);
    for (struct entry *entry; (entry = map_next(&board->entries, &at, NULL)) != NULL;)
        fn(arg, entry->key, entry->value);
    (void) pthread_mutex_unlock(&board->lock);
}
