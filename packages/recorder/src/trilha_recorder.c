/* The hooks of traced code, in C: what `trilha.capture.script.trail` does in Python.

   State is one a process, as is the log. All runs under the interpreter's lock. An object has a token while it
   lives: a hash table has tokens by address, and that an object dies is told by its type's deallocator (lists,
   dicts, sets, cells, frames: they cannot be weakly referenced), which is wrapped, by the finalizer of a class of
   Python (the program cannot see that, as it could a weak reference), or by a weak reference.
   The wrapped deallocators bound the depth of their recursion themselves, since CPython's own way to do that
   (the trashcan) looks whether the type's deallocator is the one that it knows. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>
#include <stdint.h>

#define CAPACITY (1 << 16)
#define SLACK 4096
#define FIRST_TOKEN 2
#define ARRAY_KIND 9
enum { PAD, DEAD, SWITCH, KEYTEXT, MODULE, GAP, OVER };

/* -- the buffer ------------------------------------------------------------------------------------------ */

static unsigned char *buffer;
static size_t used, room;
static PyObject *write_function, *slow_key, *slow_array;
static int active;
static PyThreadState *last_thread;
static PyObject *threads;

static inline int make_room(size_t more)
{
    if (used + more <= room)
        return 0;
    size_t wanted = room * 2 + more;
    unsigned char *made = PyMem_RawRealloc(buffer, wanted);
    if (made == NULL)
        return -1;
    buffer = made;
    room = wanted;
    return 0;
}

static inline void put(uint64_t number)
{
    while (number > 127) {
        buffer[used++] = (unsigned char)(number & 127) | 128;
        number >>= 7;
    }
    buffer[used++] = (unsigned char)number;
}

static int flush(void)
{
    if (used == 0 || write_function == NULL)
        return 0;
    while (used % 8)
        buffer[used++] = 0;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *data = PyBytes_FromStringAndSize((char *)buffer, (Py_ssize_t)used);
    used = 0;
    PyObject *done = data ? PyObject_CallOneArg(write_function, data) : NULL;
    Py_XDECREF(data);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    PyErr_Restore(error_type, error, trace);
    return 0;
}

static void switch_thread(PyThreadState *now)
{
    last_thread = now;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *key = PyLong_FromUnsignedLongLong(PyThreadState_GetID(now));
    PyObject *known = key ? PyDict_GetItemWithError(threads, key) : NULL;
    long number = 0;
    if (known != NULL) {
        number = PyLong_AsLong(known);
    } else if (key != NULL) {
        number = (long)PyDict_GET_SIZE(threads);
        PyObject *value = PyLong_FromLong(number);
        if (value != NULL)
            PyDict_SetItem(threads, key, value);
        Py_XDECREF(value);
    }
    Py_XDECREF(key);
    PyErr_Restore(error_type, error, trace);
    put(SWITCH);
    put((uint64_t)number);
}

/* Before a record: room for it (`SLACK` at least, since the buffer has more than `CAPACITY`), and whose it is. */
static inline void begin_record(void)
{
    if (used > CAPACITY)
        flush();
    PyThreadState *now = PyThreadState_Get();
    if (now != last_thread)
        switch_thread(now);
}

/* -- small whole numbers --------------------------------------------------------------------------------- */

/* Whether an object is an `int` of one digit, and its value. */
static inline int is_small(PyObject *object, Py_ssize_t *value)
{
    if (!PyLong_CheckExact(object))
        return 0;
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)object))
        return 0;
    *value = PyUnstable_Long_CompactValue((PyLongObject *)object);
#else
    Py_ssize_t size = Py_SIZE(object);
    if (size < -1 || size > 1)
        return 0;
    *value = size * (Py_ssize_t)((PyLongObject *)object)->ob_digit[0];
#endif
    return 1;
}

static inline uint64_t head_of(PyObject *number)
{
    Py_ssize_t value;
    return is_small(number, &value) ? (uint64_t)value : (uint64_t)PyLong_AsLong(number);
}

/* -- the table of tokens --------------------------------------------------------------------------------- */

typedef struct {
    PyObject *object;
    PyObject *holder; /* a weak reference; NULL if its type tells */
    PyTypeObject *type; /* compared, never used: that of an instance can change */
    uint32_t token;
} Entry;

static Entry *table;
static size_t table_size, table_used;
static uint32_t *free_tokens;
static size_t free_used, free_room, next_token;
static PyObject **by_token; /* who has a token now */
static size_t by_token_room;

static inline size_t slot_of(PyObject *object)
{
    return (((uintptr_t)object >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> 20 & (table_size - 1);
}

static Entry *find(PyObject *object)
{
    for (size_t at = slot_of(object);; at = (at + 1) & (table_size - 1)) {
        if (table[at].object == object)
            return &table[at];
        if (table[at].object == NULL)
            return NULL;
    }
}

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

static void forget(PyObject *object)
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
    Py_XDECREF(holder);
}

/* -- deallocators ---------------------------------------------------------------------------------------- */

#define DEEPEST 40
#define WRAPPED 5
static PyTypeObject *wrapped_types[WRAPPED];
static destructor wrapped_destructors[WRAPPED];
static int depth;
typedef struct { PyObject *object; destructor own; } Waiting;
static Waiting *waiting;
static size_t waiting_used, waiting_room;

static void deallocate(PyObject *object, destructor own)
{
    if (table_used)
        forget(object);
    if (depth >= DEEPEST) {
        if (waiting_used == waiting_room) {
            size_t wanted = waiting_room ? waiting_room * 2 : 64;
            Waiting *made = PyMem_RawRealloc(waiting, wanted * sizeof(Waiting));
            if (made == NULL)
                goto now;
            waiting = made;
            waiting_room = wanted;
        }
        PyObject_GC_UnTrack(object);
        waiting[waiting_used++] = (Waiting){object, own};
        return;
    }
now:
    depth++;
    own(object);
    depth--;
    while (depth == 0 && waiting_used) {
        Waiting next = waiting[--waiting_used];
        depth++;
        next.own(next.object);
        depth--;
    }
}

#define DEALLOCATOR(number) \
    static void deallocate_##number(PyObject *object) { deallocate(object, wrapped_destructors[number]); }
DEALLOCATOR(0)
DEALLOCATOR(1)
DEALLOCATOR(2)
DEALLOCATOR(3)
DEALLOCATOR(4)
static const destructor wrappers[WRAPPED] = {
    deallocate_0, deallocate_1, deallocate_2, deallocate_3, deallocate_4};

static void wrap_types(void)
{
    PyTypeObject *types[WRAPPED] = {&PyList_Type, &PyDict_Type, &PySet_Type, &PyCell_Type, &PyFrame_Type};
    for (int at = 0; at < WRAPPED; at++) {
        if (wrapped_types[at] != NULL)
            continue;
        wrapped_types[at] = types[at];
        wrapped_destructors[at] = types[at]->tp_dealloc;
        types[at]->tp_dealloc = wrappers[at];
    }
}

/* -- references ------------------------------------------------------------------------------------------ */

static PyObject *died; /* called by weak references */
static PyObject *by_reference; /* address of a weak reference -> address of its object */

static PyObject *has_died(PyObject *Py_UNUSED(self), PyObject *reference)
{
    PyObject *key = PyLong_FromVoidPtr(reference);
    if (key == NULL)
        return NULL;
    PyObject *address = PyDict_GetItemWithError(by_reference, key);
    if (address != NULL) {
        PyObject *object = PyLong_AsVoidPtr(address);
        PyDict_DelItem(by_reference, key);
        Py_INCREF(reference);
        forget(object);
        Py_DECREF(reference);
    }
    Py_DECREF(key);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef died_method = {"died", has_died, METH_O, NULL};

static inline int is_atom(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type || type == &PyBool_Type ||
           type == &PyTuple_Type || type == Py_TYPE(Py_None) || type == &PyBytes_Type || type == &PyRange_Type ||
           type == &PySlice_Type || type == &PyComplex_Type || type == &PyFrozenSet_Type ||
           type == Py_TYPE(Py_Ellipsis) || type == Py_TYPE(Py_NotImplemented);
}

static int kind_of(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    const char *name = type->tp_name;
    if (type == &PyList_Type || type == &PyByteArray_Type)
        return 1;
    if (type == &PyDict_Type)
        return 2;
    if (type == &PySet_Type)
        return 3;
    if (type == &PyFunction_Type)
        return 5;
    if (PyType_Check(object))
        return 6;
    if (type == &PyGen_Type)
        return 8;
    if (type == &PyCell_Type)
        return 11;
    if (type == &PyFrame_Type)
        return 12;
    if (strcmp(name, "collections.deque") == 0)
        return 4;
    if (strcmp(name, "DataFrame") == 0)
        return 10;
    if (PyDict_Check(object) && (strcmp(name, "collections.OrderedDict") == 0 ||
                                 strcmp(name, "collections.defaultdict") == 0 || strcmp(name, "Counter") == 0))
        return 2;
    for (PyTypeObject *one = type; one != NULL; one = one->tp_base)
        if (strcmp(one->tp_name, "numpy.ndarray") == 0)
            return ARRAY_KIND;
    return 7;
}

/* Arrays that got a token, of which it is to be logged how they lie in memory: behind the record that has it. */
#define MOST_UNTOLD 64
static struct { PyObject *object; uint32_t token; } untold[MOST_UNTOLD];
static int untold_count;

static void tell_arrays(void)
{
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    while (untold_count) {
        PyObject *object = untold[--untold_count].object;
        PyObject *number = PyLong_FromUnsignedLong(untold[untold_count].token);
        PyObject *done = number ? PyObject_CallFunctionObjArgs(slow_array, object, number, NULL) : NULL;
        Py_XDECREF(number);
        Py_XDECREF(done);
        Py_DECREF(object);
        PyErr_Clear();
    }
    PyErr_Restore(error_type, error, trace);
}

/* A record is logged. */
static inline void end_record(void)
{
    if (untold_count)
        tell_arrays();
}

/* -- finalizers of Python's classes ----------------------------------------------------------------------- */

static destructor class_dealloc, class_finalizer; /* of classes of Python, with a method `__del__` */

static void finalize(PyObject *object)
{
    forget(object);
}

static void finalize_too(PyObject *object)
{
    class_finalizer(object);
    forget(object);
}

/* Learn from a class made for it what Python gives its classes. */
static int learn_classes(void)
{
    PyObject *made = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){sO}", "class", "__del__", Py_None);
    if (made == NULL)
        return -1;
    class_dealloc = ((PyTypeObject *)made)->tp_dealloc;
    class_finalizer = ((PyTypeObject *)made)->tp_finalize;
    Py_DECREF(made);
    return 0;
}

/* Whether the class of an object tells when the object dies; made to, if it can. */
static int class_tells(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_dealloc != class_dealloc || (PyObject_IS_GC(object) && PyObject_GC_IsFinalized(object)))
        return 0;
    if (type->tp_finalize == NULL)
        type->tp_finalize = finalize;
    else if (type->tp_finalize == class_finalizer)
        type->tp_finalize = finalize_too;
    return type->tp_finalize == finalize || type->tp_finalize == finalize_too;
}

/* Give an object that has none a token. */
static int add(PyObject *object, uint32_t *token)
{
    PyObject *holder = NULL;
    int is_wrapped = PyList_Check(object) || PyDict_Check(object) || PySet_Check(object) ||
                     PyCell_Check(object) || PyFrame_Check(object);
    if (is_wrapped || class_tells(object)) {
        holder = NULL;
    } else if (PyType_SUPPORTS_WEAKREFS(Py_TYPE(object))) {
        holder = PyWeakref_NewRef(object, died);
        if (holder == NULL) {
            PyErr_Clear();
            return -1;
        }
        PyObject *key = PyLong_FromVoidPtr(holder), *address = PyLong_FromVoidPtr(object);
        if (key == NULL || address == NULL || PyDict_SetItem(by_reference, key, address) < 0)
            PyErr_Clear();
        Py_XDECREF(key);
        Py_XDECREF(address);
    } else {
        return -1;
    }
    if ((table_used * 3 > table_size * 2 && grow() < 0) || (next_token >= by_token_room && grow_tokens() < 0)) {
        Py_XDECREF(holder);
        return -1;
    }
    *token = free_used ? free_tokens[--free_used] : (uint32_t)next_token++;
    by_token[*token] = object;
    size_t at = slot_of(object);
    while (table[at].object != NULL)
        at = (at + 1) & (table_size - 1);
    table[at] = (Entry){object, holder, Py_TYPE(object), *token};
    table_used++;
    return 0;
}

/* The numbers that stand for an object; at most three. */
static inline int refer(PyObject *object, uint64_t out[3])
{
    PyTypeObject *type = Py_TYPE(object);
    if (type != &PyList_Type && type != &PyDict_Type && is_atom(type)) {
        out[0] = 0;
        return 1;
    }
    Entry *entry = find(object);
    if (entry != NULL && entry->type != type) {
        forget(object);
        entry = NULL;
    }
    if (entry != NULL) {
        out[0] = (uint64_t)entry->token + FIRST_TOKEN;
        return 1;
    }
    uint32_t token;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    int failed = add(object, &token);
    PyErr_Restore(error_type, error, trace);
    if (failed < 0) {
        out[0] = 1;
        return 1;
    }
    int kind = kind_of(object);
    if (kind == ARRAY_KIND && active && untold_count < MOST_UNTOLD) {
        untold[untold_count].object = Py_NewRef(object);
        untold[untold_count++].token = token;
    }
    out[0] = (uint64_t)token + FIRST_TOKEN;
    out[1] = (uint64_t)kind;
    out[2] = 0;
    if (kind == 1)
        out[2] = 1 + (uint64_t)(PyList_CheckExact(object) ? PyList_GET_SIZE(object) : PyByteArray_GET_SIZE(object));
    else if (kind == 2)
        out[2] = 1 + (uint64_t)PyDict_GET_SIZE(object);
    else if (kind == 3)
        out[2] = 1 + (uint64_t)PySet_GET_SIZE(object);
    else if (kind == 4)
        out[2] = 1 + (uint64_t)Py_SIZE(object);
    return 3;
}

static inline void put_all(const uint64_t *numbers, int count)
{
    for (int at = 0; at < count; at++)
        put(numbers[at]);
}

/* -- keys ------------------------------------------------------------------------------------------------ */

static PyObject *text_keys; /* str -> its number */

static int key_number(PyObject *key, PyObject *container, uint64_t *number)
{
    Py_ssize_t value;
    if (is_small(key, &value)) {
        if (value < 0 && container != NULL && (PyList_CheckExact(container) || PyTuple_CheckExact(container)))
            value += Py_SIZE(container);
        *number = 2 * (uint64_t)(value >= 0 ? 2 * value : -2 * value - 1);
        return 0;
    }
    int is_text = PyUnicode_CheckExact(key);
    if (is_text) {
        PyObject *known = PyDict_GetItemWithError(text_keys, key);
        if (known != NULL) {
            *number = PyLong_AsUnsignedLongLong(known);
            return 0;
        }
    }
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *made = PyObject_CallFunctionObjArgs(slow_key, key, container ? container : Py_None, NULL);
    *number = made ? PyLong_AsUnsignedLongLong(made) : 1;
    if (made != NULL && is_text && PyDict_GET_SIZE(text_keys) < CAPACITY)
        PyDict_SetItem(text_keys, key, made);
    Py_XDECREF(made);
    if (PyErr_Occurred())
        PyErr_Clear();
    PyErr_Restore(error_type, error, trace);
    return 0;
}

/* -- hooks ----------------------------------------------------------------------------------------------- */

static PyObject *hook_block(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
    if (active) {
        begin_record();
        put(head_of(args[0]));
    }
    Py_RETURN_NONE;
}

/* Logs the head, and references to what is from `from` on. */
static void tell(PyObject *const *args, Py_ssize_t count, Py_ssize_t from, uint64_t extra, int has_extra)
{
    uint64_t few[64 * 3], *numbers = few;
    int made = 0;
    if (count > 64)
        count = 64;
    for (Py_ssize_t at = from; at < count; at++)
        made += refer(args[at], numbers + made);
    begin_record();
    put(head_of(args[0]));
    if (has_extra)
        put(extra);
    put_all(numbers, made);
    end_record();
}

static PyObject *hook_item(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (active) {
        Py_ssize_t at = 1;
        while (at < count && is_atom(Py_TYPE(args[at])))
            at++;
        if (at == count) {
            begin_record();
            put(head_of(args[0]) + 1);
        } else {
            tell(args, count, 1, 0, 0);
        }
    }
    Py_RETURN_NONE;
}

static void tell_value(uint64_t head, PyObject *value)
{
    uint64_t numbers[3];
    int made = refer(value, numbers);
    begin_record();
    put(head);
    put_all(numbers, made);
    end_record();
}

/* An iterator that tells of each item before the loop that goes through it gets it. */
typedef struct { PyObject_HEAD PyObject *items; uint64_t head; } Each;
static PyTypeObject each_type;

static PyObject *hook_each(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
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
        tell_value(self->head, value);
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

static PyTypeObject each_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "trilha_recorder.Each",
    .tp_basicsize = sizeof(Each),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = (destructor)each_dealloc,
    .tp_traverse = (traverseproc)each_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)each_next,
};

static PyObject *hook_through(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
    PyObject *value = args[1];
    if (active)
        tell_value(head_of(args[0]), value);
    return Py_NewRef(value);
}

/* What each access was to last, by the number of its record: the container, and one more than what stands for it. */
typedef struct { PyObject *container; uint64_t reference; } Site;
static Site *sites;
static size_t sites_room;

static Site *more_sites(uint64_t head)
{
    size_t wanted = head * 2 + 256;
    Site *made = PyMem_RawRealloc(sites, wanted * sizeof(Site));
    if (made == NULL)
        return NULL;
    memset(made + sites_room, 0, (wanted - sites_room) * sizeof(Site));
    sites = made;
    sites_room = wanted;
    return sites + head;
}

/* Whether a site's container is this one still; its token may have gone to another object meanwhile. */
static inline int is_at(const Site *site, PyObject *container)
{
    return site->container == container && site->reference > FIRST_TOKEN &&
           by_token[site->reference - 1 - FIRST_TOKEN] == container;
}

static void tell_access(uint64_t head, PyObject *container, PyObject *key, PyObject *value)
{
    uint64_t from[3], to[3], number;
    key_number(key, container, &number); /* before the others: it may log a record of its own */
    Site *site = head < sites_room ? sites + head : more_sites(head);
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
        *site = (Site){container, from[0] + 1};
    put(head);
    put_all(from, from_count);
    put(number);
    put_all(to, to_count);
    end_record();
}

static PyObject *hook_getitem(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
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

static PyObject *hook_getattr(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
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

static PyObject *hook_key(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
    if (active) {
        uint64_t number;
        key_number(args[1], NULL, &number);
        begin_record();
        put(head_of(args[0]));
        put(number);
    }
    return Py_NewRef(args[1]);
}

/* A container and the key in it, told at once: two records. */
static PyObject *hook_place(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
    if (active) {
        uint64_t numbers[3], number, head = head_of(args[0]);
        key_number(args[2], NULL, &number);
        int made = refer(args[1], numbers);
        begin_record();
        put(head);
        put_all(numbers, made);
        put(head + 1);
        put(number);
        end_record();
    }
    return Py_NewRef(args[1]);
}

/* Puts the cell of a nested function's probe in the place of the probe. */
static PyObject *cell_of(PyObject *probe)
{
    PyObject *closure = PyFunction_Check(probe) ? PyFunction_GET_CLOSURE(probe) : NULL;
    return closure && PyTuple_GET_SIZE(closure) ? PyTuple_GET_ITEM(closure, 0) : NULL;
}

static void tell_entry(PyObject *const *args, Py_ssize_t count, uint64_t extra, int has_extra)
{
    PyObject *probe = args[1];
    uint64_t numbers[3 * 256];
    int made = 0;
    if (probe != Py_None) {
        PyObject *cell = cell_of(probe);
        if (cell == NULL)
            numbers[made++] = 1;
        else
            made += refer(cell, numbers);
    }
    for (Py_ssize_t at = 2; at < count && made < 3 * 250; at++)
        made += refer(args[at], numbers + made);
    begin_record();
    put(head_of(args[0]));
    if (has_extra)
        put(extra);
    put_all(numbers, made);
    end_record();
}

static PyObject *hook_enter(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (active)
        tell_entry(args, count, 0, 0);
    Py_RETURN_NONE;
}

/* -- generators: which frame is which activation ---------------------------------------------------------- */

static PyObject *activations; /* address of a frame -> number */
static unsigned long last_activation;

static unsigned long activation_of(PyFrameObject *frame, int begins, int ends)
{
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *key = PyLong_FromVoidPtr(frame);
    unsigned long number = 0;
    if (key != NULL && begins) {
        PyObject *value = PyLong_FromUnsignedLong(number = ++last_activation);
        if (value != NULL)
            PyDict_SetItem(activations, key, value);
        Py_XDECREF(value);
    } else if (key != NULL) {
        PyObject *known = PyDict_GetItemWithError(activations, key);
        number = known ? PyLong_AsUnsignedLong(known) : 0;
        if (known != NULL && ends)
            PyDict_DelItem(activations, key);
    }
    Py_XDECREF(key);
    PyErr_Restore(error_type, error, trace);
    return number;
}

static PyObject *hook_begin(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (active)
        tell_entry(args, count, activation_of(PyEval_GetFrame(), 1, 0), 1);
    Py_RETURN_NONE;
}

static PyObject *hook_resume(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (active)
        tell(args, count, 1, activation_of(PyEval_GetFrame(), 0, 0), 1);
    return Py_NewRef(args[1]);
}

static PyObject *hook_over(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    unsigned long number = activation_of(PyEval_GetFrame(), 0, 1);
    if (active) {
        begin_record();
        put(OVER);
        put(number);
    }
    Py_RETURN_NONE;
}

static PyObject *hook_next(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (active) {
        PyObject *few[66];
        if (count > 64)
            count = 64;
        few[0] = args[0];
        few[1] = (PyObject *)PyEval_GetFrame();
        for (Py_ssize_t at = 1; at < count; at++)
            few[at + 1] = args[at];
        tell(few, count + 1, 1, 0, 0);
    }
    Py_RETURN_NONE;
}

/* An exception came to a handler: logged is the place in the text that gave it. */
static PyObject *hook_raised(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t Py_UNUSED(count))
{
    int line = 0, column = 0, end_line = 0, end_column = 0;
    PyObject *error = PyErr_GetHandledException();
    PyObject *trace = error ? PyException_GetTraceback(error) : NULL;
    if (trace != NULL && PyTraceBack_Check(trace)) {
        PyTracebackObject *entry = (PyTracebackObject *)trace;
        PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
        PyCode_Addr2Location(code, entry->tb_lasti, &line, &column, &end_line, &end_column);
        Py_DECREF(code);
    }
    Py_XDECREF(trace);
    Py_XDECREF(error);
    unsigned long number = activation_of(PyEval_GetFrame(), 0, 0);
    if (active) {
        begin_record();
        put(head_of(args[0]));
        put(number);
        put(line > 0 ? (uint64_t)line : 0);
        put(end_line > 0 ? (uint64_t)end_line : 0);
        put(column > 0 ? (uint64_t)column : 0);
        put(end_column > 0 ? (uint64_t)end_column : 0);
    }
    Py_RETURN_NONE;
}

/* -- for the hooks that stay in Python ---------------------------------------------------------------------- */

static PyObject *py_put(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (!active)
        Py_RETURN_NONE;
    begin_record();
    for (Py_ssize_t at = 0; at < count; at++) {
        if (make_room(SLACK) < 0)
            return PyErr_NoMemory();
        if (PyBytes_Check(args[at])) {
            Py_ssize_t length = PyBytes_GET_SIZE(args[at]);
            if (make_room((size_t)length + SLACK) < 0)
                return PyErr_NoMemory();
            memcpy(buffer + used, PyBytes_AS_STRING(args[at]), (size_t)length);
            used += (size_t)length;
        } else {
            put(PyLong_AsUnsignedLongLong(args[at]));
        }
    }
    end_record();
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *py_reference(PyObject *Py_UNUSED(self), PyObject *object)
{
    uint64_t numbers[3];
    int count = refer(object, numbers);
    PyObject *made = PyTuple_New(count);
    for (int at = 0; made != NULL && at < count; at++)
        PyTuple_SET_ITEM(made, at, PyLong_FromUnsignedLongLong(numbers[at]));
    return made;
}

static PyObject *py_release(PyObject *Py_UNUSED(self), PyObject *object)
{
    if (active)
        forget(object);
    return Py_NewRef(object);
}

static PyObject *py_flush(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    flush();
    Py_RETURN_NONE;
}

static PyObject *py_forget_keys(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    PyDict_Clear(text_keys);
    Py_RETURN_NONE;
}

static PyObject *py_start(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *write, *key, *array;
    if (!PyArg_ParseTuple(args, "OOO", &write, &key, &array))
        return NULL;
    if (buffer == NULL) {
        room = CAPACITY + 2 * SLACK;
        buffer = PyMem_RawMalloc(room);
        table_size = 1 << 12;
        table = PyMem_RawCalloc(table_size, sizeof(Entry));
        free_room = 1 << 10;
        free_tokens = PyMem_RawMalloc(free_room * sizeof(uint32_t));
        by_token_room = 1 << 10;
        by_token = PyMem_RawMalloc(by_token_room * sizeof(PyObject *));
        died = PyCFunction_New(&died_method, NULL);
        by_reference = PyDict_New();
        if (!buffer || !table || !free_tokens || !by_token || !died || !by_reference)
            return PyErr_NoMemory();
    }
    for (size_t at = 0; at < table_size; at++) {
        PyObject *holder = table[at].holder;
        table[at].object = table[at].holder = NULL;
        Py_XDECREF(holder);
    }
    table_used = free_used = next_token = used = 0;
    if (sites != NULL)
        memset(sites, 0, sites_room * sizeof(Site));
    PyDict_Clear(by_reference);
    Py_XSETREF(text_keys, PyDict_New());
    Py_XSETREF(activations, PyDict_New());
    Py_XSETREF(threads, PyDict_New());
    if (!text_keys || !activations || !threads)
        return NULL;
    last_thread = PyThreadState_Get();
    PyObject *first = PyLong_FromUnsignedLongLong(PyThreadState_GetID(last_thread)), *zero = PyLong_FromLong(0);
    if (!first || !zero || PyDict_SetItem(threads, first, zero) < 0)
        return NULL;
    Py_DECREF(first);
    Py_DECREF(zero);
    Py_XSETREF(write_function, Py_NewRef(write));
    Py_XSETREF(slow_key, Py_NewRef(key));
    Py_XSETREF(slow_array, Py_NewRef(array));
    wrap_types();
    active = 1;
    Py_RETURN_NONE;
}

static PyObject *py_stop(PyObject *Py_UNUSED(self), PyObject *lose)
{
    if (PyObject_IsTrue(lose))
        used = 0;
    else
        flush();
    active = 0;
    Py_RETURN_NONE;
}

#define FAST(name) (PyCFunction)(void (*)(void)) name, METH_FASTCALL
static PyMethodDef methods[] = {
    {"block", FAST(hook_block), "A block of statements runs."},
    {"item", FAST(hook_item), "A loop got an item."},
    {"each", FAST(hook_each), "A loop goes through items."},
    {"place", FAST(hook_place), "A container and a key in it are looked at."},
    {"through", FAST(hook_through), "A value is looked at."},
    {"getitem", FAST(hook_getitem), "A subscript is read."},
    {"getattr", FAST(hook_getattr), "An attribute is read."},
    {"key", FAST(hook_key), "A key is looked at."},
    {"enter", FAST(hook_enter), "A function begins."},
    {"begin", FAST(hook_begin), "A generator begins."},
    {"resume", FAST(hook_resume), "A generator goes on."},
    {"raised", FAST(hook_raised), "An exception came to a handler."},
    {"over", hook_over, METH_NOARGS, "A generator is over."},
    {"next", FAST(hook_next), "A generator expression got an item."},
    {"put", FAST(py_put), "Log numbers and bytes."},
    {"reference", py_reference, METH_O, "Numbers that stand for an object."},
    {"release", py_release, METH_O, "Forget an object, as if it had died."},
    {"flush", py_flush, METH_NOARGS, "Write out what was logged."},
    {"forget_keys", py_forget_keys, METH_NOARGS, "Forget the numbers of texts."},
    {"start", py_start, METH_VARARGS, "start(write, key, array): begin to log."},
    {"stop", py_stop, METH_O, "stop(lose): log no more."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_recorder", "The hooks of code that Trilha traces, in C.", -1, methods,
    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_recorder(void)
{
    if (PyType_Ready(&each_type) < 0 || learn_classes() < 0)
        return NULL;
    return PyModule_Create(&definition);
}
