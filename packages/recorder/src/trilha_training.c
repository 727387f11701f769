/* What a training calls at every batch, in C: `trilha.log`, the hook after each step of an optimiser, and the one
   for modules that are put into others.

   They do here what is ordinary (a row of a series that is known, of plain numbers, into mapped pages; a step
   that is like the one before; a module that is known) and leave all else to the function in Python that each is
   made with, before anything is done. */

#include "journal.h"
#ifdef _M_X64
#include <intrin.h>
#elif defined(__x86_64__)
#include <x86intrin.h>
#endif

#define MOST 64 /* numbers in a row */
#define HEAD 5  /* bytes of a payload before its rows: what it is, and the number of its block */

typedef struct {
    PyTypeObject *rows_type, *activity_type;
    PyObject *slow_log, *process, *activity_variable;
    PyObject *run, *append, *parameters, *buffers, *modules, *version; /* names */
    Py_ssize_t recorder_place, invited_place, blocks_place;
} State;

/* CRC-32 as zlib has it. By half bytes: one line of the processor's cache, where a table by bytes has sixteen,
   which are not there any more when a batch was computed since the last row. */
static inline uint32_t check_more(uint32_t check, const unsigned char *data, size_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    while (length--) {
        check ^= *data++;
        check = (check >> 4) ^ table[check & 15];
        check = (check >> 4) ^ table[check & 15];
    }
    return check;
}

/* -- rows -------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *recorder, *slow, *file_name;
    Mapped mapped;
    Py_ssize_t count;
    uint32_t head_check;
    unsigned char head[HEAD];
    char codes[MOST];
} Rows;

/* The numbers of a row as the journal has them; 0 if one is no plain number. */
static int pack_row(Rows *rows, unsigned char *target, PyObject *const *values)
{
    for (Py_ssize_t i = 0; i < rows->count; i++, target += 8) {
        PyObject *value = values[i];
        int whole = PyLong_CheckExact(value) || PyBool_Check(value);
        if (rows->codes[i] == 'q') {
            int over = 0;
            long long number = whole ? PyLong_AsLongLongAndOverflow(value, &over) : 0;
            if (!whole || over)
                return 0;
            put(target, (uint64_t)number, 8);
            continue;
        }
        double number;
        if (PyFloat_Check(value))
            number = PyFloat_AS_DOUBLE(value);
        else if (!whole)
            return 0;
        else if ((number = PyLong_AsDouble(value)) == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
        uint64_t bits;
        memcpy(&bits, &number, 8);
        put(target, bits, 8);
    }
    return 1;
}

/* Append a row to the journal; 0, with nothing done, where that is not for us. */
static int append_row(Rows *rows, PyObject *const *values)
{
    unsigned char payload[HEAD + 8 + 8 * MOST];
    size_t length = HEAD + 8 + 8 * (size_t)rows->count;
    memcpy(payload, rows->head, HEAD);
    if (!pack_row(rows, payload + HEAD + 8, values))
        return 0;
    PyObject *file = PyObject_GetAttr(rows->recorder, rows->file_name);
    if (file == NULL) {
        PyErr_Clear();
        return 0;
    }
    put(payload + HEAD, (uint64_t)now(), 8);
    uint32_t check = ~check_more(rows->head_check, payload + HEAD, length - HEAD);
    int done = append_payload(&rows->mapped, file, payload, length, check);
    Py_DECREF(file);
    return done;
}

static PyObject *rows_call(PyObject *self, PyObject *const *values, size_t count, PyObject *names)
{
    Rows *rows = (Rows *)self;
    if (names == NULL && PyVectorcall_NARGS(count) == rows->count && rows->slow != NULL &&
        append_row(rows, values))
        Py_RETURN_NONE;
    if (rows->slow == NULL)
        Py_RETURN_NONE; /* taken apart already */
    return PyObject_Vectorcall(rows->slow, values, count, names);
}

static PyObject *rows_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    static char *names[] = {"slow", "recorder", "mapped", "head", "codes", NULL};
    PyObject *slow, *recorder, *mapped;
    const char *head, *codes;
    Py_ssize_t head_length, count;
    if (!PyArg_ParseTupleAndKeywords(args, named, "OOO!y#s#", names, &slow, &recorder, &PyType_Type, &mapped,
                                     &head, &head_length, &codes, &count))
        return NULL;
    if (head_length != HEAD || count < 1 || count > MOST) {
        PyErr_Format(PyExc_ValueError, "a head of %d bytes and 1 to %d numbers are expected", HEAD, MOST);
        return NULL;
    }
    Mapped found;
    if (find_mapped(&found, (PyTypeObject *)mapped) < 0)
        return NULL;
    Rows *rows = (Rows *)type->tp_alloc(type, 0);
    if (rows == NULL)
        return NULL;
    rows->call = rows_call;
    rows->slow = Py_NewRef(slow);
    rows->recorder = Py_NewRef(recorder);
    rows->file_name = PyUnicode_InternFromString("file");
    rows->mapped = found;
    Py_INCREF(mapped);
    rows->count = count;
    memcpy(rows->head, head, HEAD);
    memcpy(rows->codes, codes, (size_t)count);
    rows->head_check = check_more(0xffffffff, rows->head, HEAD);
    if (rows->file_name == NULL)
        Py_CLEAR(rows);
    return (PyObject *)rows;
}

static int rows_traverse(PyObject *self, visitproc visit, void *arg)
{
    Rows *rows = (Rows *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(rows->recorder);
    Py_VISIT(rows->slow);
    Py_VISIT(rows->mapped.type);
    return 0;
}

static int rows_clear(PyObject *self)
{
    Rows *rows = (Rows *)self;
    Py_CLEAR(rows->recorder);
    Py_CLEAR(rows->slow);
    Py_CLEAR(rows->mapped.type);
    Py_CLEAR(rows->file_name);
    return 0;
}

static void deallocate(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    ((inquiry)PyType_GetSlot(type, Py_tp_clear))(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef rows_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Rows, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, "Rows(slow, recorder, mapped, head, codes)\n--\n\n"
                "Appends a row of numbers to the journal of a recorder; by `slow` what is not ordinary."},
    {Py_tp_new, rows_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, rows_traverse},
    {Py_tp_clear, rows_clear},
    {Py_tp_dealloc, deallocate},
    {Py_tp_members, rows_members},
    {0, NULL}};

static PyType_Spec rows_spec = {
    "trilha_training.Rows", sizeof(Rows), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE, rows_slots};

/* -- trilha.log -------------------------------------------------------------------------------------------- */

/* The appender of the series that a row belongs to, if all about it is ordinary; NULL without an exception. */
static PyObject *series_of(State *state, PyObject *recorder, PyObject *names)
{
    PyObject *activity = NULL, *append = NULL;
    if (PyContextVar_Get(state->activity_variable, NULL, &activity) < 0)
        return NULL;
    if (activity == NULL || activity == Py_None)
        Py_XSETREF(activity, PyObject_GetAttr(recorder, state->run));
    if (activity != NULL && Py_IS_TYPE(activity, state->activity_type)) {
        PyObject *blocks = *slot(activity, state->blocks_place);
        PyObject *key = PyTuple_GET_SIZE(names) == 1 ? PyTuple_GET_ITEM(names, 0) : names;
        PyObject *series = blocks != NULL && PyDict_CheckExact(blocks) ? PyDict_GetItemWithError(blocks, key) : NULL;
        if (series != NULL) {
            Py_INCREF(series);
            append = PyObject_GetAttr(series, state->append);
            Py_DECREF(series);
        }
    }
    Py_XDECREF(activity);
    return append;
}

static PyObject *fast_log(PyObject *module, PyObject *const *values, Py_ssize_t count, PyObject *names)
{
    State *state = PyModule_GetState(module);
    PyObject *recorder = *slot(state->process, state->recorder_place);
    if (count == 0 && names != NULL && PyTuple_GET_SIZE(names) > 0) {
        if (recorder == Py_None && *slot(state->process, state->invited_place) == Py_False)
            Py_RETURN_NONE;
        if (recorder != NULL && recorder != Py_None) {
            Py_INCREF(recorder);
            PyObject *append = series_of(state, recorder, names);
            Py_DECREF(recorder);
            int done = 0;
            if (append != NULL) {
                done = Py_IS_TYPE(append, state->rows_type) &&
                       ((Rows *)append)->count == PyTuple_GET_SIZE(names) && ((Rows *)append)->slow != NULL &&
                       append_row((Rows *)append, values);
                Py_DECREF(append);
            }
            if (done)
                Py_RETURN_NONE;
            PyErr_Clear();
        }
    }
    return PyObject_Vectorcall(state->slow_log, values, (size_t)count, names);
}

/* log_of(slow, process, variable, activity_type): the function, with the name and words of `slow`. */
static PyObject *log_of(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *slow, *process, *variable, *type;
    if (!PyArg_ParseTuple(args, "OOOO!", &slow, &process, &variable, &PyType_Type, &type))
        return NULL;
    if (!PyContextVar_CheckExact(variable)) {
        PyErr_SetString(PyExc_TypeError, "the current activity must be a context variable");
        return NULL;
    }
    Py_ssize_t recorder = place_of((PyObject *)Py_TYPE(process), "recorder"), invited, blocks;
    if (recorder < 0 || (invited = place_of((PyObject *)Py_TYPE(process), "invited")) < 0 ||
        (blocks = place_of(type, "blocks")) < 0)
        return NULL;
    PyObject *words = PyObject_GetAttrString(slow, "__doc__"), *where = PyObject_GetAttrString(slow, "__module__");
    PyObject *text = words && where ? PyUnicode_FromFormat("log($module, /, **metrics)\n--\n\n%S", words) : NULL;
    const char *characters = text ? PyUnicode_AsUTF8(text) : NULL;
    Py_XDECREF(words);
    /* A function's definition must outlive it: this one, and its text, are kept for good. */
    PyMethodDef *definition = characters ? PyMem_RawCalloc(1, sizeof(PyMethodDef)) : NULL;
    PyObject *made = NULL;
    if (definition != NULL) {
        definition->ml_name = "log";
        definition->ml_meth = (PyCFunction)(void (*)(void))fast_log;
        definition->ml_flags = METH_FASTCALL | METH_KEYWORDS;
        definition->ml_doc = characters;
        made = PyCFunction_NewEx(definition, module, where);
    } else {
        Py_XDECREF(text);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
    }
    Py_XDECREF(where);
    if (made == NULL)
        return NULL;
    state->recorder_place = recorder;
    state->invited_place = invited;
    state->blocks_place = blocks;
    Py_XSETREF(state->slow_log, Py_NewRef(slow));
    Py_XSETREF(state->process, Py_NewRef(process));
    Py_XSETREF(state->activity_variable, Py_NewRef(variable));
    Py_XSETREF(state->activity_type, (PyTypeObject *)Py_NewRef(type));
    return made;
}

/* -- steps ------------------------------------------------------------------------------------------------- */

/* A dictionary of these versions of Python has a number that no other one has, and gets another one with each change
   (PEP 509). To read it takes a third of the time of a question for what is in it. */
#if PY_VERSION_HEX < 0x030C0000
#define VERSIONS
#endif

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *other, *groups, *rates; /* a list and a tuple; NULL where nothing is counted */
    PyObject *groups_name, *rate_name;
    PyObject *rate; /* the one of `rates` if there is one group: the tuple lies in another page of the memory */
    int64_t count, last, looked;        /* nanoseconds */
    uint64_t last_ticks, looked_ticks;
#ifdef VERSIONS
    PyObject *optimizer, **attributes, *group; /* as it was at the last look; only the group is held on to */
    uint64_t attributes_version, group_version;
    unsigned int type_version;
#endif
} Steps;

/* What the processor itself counts at an even rate: the clock is a call of the C library, of whose pages none is in
   the processor's caches after a batch was computed. That takes longer than all else here. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    return __rdtsc();
#elif defined(__aarch64__) && defined(__GNUC__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return (uint64_t)now();
#endif
}

/* From here on the clock and the processor's count are compared. Another process may run between the two questions:
   of three times the shortest counts. */
static void look_at_clock(Steps *steps)
{
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t before = ticks();
        int64_t time = now();
        uint64_t took = ticks() - before;
        if (took < shortest) {
            shortest = took;
            steps->looked = time;
            steps->looked_ticks = before + took / 2;
        }
    }
}

/* When the last step was. It lies between the last look at the clock and this one, as far into that time as the
   processor's count says; whatever that does (another processor may count from elsewhere), it stays between them. */
static void time_last(Steps *steps)
{
    int64_t before = steps->looked;
    uint64_t ticks_before = steps->looked_ticks;
    look_at_clock(steps);
    uint64_t whole = steps->looked_ticks - ticks_before, rest = steps->looked_ticks - steps->last_ticks;
    double part = whole && rest < whole ? (double)rest / (double)whole : 0.0;
    steps->last = steps->looked - (int64_t)((double)(steps->looked > before ? steps->looked - before : 0) * part);
}

/* Whether a learning rate is what it was: some schedulers set the same one anew for each step. */
static int is_rate(PyObject *rate, PyObject *before)
{
    return rate == before || (rate != NULL && PyFloat_CheckExact(rate) && PyFloat_CheckExact(before) &&
                              PyFloat_AS_DOUBLE(rate) == PyFloat_AS_DOUBLE(before));
}

#ifdef VERSIONS
static inline uint64_t version(PyObject *dictionary)
{
    return ((PyDictObject *)dictionary)->ma_version_tag;
}

/* From here on the optimiser, whose only group is `group`, is known by versions: of its class, in which an attribute
   may be looked up, of its attributes, and of the group. */
static void look_at_versions(Steps *steps, PyObject *optimizer, PyObject *group)
{
    PyTypeObject *type = Py_TYPE(optimizer);
    if (steps->optimizer != optimizer || steps->type_version != type->tp_version_tag) {
        steps->optimizer = NULL;
        if (type->tp_getattro != PyObject_GenericGetAttr || _PyType_Lookup(type, steps->groups_name) != NULL ||
            !PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG))
            return; /* whatever its groups are, they are no attribute as any other */
        steps->attributes = _PyObject_GetDictPtr(optimizer);
        if (steps->attributes == NULL || *steps->attributes == NULL)
            return;
        steps->type_version = type->tp_version_tag;
        steps->optimizer = optimizer;
    }
    if (*steps->attributes == NULL) {
        steps->optimizer = NULL;
        return;
    }
    steps->attributes_version = version(*steps->attributes);
    steps->group_version = version(group);
    Py_XSETREF(steps->group, Py_NewRef(group));
}

/* Whether nothing has changed since then. As long as `groups` is there, so is the optimiser: see `let_go`. */
static inline int is_untouched(Steps *steps, PyObject *optimizer)
{
    return optimizer == steps->optimizer && Py_TYPE(optimizer)->tp_version_tag == steps->type_version &&
           *steps->attributes != NULL && version(*steps->attributes) == steps->attributes_version &&
           PyList_GET_SIZE(steps->groups) == 1 && PyList_GET_ITEM(steps->groups, 0) == steps->group &&
           version(steps->group) == steps->group_version;
}

static void forget_versions(Steps *steps)
{
    steps->optimizer = NULL;
    Py_CLEAR(steps->group);
}
#else
#define look_at_versions(steps, optimizer, group)
#define is_untouched(steps, optimizer) 0
#define forget_versions(steps)
#endif

/* Whether the optimiser's groups are the objects that they were, and the learning rate of each is the same. */
static int is_like_before(Steps *steps, PyObject *optimizer)
{
    PyObject *groups = PyObject_GetAttr(optimizer, steps->groups_name);
    /* What was asked may be a property, in which anything can happen: the question is asked after it. */
    int same = groups != NULL && groups == steps->groups && PyList_CheckExact(groups);
    if (same && steps->rate != NULL && PyList_GET_SIZE(groups) == 1) {
        PyObject *group = PyList_GET_ITEM(groups, 0);
        if (PyDict_CheckExact(group) && PyDict_GetItemWithError(group, steps->rate_name) == steps->rate) {
            look_at_versions(steps, optimizer, group);
            Py_DECREF(groups);
            return 1;
        }
    }
    same = same && PyList_GET_SIZE(groups) == PyTuple_GET_SIZE(steps->rates);
    PyObject *rates = same ? Py_NewRef(steps->rates) : NULL;
    for (Py_ssize_t i = 0; same && i < PyTuple_GET_SIZE(rates); i++) {
        /* A key of the program's may do anything when it is compared. */
        PyObject *group = i < PyList_GET_SIZE(groups) ? PyList_GET_ITEM(groups, i) : NULL;
        same = group != NULL && PyDict_CheckExact(group) &&
               is_rate(PyDict_GetItemWithError(group, steps->rate_name), PyTuple_GET_ITEM(rates, i));
    }
    Py_XDECREF(rates);
    PyErr_Clear();
    Py_XDECREF(groups);
    return same;
}

static PyObject *steps_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Steps *steps = (Steps *)self;
    if (PyVectorcall_NARGS(flags) != 3 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "an optimiser and the arguments of its step are expected");
        return NULL;
    }
    if (steps->groups != NULL && (is_untouched(steps, args[0]) || is_like_before(steps, args[0]))) {
        steps->count++;
        steps->last_ticks = ticks();
        Py_RETURN_NONE;
    }
    if (steps->other == NULL)
        Py_RETURN_NONE; /* taken apart already */
    return PyObject_CallOneArg(steps->other, args[0]);
}

static PyObject *steps_watch(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Steps *steps = (Steps *)self;
    if (count != 2 || !PyTuple_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "watch(groups, rates) takes a tuple of rates");
        return NULL;
    }
    forget_versions(steps);
    Py_XSETREF(steps->groups, Py_NewRef(args[0]));
    Py_XSETREF(steps->rates, Py_NewRef(args[1]));
    steps->rate = PyTuple_GET_SIZE(args[1]) == 1 ? PyTuple_GET_ITEM(args[1], 0) : NULL;
    if (!steps->count)
        look_at_clock(steps);
    Py_RETURN_NONE;
}

static PyObject *steps_let_go(PyObject *self, PyObject *Py_UNUSED(none))
{
    Steps *steps = (Steps *)self;
    steps->rate = NULL;
    forget_versions(steps);
    Py_CLEAR(steps->groups);
    Py_CLEAR(steps->rates);
    Py_RETURN_NONE;
}

static PyObject *steps_taken(PyObject *self, PyObject *Py_UNUSED(none))
{
    Steps *steps = (Steps *)self;
    long long count = steps->count;
    if (count)
        time_last(steps);
    steps->count = 0;
    return Py_BuildValue("LL", count, (long long)steps->last);
}

static PyObject *steps_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *other;
    if (!PyArg_ParseTuple(args, "O", &other))
        return NULL;
    Steps *steps = (Steps *)type->tp_alloc(type, 0);
    if (steps == NULL)
        return NULL;
    steps->call = steps_call;
    steps->other = Py_NewRef(other);
    steps->groups_name = PyUnicode_InternFromString("param_groups");
    steps->rate_name = PyUnicode_InternFromString("lr");
    if (steps->groups_name == NULL || steps->rate_name == NULL)
        Py_CLEAR(steps);
    return (PyObject *)steps;
}

static int steps_traverse(PyObject *self, visitproc visit, void *arg)
{
    Steps *steps = (Steps *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(steps->other);
    Py_VISIT(steps->groups);
    Py_VISIT(steps->rates);
#ifdef VERSIONS
    Py_VISIT(steps->group);
#endif
    return 0;
}

static int steps_clear(PyObject *self)
{
    Steps *steps = (Steps *)self;
    steps->rate = NULL;
    forget_versions(steps);
    Py_CLEAR(steps->other);
    Py_CLEAR(steps->groups);
    Py_CLEAR(steps->rates);
    Py_CLEAR(steps->groups_name);
    Py_CLEAR(steps->rate_name);
    return 0;
}

static PyObject *steps_waiting(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromLongLong(((Steps *)self)->count);
}

static PyMemberDef steps_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Steps, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyMethodDef steps_methods[] = {
    {"watch", (PyCFunction)(void (*)(void))steps_watch, METH_FASTCALL,
     "watch(groups, rates): count the steps of an optimiser as long as it has these."},
    {"let_go", steps_let_go, METH_NOARGS, "let_go(): count no more."},
    {"waiting", steps_waiting, METH_NOARGS, "waiting(): how many were counted since `taken` was last asked."},
    {"taken", steps_taken, METH_NOARGS,
     "taken(): how many were counted since the last question, and when the last one was, in nanoseconds."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot steps_slots[] = {
    {Py_tp_doc, "Steps(other)\n--\n\nCounts steps that are like the one before; `other` is called with the rest."},
    {Py_tp_new, steps_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, steps_traverse},
    {Py_tp_clear, steps_clear},
    {Py_tp_dealloc, deallocate},
    {Py_tp_members, steps_members},
    {Py_tp_methods, steps_methods},
    {0, NULL}};

static PyType_Spec steps_spec = {
    "trilha_training.Steps", sizeof(Steps), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE, steps_slots};

/* -- modules ----------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *slow, *known;
    PyTypeObject *part_type;
    Py_ssize_t module_place, containers_place;
} Registered;

/* What a weak reference refers to: a new reference, or NULL. */
static PyObject *referent(PyObject *reference)
{
    PyObject *found = NULL;
    if (reference == NULL || !PyWeakref_CheckRef(reference))
        return NULL;
#if PY_VERSION_HEX >= 0x030d0000
    if (PyWeakref_GetRef(reference, &found) < 0)
        PyErr_Clear();
#else
    found = PyWeakref_GET_OBJECT(reference);
    found = found == Py_None ? NULL : Py_NewRef(found);
#endif
    return found;
}

/* The containers of a module that is known, without those at the end that are gone or are `module`: a new
   reference; NULL without an exception if it is not known. */
static PyObject *containers_of(Registered *registered, PyObject *submodule, PyObject *module)
{
    PyObject *address = PyLong_FromVoidPtr(submodule);
    PyObject *part = address != NULL ? PyDict_GetItemWithError(registered->known, address) : NULL;
    Py_XDECREF(address);
    if (part == NULL || !Py_IS_TYPE(part, registered->part_type))
        return NULL;
    PyObject *containers = *slot(part, registered->containers_place);
    PyObject *found = referent(*slot(part, registered->module_place));
    int same = found == submodule;
    if (containers == NULL || !same || !PyList_CheckExact(containers)) {
        Py_XDECREF(found);
        return NULL;
    }
    Py_INCREF(containers);
    Py_DECREF(found);
    for (Py_ssize_t last; (last = PyList_GET_SIZE(containers) - 1) >= 0;) {
        PyObject *above = referent(PyList_GET_ITEM(containers, last));
        int goes = above == NULL || above == module;
        Py_XDECREF(above);
        if (!goes || PyList_SetSlice(containers, last, last + 1, NULL) < 0)
            break;
    }
    return containers;
}

static PyObject *registered_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Registered *registered = (Registered *)self;
    if (PyVectorcall_NARGS(flags) != 3 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a module, a name and a module in it are expected");
        return NULL;
    }
    if (registered->slow == NULL || args[2] == Py_None)
        Py_RETURN_NONE;
    PyObject *containers = containers_of(registered, args[2], args[0]), *reference = NULL;
    int done = containers != NULL && (reference = PyWeakref_NewRef(args[0], NULL)) != NULL &&
               PyList_Append(containers, reference) == 0;
    Py_XDECREF(reference);
    Py_XDECREF(containers);
    if (done)
        Py_RETURN_NONE;
    PyErr_Clear();
    return PyObject_Vectorcall(registered->slow, args, flags, names);
}

static PyObject *registered_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *slow, *known, *part_type;
    if (!PyArg_ParseTuple(args, "OO!O!", &slow, &PyDict_Type, &known, &PyType_Type, &part_type))
        return NULL;
    Py_ssize_t module = place_of(part_type, "module"), containers;
    if (module < 0 || (containers = place_of(part_type, "containers")) < 0)
        return NULL;
    Registered *registered = (Registered *)type->tp_alloc(type, 0);
    if (registered == NULL)
        return NULL;
    registered->call = registered_call;
    registered->slow = Py_NewRef(slow);
    registered->known = Py_NewRef(known);
    registered->part_type = (PyTypeObject *)Py_NewRef(part_type);
    registered->module_place = module;
    registered->containers_place = containers;
    return (PyObject *)registered;
}

static int registered_traverse(PyObject *self, visitproc visit, void *arg)
{
    Registered *registered = (Registered *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(registered->slow);
    Py_VISIT(registered->known);
    Py_VISIT(registered->part_type);
    return 0;
}

static int registered_clear(PyObject *self)
{
    Registered *registered = (Registered *)self;
    Py_CLEAR(registered->slow);
    Py_CLEAR(registered->known);
    Py_CLEAR(registered->part_type);
    return 0;
}

static PyMemberDef registered_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Registered, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot registered_slots[] = {
    {Py_tp_doc, "Registered(slow, known, part_type)\n--\n\n"
                "Notes which module a known one was put into; `slow` is called with those that are not known."},
    {Py_tp_new, registered_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, registered_traverse},
    {Py_tp_clear, registered_clear},
    {Py_tp_dealloc, deallocate},
    {Py_tp_members, registered_members},
    {0, NULL}};

static PyType_Spec registered_spec = {
    "trilha_training.Registered", sizeof(Registered), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    registered_slots};

/* -- versions ---------------------------------------------------------------------------------------------- */

/* The dict `module.name`: a new reference; NULL with an exception where that is no dict. */
static PyObject *dict_of(PyObject *module, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(module, name);
    if (found != NULL && !PyDict_Check(found)) {
        PyErr_Format(PyExc_AttributeError, "a dict is expected in %S, not %R", name, Py_TYPE(found));
        Py_CLEAR(found);
    }
    return found;
}

/* Add the counters of the tensors in `module.name` to `total`; -1 with an exception. */
static int add_versions(PyObject *module, PyObject *name, PyObject *version_name, long long *total)
{
    PyObject *tensors = dict_of(module, name), *tensor;
    if (tensors == NULL)
        return -1;
    int wrong = 0;
    for (Py_ssize_t at = 0; !wrong && PyDict_Next(tensors, &at, NULL, &tensor);) {
        if (tensor == Py_None)
            continue;
        Py_INCREF(tensor);
        PyObject *version = PyObject_GetAttr(tensor, version_name);
        long long number = version != NULL ? PyLong_AsLongLong(version) : -1;
        Py_XDECREF(version);
        Py_DECREF(tensor);
        wrong = number == -1 && PyErr_Occurred();
        *total += number;
    }
    Py_DECREF(tensors);
    return wrong ? -1 : 0;
}

/* Put the modules in `module.name` that are not in `seen`, a set of addresses, into it and into `modules`. */
static int add_modules(PyObject *module, PyObject *name, PyObject *seen, PyObject *modules)
{
    PyObject *parts = dict_of(module, name), *part;
    if (parts == NULL)
        return -1;
    int wrong = 0;
    for (Py_ssize_t at = 0; !wrong && PyDict_Next(parts, &at, NULL, &part);) {
        PyObject *address = part != Py_None ? PyLong_FromVoidPtr(part) : NULL;
        int known = address != NULL ? PySet_Contains(seen, address) : 1;
        if (!known)
            known = PySet_Add(seen, address) < 0 || PyList_Append(modules, part) < 0 ? -1 : 0;
        Py_XDECREF(address);
        wrong = PyErr_Occurred() != NULL;
    }
    Py_DECREF(parts);
    return wrong ? -1 : 0;
}

static PyObject *versions(PyObject *module, PyObject *top)
{
    State *state = PyModule_GetState(module);
    long long total = 0;
    PyObject *modules = PyList_New(0), *seen = PySet_New(NULL), *address = PyLong_FromVoidPtr(top);
    int wrong = !modules || !seen || !address || PySet_Add(seen, address) < 0 || PyList_Append(modules, top) < 0;
    for (Py_ssize_t i = 0; !wrong && i < PyList_GET_SIZE(modules); i++) {
        PyObject *one = PyList_GET_ITEM(modules, i); /* the list holds it, and nobody else has the list */
        wrong = add_versions(one, state->parameters, state->version, &total) < 0 ||
                add_versions(one, state->buffers, state->version, &total) < 0 ||
                add_modules(one, state->modules, seen, modules) < 0;
    }
    Py_XDECREF(modules);
    Py_XDECREF(seen);
    Py_XDECREF(address);
    return wrong ? NULL : PyLong_FromLongLong(total);
}

/* -- the module -------------------------------------------------------------------------------------------- */

static int execute(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "trilha_training relies on the interpreter's lock");
    return -1;
#endif
    State *state = PyModule_GetState(module);
    state->rows_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &rows_spec, NULL);
    PyObject *steps_type = PyType_FromModuleAndSpec(module, &steps_spec, NULL);
    PyObject *registered_type = PyType_FromModuleAndSpec(module, &registered_spec, NULL);
    state->run = PyUnicode_InternFromString("run");
    state->append = PyUnicode_InternFromString("append");
    state->parameters = PyUnicode_InternFromString("_parameters");
    state->buffers = PyUnicode_InternFromString("_buffers");
    state->modules = PyUnicode_InternFromString("_modules");
    state->version = PyUnicode_InternFromString("_version");
    int wrong = !state->rows_type || !steps_type || !registered_type || !state->run || !state->append ||
                !state->parameters || !state->buffers || !state->modules || !state->version ||
                PyModule_AddType(module, state->rows_type) < 0 ||
                PyModule_AddType(module, (PyTypeObject *)steps_type) < 0 ||
                PyModule_AddType(module, (PyTypeObject *)registered_type) < 0 ||
                PyModule_AddIntConstant(module, "MOST", MOST) < 0;
    /* What torch.compiler.disable sets; the compiler leaves the hook alone. */
    wrong = wrong || PyDict_SetItemString(((PyTypeObject *)steps_type)->tp_dict, "_torchdynamo_disable", Py_True) < 0;
    Py_XDECREF(steps_type);
    Py_XDECREF(registered_type);
    return wrong ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->rows_type);
    Py_VISIT(state->activity_type);
    Py_VISIT(state->slow_log);
    Py_VISIT(state->process);
    Py_VISIT(state->activity_variable);
    return 0;
}

static PyMethodDef methods[] = {
    {"log_of", log_of, METH_VARARGS, "log_of(slow, process, variable, activity_type): `trilha.log`."},
    {"versions", versions, METH_O,
     "versions(module): the sum of the in-place counters of a module's parameters and buffers."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_training", "What a training calls at every batch, in C.", sizeof(State), methods,
    slots, traverse, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_training(void)
{
    return PyModuleDef_Init(&definition);
}
