/* Hears of the audit events that matter (PEP 578): `trilha.capture.auditing`.

   A program has thousands of others a second: each message of `logging` is five, each `id()` is one. A hook in
   Python is called for all of them, and takes some 2 us where nothing of it is in the processor's caches. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#define MOST 32

/* What is heard of, from when it is asked for until the process ends: a hook cannot be taken away. */
typedef struct {
    int64_t interpreter; /* number of the one that asked; of one that is gone, no other has it */
    PyObject *hook;
    Py_ssize_t count;
    const char *names[MOST];
} Heard;

static int is_ending(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

static int64_t number_of_interpreter(void)
{
    return PyInterpreterState_GetID(PyInterpreterState_Get());
}

/* Called for every event of the process, whichever interpreter and thread it is of. */
static int hear_event(const char *event, PyObject *args, void *data)
{
    const Heard *heard = data;
    Py_ssize_t at = 0;
    while (at < heard->count && strcmp(event, heard->names[at]) != 0)
        at++;
    if (at == heard->count || is_ending() || number_of_interpreter() != heard->interpreter)
        return 0;
    /* As for a hook in Python: what traces the program does not see it. */
    PyThreadState *thread = PyThreadState_Get();
    PyThreadState_EnterTracing(thread);
    PyObject *done = PyObject_CallFunction(heard->hook, "sO", event, args);
    PyThreadState_LeaveTracing(thread);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static void forget(Heard *heard)
{
    for (Py_ssize_t at = 0; at < heard->count; at++)
        PyMem_RawFree((void *)heard->names[at]);
    Py_XDECREF(heard->hook);
    PyMem_RawFree(heard);
}

/* hear(hook, names) */
static PyObject *hear(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyCallable_Check(args[0]) || !PyTuple_CheckExact(args[1]) || PyTuple_GET_SIZE(args[1]) > MOST) {
        PyErr_SetString(PyExc_TypeError, "hear(hook, names): a function and a tuple of at most 32 texts are expected");
        return NULL;
    }
    Heard *heard = PyMem_RawCalloc(1, sizeof *heard);
    if (heard == NULL)
        return PyErr_NoMemory();
    heard->interpreter = number_of_interpreter();
    heard->hook = Py_NewRef(args[0]);
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(args[1]); at++) {
        const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(args[1], at));
        char *copy = name ? PyMem_RawMalloc(strlen(name) + 1) : NULL;
        if (copy == NULL) {
            forget(heard);
            return PyErr_Occurred() ? NULL : PyErr_NoMemory();
        }
        heard->names[heard->count++] = strcpy(copy, name);
    }
    if (PySys_AddAuditHook(hear_event, heard) < 0) {
        forget(heard);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"hear", (PyCFunction)(void (*)(void))hear, METH_FASTCALL,
     "hear(hook, names): call hook(event, arguments) for the audit events of these names, from now on."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_audit", "Hears of the audit events that matter.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_audit(void)
{
    return PyModuleDef_Init(&definition);
}
