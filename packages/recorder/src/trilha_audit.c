/* Hears of the audit events that matter (PEP 578): `trilha.capture.auditing`.

   A program has thousands of others a second: each message of `logging` is five, each `id()` is one. A hook in
   Python is called for all of them, and takes some 2 us where nothing of it is in the processor's caches. Of the
   files that it opens while it imports a large library a thousand are modules, which matter neither. */

#define PY_SSIZE_T_CLEAN
#include "version.h"

#include <fcntl.h>
#include <string.h>

#define MOST 32

/* What is heard of, from when it is asked for until the process ends: a hook cannot be taken away. */
typedef struct {
    int64_t interpreter; /* number of the one that asked; of one that is gone, no other has it */
    PyObject *hook;
    PyObject *passed; /* list: what the paths of modules end with, what they begin with, as tuples; or NULL */
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

/* Whether a text begins (-1) or ends (+1) with one of the texts of a tuple; -1 for an error. */
static int matches(PyObject *text, PyObject *parts, int side)
{
    int found = 0;
    for (Py_ssize_t at = 0; !found && at < PyTuple_GET_SIZE(parts); at++)
        found = (int)PyUnicode_Tailmatch(text, PyTuple_GET_ITEM(parts, at), 0, PY_SSIZE_T_MAX, side);
    return found;
}

/* Whether the event "open" is of a module that is read, by its path alone: what `_is_code` says in Python.
   Of paths with ".." nothing is said. -1 for an error. */
static int is_module(const Heard *heard, PyObject *args)
{
    if (heard->passed == NULL || PyList_GET_SIZE(heard->passed) != 2 || PyTuple_GET_SIZE(args) != 3)
        return 0;
    PyObject *path = PyTuple_GET_ITEM(args, 0), *flags = PyTuple_GET_ITEM(args, 2);
    if (!PyUnicode_CheckExact(path) || !PyLong_CheckExact(flags))
        return 0;
    long how = PyLong_AsLong(flags);
    if (how == -1 && PyErr_Occurred())
        return -1;
    if (how & (O_WRONLY | O_RDWR))
        return 0;
#ifdef Py_GIL_DISABLED
    PyObject *ends = PyList_GetItemRef(heard->passed, 0), *begins = PyList_GetItemRef(heard->passed, 1);
    if (ends == NULL || begins == NULL) {
        Py_XDECREF(ends);
        Py_XDECREF(begins);
        return -1;
    }
#else
    PyObject *ends = Py_NewRef(PyList_GET_ITEM(heard->passed, 0));
    PyObject *begins = Py_NewRef(PyList_GET_ITEM(heard->passed, 1));
#endif
    int found = 0;
    if (PyTuple_CheckExact(ends) && PyTuple_CheckExact(begins)) {
        found = matches(path, ends, 1);
        if (found > 0)
            found = matches(path, begins, -1);
        const char *text = found > 0 ? PyUnicode_AsUTF8(path) : NULL;
        if (found > 0 && text == NULL) {
            PyErr_Clear(); /* bytes that are no UTF-8 */
            found = 0;
        }
        if (found > 0 && strstr(text, "/../") != NULL)
            found = 0;
    }
    Py_DECREF(ends);
    Py_DECREF(begins);
    return found;
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
    if (strcmp(event, "open") == 0) {
        int passed = is_module(heard, args);
        if (passed < 0)
            PyErr_Clear(); /* the hook says what it is */
        else if (passed)
            return 0;
    }
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
    Py_XDECREF(heard->passed);
    PyMem_RawFree(heard);
}

/* hear(hook, names, passed=None) */
static PyObject *hear(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    int given = (count == 2 || count == 3) && PyCallable_Check(args[0]) && PyTuple_CheckExact(args[1]);
    if (!given || PyTuple_GET_SIZE(args[1]) > MOST || (count == 3 && !PyList_CheckExact(args[2]))) {
        PyErr_SetString(PyExc_TypeError, "hear(hook, names, passed): a function, a tuple of at most 32 texts"
                                         " and a list are expected");
        return NULL;
    }
    Heard *heard = PyMem_RawCalloc(1, sizeof *heard);
    if (heard == NULL)
        return PyErr_NoMemory();
    heard->interpreter = number_of_interpreter();
    heard->hook = Py_NewRef(args[0]);
    heard->passed = count == 3 ? Py_NewRef(args[2]) : NULL;
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
     "hear(hook, names, passed): call hook(event, arguments) for the audit events of these names, from now on.\n"
     "passed, a list: of files that are opened to be read none whose path ends with a text of the first tuple in\n"
     "it and begins with one of the second."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, tell_version},
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
