/* The hooks of traced code, in C: what `trilha.capture.script.trail` does in Python. This part is what Python has of
   them: their names, begin and end, and what the hooks that stay in Python log through. */

#include "../version.h"
#include "recorder.h"

PyObject *too_few(Py_ssize_t count, Py_ssize_t least)
{
    return PyErr_Format(PyExc_TypeError, "%zd arguments, where a hook needs %zd", count, least);
}

/* Log a record of numbers and bytes. */
static HOOK(py_put)
{
    if (!active)
        Py_RETURN_NONE;
    begin_record();
    for (Py_ssize_t at = 0; at < count; at++) {
        size_t length = PyBytes_Check(args[at]) ? (size_t)PyBytes_GET_SIZE(args[at]) : 0;
        if (make_room(length + SLACK) < 0)
            return PyErr_NoMemory();
        if (PyBytes_Check(args[at])) {
            put_bytes(PyBytes_AS_STRING(args[at]), length);
        } else {
            uint64_t number = PyLong_AsUnsignedLongLong(args[at]), three[3] = {number, 0, 0};
            int is_new = number & NEW && at + 2 < count && !PyErr_Occurred();
            for (int next = 1; is_new && next < 3; next++) {
                three[next] = PyLong_Check(args[at + next]) ? PyLong_AsUnsignedLongLong(args[at + next]) : 0;
            }
            put_all(three, is_new ? 3 : 1);
            at += is_new ? 2 : 0;
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
    if (table == NULL)
        return PyErr_Format(PyExc_RuntimeError, "nothing is logged yet");
    int count = refer(object, numbers);
    PyObject *made = PyTuple_New(count);
    for (int at = 0; made != NULL && at < count; at++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[at]);
        if (number == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, at, number);
    }
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
    forget_keys();
    Py_RETURN_NONE;
}

static PyObject *py_start(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *write, *key, *array, *text_of, *surroundings;
    if (!PyArg_ParseTuple(args, "OOOOO", &write, &key, &array, &text_of, &surroundings))
        return NULL;
    if (start_log(write) < 0 || start_tokens() < 0 || start_references(key, array) < 0 || start_calls() < 0 ||
        start_values(text_of, surroundings) < 0 || start_deaths() < 0)
        return NULL;
    start_accesses();
    active = 1;
    Py_RETURN_NONE;
}

static PyObject *py_know(PyObject *Py_UNUSED(self), PyObject *bases)
{
    if (!PyDict_Check(bases))
        return PyErr_Format(PyExc_TypeError, "expected the numbers that texts begin with, by their files");
    know_texts(bases);
    Py_RETURN_NONE;
}

static PyObject *py_stop(PyObject *Py_UNUSED(self), PyObject *lose)
{
    stop_log(PyObject_IsTrue(lose) != 0);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* Go through what most functions do, with nothing logged: the first one of the program finds the hooks, and what they
   look at, in the memory of this process and in the processor's caches. */
static PyObject *py_rehearse(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    if (!active || !is_ready())
        Py_RETURN_NONE;
    size_t before = used, said_before = said;
    PyObject *zero = PyLong_FromLong(0), *list = zero ? PyList_New(0) : NULL, *each = NULL;
    if (list != NULL && PyList_Append(list, zero) == 0) {
        PyObject *const entered[] = {zero, Py_None, list}, *const taken[] = {zero, list, zero};
        Py_XDECREF(hook_enter(NULL, entered, 3));
        for (int again = 0; again < 2; again++) {
            Py_XDECREF(hook_block(NULL, taken, 1));
            Py_XDECREF(hook_getitem(NULL, taken, 3));
            Py_XDECREF(hook_place(NULL, taken, 3));
            Py_XDECREF(hook_through(NULL, taken, 2));
        }
        each = hook_each(NULL, taken, 2);
        PyObject *item = each ? Py_TYPE(each)->tp_iternext(each) : NULL;
        Py_XDECREF(item);
        start_accesses();
    }
    Py_XDECREF(each);
    Py_XDECREF(list);
    Py_XDECREF(zero);
    used = before;
    said = said_before;
    PyErr_Clear();
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
    {"called", FAST(hook_called), "A function begins that anything may run."},
    {"enter", FAST(hook_enter), "A function begins."},
    {"begin", FAST(hook_begin), "A generator begins."},
    {"resume", FAST(hook_resume), "A generator goes on."},
    {"raised", FAST(hook_raised), "An exception came to a handler."},
    {"over", hook_over, METH_NOARGS, "A generator is over."},
    {"next", FAST(hook_next), "A generator expression got an item."},
    {"outside", FAST(hook_outside), "Text that is not traced runs."},
    {"value", FAST(hook_value), "A value is told as a text."},
    {"known", FAST(hook_known), "known(recorder, paths, slowly): what tells that objects are entities."},
    {"put", FAST(py_put), "Log numbers and bytes."},
    {"reference", py_reference, METH_O, "Numbers that stand for an object."},
    {"release", py_release, METH_O, "Forget an object, as if it had died."},
    {"flush", py_flush, METH_NOARGS, "Write out what was logged."},
    {"forget_keys", py_forget_keys, METH_NOARGS, "Forget the numbers of texts."},
    {"start", py_start, METH_VARARGS, "start(write, key, array, text_of, surroundings): begin to log."},
    {"know", py_know, METH_O, "know(bases): the numbers that texts begin with, by their files."},
    {"rehearse", py_rehearse, METH_NOARGS, "Go through the hooks, with nothing logged."},
    {"stop", py_stop, METH_O, "stop(lose): log no more."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_recorder", "The hooks of code that Trilha traces, in C.", -1, methods,
    NULL, NULL, NULL, NULL};

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility pop
#endif

PyMODINIT_FUNC PyInit_trilha_recorder(void)
{
#ifdef Py_GIL_DISABLED
    /* What is shared here is guarded by nothing but the interpreter's lock, and the import would bring that back
       for all of the program. The same is there in Python. */
    PyErr_SetString(PyExc_ImportError, "trilha_recorder is for Python with its global lock");
    return NULL;
#else
    if (PyType_Ready(&each_type) < 0 || learn_classes() < 0)
        return NULL;
    return with_version(PyModule_Create(&definition));
#endif
}
