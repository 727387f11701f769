/* A callable that counts how long another one takes, for `overhead.py`.

   Counting in Python takes longer than the shortest of what is counted: where a batch was computed since the
   last call, nothing of the counting is in the processor's caches. Here it is a few lines of them. Of calls
   within calls only the outermost counts; each is kept by itself, so that one that another process interrupted
   can be told from the others. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <structmember.h>
#include <time.h>

#define MOST (1 << 20) /* calls whose times are kept */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function, *attributes;
    int64_t *times;
    Py_ssize_t count;
} Timed;

static int depth; /* all of one thread: the program's own */

static inline int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static PyObject *timed_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Timed *timed = (Timed *)self;
    if (depth || timed->count == MOST)
        return PyObject_Vectorcall(timed->function, args, flags, names);
    depth = 1;
    int64_t begun = now();
    PyObject *result = PyObject_Vectorcall(timed->function, args, flags, names);
    timed->times[timed->count++] = now() - begun;
    depth = 0;
    return result;
}

static PyObject *timed_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *function;
    if (!PyArg_ParseTuple(args, "O", &function))
        return NULL;
    Timed *timed = (Timed *)type->tp_alloc(type, 0);
    if (timed == NULL)
        return NULL;
    timed->call = timed_call;
    timed->function = Py_NewRef(function);
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
    return PyBytes_FromStringAndSize((char *)timed->times, timed->count * (Py_ssize_t)sizeof(int64_t));
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
    .tp_doc = "Timed(function): calls `function`, and keeps how long each call took.",
    .tp_new = timed_new,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Timed, call),
    .tp_descr_get = timed_get,
    .tp_dictoffset = offsetof(Timed, attributes), /* for what functions are marked with */
    .tp_traverse = timed_traverse,
    .tp_dealloc = timed_dealloc,
    .tp_members = timed_members,
    .tp_methods = timed_methods,
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "inside", "Counts what calls take.", -1};

PyMODINIT_FUNC PyInit_inside(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddType(module, &timed_type) < 0)
        return NULL;
    return module;
}
