/* The hook after each step of an optimiser: it counts those that are like the one before. */

#ifndef TRILHA_STEPS_H
#define TRILHA_STEPS_H

#include "training.h"
#ifdef _M_X64
#include <intrin.h>
#elif defined(__x86_64__)
#include <x86intrin.h>
#endif

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

#endif
