/* The hooks of blocks, of loops and of accesses to parts of things. */

#include "recorder.h"

/* Logs the head, and references to what comes behind it. */
void tell(PyObject *const *args, Py_ssize_t count, const uint64_t *extra)
{
    uint64_t numbers[64 * 3];
    int made = 0;
    if (count > 64)
        count = 64;
    for (Py_ssize_t at = 1; at < count; at++)
        made += refer(args[at], numbers + made);
    tell_numbers(args[0], extra, numbers, made);
}

static void tell_one(uint64_t head, PyObject *value)
{
    uint64_t numbers[3];
    int made = refer(value, numbers);
    begin_record();
    put(head);
    put_reference(numbers, made);
    end_record();
}

/* A block of statements runs. */
HOOK(hook_block)
{
    NEEDS(1);
    if (active) {
        begin_record();
        put(head_of(args[0]));
    }
    Py_RETURN_NONE;
}

/* A value is looked at. */
HOOK(hook_through)
{
    NEEDS(2);
    PyObject *value = args[1];
    if (active)
        tell_one(head_of(args[0]), value);
    return Py_NewRef(value);
}

/* -- loops ------------------------------------------------------------------------------------------------------- */

/* A loop got an item, which has these parts. */
HOOK(hook_item)
{
    NEEDS(1);
    if (active) {
        Py_ssize_t at = 1;
        while (at < count && is_atom(Py_TYPE(args[at])))
            at++;
        if (at == count) {
            begin_record();
            put(head_of(args[0]) + 1);
        } else {
            tell(args, count, NULL);
        }
    }
    Py_RETURN_NONE;
}

/* An iterator that tells of each item before the loop that goes through it gets it. */
typedef struct { PyObject_HEAD PyObject *items; uint64_t head; } Each;

HOOK(hook_each)
{
    NEEDS(2);
    PyObject *items = PyObject_GetIter(args[1]);
    if (items == NULL || !active)
        return items;
    Each *made = PyObject_GC_New(Each, &each_type);
    if (made == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    made->items = items;
    made->head = head_of(args[0]);
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

static PyObject *each_next(Each *self)
{
    PyObject *value = Py_TYPE(self->items)->tp_iternext(self->items);
    if (value == NULL || !active)
        return value;
    if (is_atom(Py_TYPE(value))) {
        begin_record();
        put(self->head + 1);
    } else {
        tell_one(self->head, value);
    }
    return value;
}

static int each_traverse(Each *self, visitproc visit, void *arg)
{
    Py_VISIT(self->items);
    return 0;
}

static void each_dealloc(Each *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->items);
    PyObject_GC_Del(self);
}

PyTypeObject each_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "trilha_recorder.Each",
    .tp_basicsize = sizeof(Each),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = (destructor)each_dealloc,
    .tp_traverse = (traverseproc)each_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)each_next,
};

/* -- accesses ---------------------------------------------------------------------------------------------------- */

/* What each access was to last, by the number of its record: the container, and one more than what stands for it. */
typedef struct { PyObject *container; uint64_t reference; } Site;
static Site *sites;
static size_t sites_room;
#define MOST_SITES (1 << 26)

/* So many there are from the begin, where a program's first access finds them: to ask for memory, and to fill it, takes
   longer than all other accesses of a short function. */
#define FIRST_SITES 2048

static Site *more_sites(uint64_t head)
{
    if (head > MOST_SITES)
        return NULL;
    size_t wanted = Py_MAX(head * 2, FIRST_SITES);
    Site *made = PyMem_RawRealloc(sites, wanted * sizeof(Site));
    if (made == NULL)
        return NULL;
    memset(made + sites_room, 0, (wanted - sites_room) * sizeof(Site));
    sites = made;
    sites_room = wanted;
    return sites + head;
}

void start_accesses(void)
{
    if (sites != NULL)
        memset(sites, 0, sites_room * sizeof(Site));
    else
        more_sites(0);
}

/* Whether a site's container is this one still; its token may have gone to another object meanwhile. */
static inline int is_at(const Site *site, PyObject *container)
{
    return site->container == container && site->reference > FIRST_TOKEN &&
           by_token[site->reference - 1 - FIRST_TOKEN] == container;
}

static void tell_access(uint64_t head, PyObject *container, PyObject *key, PyObject *value)
{
    uint64_t from[3], to[3];
    uint64_t number = key_number(key, container); /* before the others: it may log a record of its own */
    Site *site = head < sites_room ? sites + head : more_sites(head);
    if (site != NULL && is_ready() && is_at(site, container) && is_atom(Py_TYPE(value))) {
        put(head + 1);
        put(number);
        return;
    }
    int from_count = 1;
    if (site != NULL && is_at(site, container))
        from[0] = site->reference - 1;
    else
        from_count = refer(container, from);
    int to_count = refer(value, to);
    begin_record();
    /* Code of the program may have run meanwhile (a finalizer), and come here. */
    site = head < sites_room ? sites + head : NULL;
    if (to[0] == 0 && from_count == 1 && site != NULL && site->reference == from[0] + 1) {
        put(head + 1);
        put(number);
        return;
    }
    if (site != NULL)
        *site = (Site){container, (from[0] & ~NEW) + 1};
    put(head);
    put_reference(from, from_count);
    put(number);
    put_reference(to, to_count);
    end_record();
}

/* A subscript is read. */
HOOK(hook_getitem)
{
    NEEDS(3);
    PyObject *container = args[1], *key = args[2], *value = NULL;
    Py_ssize_t at;
    if (PyList_CheckExact(container) && is_small(key, &at)) {
        if (at < 0)
            at += PyList_GET_SIZE(container);
        if (at >= 0 && at < PyList_GET_SIZE(container))
            value = Py_NewRef(PyList_GET_ITEM(container, at));
    }
    if (value == NULL) {
        value = PyObject_GetItem(container, key);
        if (value == NULL)
            return NULL;
    }
    if (active)
        tell_access(head_of(args[0]), container, key, value);
    return value;
}

/* An attribute is read. */
HOOK(hook_getattr)
{
    NEEDS(3);
    PyObject *value = PyObject_GetAttr(args[1], args[2]);
    if (value == NULL)
        return NULL;
    if (active) {
        uint64_t from[3], to[3];
        int from_count = refer(args[1], from), to_count = refer(value, to);
        begin_record();
        put(head_of(args[0]));
        put_all(from, from_count);
        put_all(to, to_count);
        end_record();
    }
    return value;
}

/* A key is looked at. */
HOOK(hook_key)
{
    NEEDS(2);
    if (active) {
        uint64_t number = key_number(args[1], NULL);
        begin_record();
        put(head_of(args[0]));
        put(number);
    }
    return Py_NewRef(args[1]);
}

/* A container and the key in it, told at once: two records. */
HOOK(hook_place)
{
    NEEDS(3);
    if (active) {
        uint64_t numbers[3], number = key_number(args[2], NULL), head = head_of(args[0]);
        int made = refer(args[1], numbers);
        begin_record();
        put(head);
        put_reference(numbers, made);
        put(head + 1);
        put(number);
        end_record();
    }
    return Py_NewRef(args[1]);
}
