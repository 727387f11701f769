/* The table of tokens: an object has a number while it lives, by its address; then another object gets it. */

#include "recorder.h"

Entry *table;
size_t table_size, table_used;
PyObject **by_token;
size_t by_token_room;
static uint32_t *free_tokens;
static size_t free_used, free_room, next_token;

static int grow(void)
{
    Entry *old = table;
    size_t old_size = table_size;
    Entry *made = PyMem_RawCalloc(old_size * 2, sizeof(Entry));
    if (made == NULL)
        return -1;
    table = made;
    table_size = old_size * 2;
    for (size_t from = 0; from < old_size; from++) {
        if (old[from].object == NULL)
            continue;
        size_t at = slot_of(old[from].object);
        while (table[at].object != NULL)
            at = (at + 1) & (table_size - 1);
        table[at] = old[from];
    }
    PyMem_RawFree(old);
    return 0;
}

static int grow_tokens(void)
{
    size_t wanted = by_token_room * 2;
    PyObject **made = PyMem_RawRealloc(by_token, wanted * sizeof(PyObject *));
    if (made == NULL)
        return -1;
    by_token = made;
    by_token_room = wanted;
    return 0;
}

int add_token(PyObject *object, uint32_t *token)
{
    PyObject *holder;
    if (watch(object, &holder) < 0)
        return -1;
    Entry *known = find(object);
    if (known != NULL) {
        /* To make a weak reference can collect cycles, and a finalizer of the program may have met the object. */
        *token = known->token;
        unwatch(holder);
        return 0;
    }
    if ((table_used * 3 > table_size * 2 && grow() < 0) || (next_token >= by_token_room && grow_tokens() < 0)) {
        unwatch(holder);
        return -1;
    }
    *token = free_used ? free_tokens[--free_used] : (uint32_t)next_token++;
    by_token[*token] = object;
    size_t at = slot_of(object);
    while (table[at].object != NULL)
        at = (at + 1) & (table_size - 1);
    table[at] = (Entry){object, holder, NULL, *token};
    table_used++;
    return 0;
}

/* Take an entry out; those behind it that it kept from their places move up. */
static void take_out(Entry *entry)
{
    size_t hole = (size_t)(entry - table), at = hole;
    for (;;) {
        at = (at + 1) & (table_size - 1);
        if (table[at].object == NULL)
            break;
        size_t home = slot_of(table[at].object);
        if (((at - home) & (table_size - 1)) >= ((at - hole) & (table_size - 1))) {
            table[hole] = table[at];
            hole = at;
        }
    }
    table[hole].object = NULL;
    table[hole].holder = NULL;
    table_used--;
}

void forget(PyObject *object)
{
    Entry *entry = find(object);
    if (entry == NULL)
        return;
    uint32_t token = entry->token;
    PyObject *holder = entry->holder;
    take_out(entry);
    by_token[token] = NULL;
    if (active && make_room(SLACK) == 0) {
        put(DEAD);
        put(token);
    }
    if (free_used == free_room) {
        size_t wanted = free_room * 2;
        uint32_t *made = PyMem_RawRealloc(free_tokens, wanted * sizeof(uint32_t));
        if (made == NULL)
            goto held;
        free_tokens = made;
        free_room = wanted;
    }
    free_tokens[free_used++] = token;
held:
    unwatch(holder);
}

int start_tokens(void)
{
    if (table == NULL) {
        table_size = 1 << 12;
        table = PyMem_RawCalloc(table_size, sizeof(Entry));
        free_room = 1 << 10;
        free_tokens = PyMem_RawMalloc(free_room * sizeof(uint32_t));
        by_token_room = 1 << 10;
        by_token = PyMem_RawMalloc(by_token_room * sizeof(PyObject *));
        if (!table || !free_tokens || !by_token) {
            PyErr_NoMemory();
            return -1;
        }
    }
    for (size_t at = 0; at < table_size; at++) {
        PyObject *holder = table[at].holder;
        table[at].object = table[at].holder = NULL;
        Py_XDECREF(holder);
    }
    table_used = free_used = next_token = 0;
    return 0;
}
