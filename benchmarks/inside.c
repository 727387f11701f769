/* A callable that counts how long another one takes, for `overhead.py`.

   Counting in Python takes longer than the shortest of what is counted: where a batch was computed since the
   last call, nothing of the counting is in the processor's caches. Here it is a few lines of them. Of calls
   within calls only the outermost counts; each is kept by itself, so that one that another process interrupted
   can be told from the others.

   What is read is a count of the processor's own where it has one, for the clock would do more harm than that it
   takes time: it is a call of the C library, which whatever is counted calls, too, and would find in the caches. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <structmember.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define MOST (1 << 20) /* calls whose times are kept */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function, *attributes, *weak;
    int64_t *times;
    Py_ssize_t count;
} Timed;

static _Thread_local int depth;          /* whether the thread is inside */
static _Thread_local int64_t since, sum; /* of the call that is counted: when it was gone on with, and what it took before */
static int64_t begun, begun_ticks, parts; /* parts: how often it was begun or gone on with */

static inline int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What is counted instead of nanoseconds, at an even rate. */
static inline int64_t ticks(void)
{
#ifdef __x86_64__
    unsigned int processor;
    int64_t count = (int64_t)__rdtscp(&processor); /* after all before it is done */
    _mm_lfence();                                  /* and before all after it is begun */
    return count;
#else
    return now();
#endif
}

static PyObject *timed_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Timed *timed = (Timed *)self;
    if (depth || timed->count == MOST)
        return PyObject_Vectorcall(timed->function, args, flags, names);
    int64_t outer = sum;
    depth = 1;
    parts++;
    sum = 0;
    since = ticks();
    /* None counts what the counting takes alone. */
    PyObject *result =
        timed->function == Py_None ? Py_NewRef(Py_None) : PyObject_Vectorcall(timed->function, args, flags, names);
    int64_t took = sum + ticks() - since;
    depth = 0;
    sum = outer;
    if (timed->count < MOST) /* another thread may have come before */
        timed->times[timed->count++] = took;
    return result;
}

/* What is called from inside and is not ours: counting stops, but for what comes into ours from there. */
static PyObject *outside_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Timed *timed = (Timed *)self;
    if (!depth)
        return PyObject_Vectorcall(timed->function, args, flags, names);
    int64_t before = sum + ticks() - since;
    depth = 0;
    PyObject *result = PyObject_Vectorcall(timed->function, args, flags, names);
    depth = 1;
    parts++;
    sum = before;
    since = ticks();
    return result;
}

static PyObject *timed_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *function;
    int outside = 0;
    if (!PyArg_ParseTuple(args, "O|p", &function, &outside))
        return NULL;
    Timed *timed = (Timed *)type->tp_alloc(type, 0);
    if (timed == NULL)
        return NULL;
    timed->call = outside ? outside_call : timed_call;
    timed->function = Py_NewRef(function);
    if (outside)
        return (PyObject *)timed;
    timed->times = PyMem_RawMalloc(MOST * sizeof(int64_t));
    if (timed->times == NULL) {
        Py_DECREF(timed);
        return PyErr_NoMemory();
    }
    return (PyObject *)timed;
}

static PyObject *timed_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(type))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyObject *timed_reset(PyObject *self, PyObject *Py_UNUSED(none))
{
    ((Timed *)self)->count = 0;
    Py_RETURN_NONE;
}

static PyObject *timed_times(PyObject *self, PyObject *Py_UNUSED(none))
{
    Timed *timed = (Timed *)self;
    PyObject *found = PyBytes_FromStringAndSize(NULL, timed->count * (Py_ssize_t)sizeof(int64_t));
    if (found == NULL)
        return NULL;
    int64_t *times = (int64_t *)PyBytes_AS_STRING(found);
    double each = (double)(now() - begun) / (double)(ticks() - begun_ticks);
    for (Py_ssize_t i = 0; i < timed->count; i++)
        times[i] = (int64_t)((double)timed->times[i] * each);
    return found;
}

/* parts(): how many intervals have been counted, of all calls and threads. */
static PyObject *counted_parts(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLongLong(parts);
}

static int timed_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Timed *)self)->function);
    Py_VISIT(((Timed *)self)->attributes);
    return 0;
}

static void timed_dealloc(PyObject *self)
{
    Timed *timed = (Timed *)self;
    PyObject_GC_UnTrack(self);
    if (timed->weak != NULL)
        PyObject_ClearWeakRefs(self);
    Py_XDECREF(timed->function);
    Py_XDECREF(timed->attributes);
    PyMem_RawFree(timed->times);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef timed_members[] = {{"__wrapped__", T_OBJECT, offsetof(Timed, function), READONLY, NULL},
                                      {NULL, 0, 0, 0, NULL}};

static PyMethodDef timed_methods[] = {
    {"reset", timed_reset, METH_NOARGS, "reset(): count from here."},
    {"times", timed_times, METH_NOARGS, "times(): nanoseconds of each call, as native int64."},
    {NULL, NULL, 0, NULL}};

static PyTypeObject timed_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "inside.Timed",
    .tp_basicsize = sizeof(Timed),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_doc = "Timed(function, outside=False): calls `function`, and keeps how long each call took. None is called in\n"
              "no time. Of what is outside nothing is kept, nor counted in the call of another one that it is in.",
    .tp_new = timed_new,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Timed, call),
    .tp_descr_get = timed_get,
    .tp_dictoffset = offsetof(Timed, attributes), /* for what functions are marked with */
    .tp_weaklistoffset = offsetof(Timed, weak),
    .tp_traverse = timed_traverse,
    .tp_dealloc = timed_dealloc,
    .tp_members = timed_members,
    .tp_methods = timed_methods,
};

static PyMethodDef methods[] = {
    {"parts", counted_parts, METH_NOARGS, "parts(): how many intervals have been counted, of all calls and threads."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "inside", "Counts what calls take.", -1, methods};

PyMODINIT_FUNC PyInit_inside(void)
{
    PyObject *module = PyModule_Create(&definition);
    begun = now();
    begun_ticks = ticks();
    if (module == NULL || PyModule_AddType(module, &timed_type) < 0)
        return NULL;
    return module;
}
