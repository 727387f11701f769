/* The hooks of functions, generators and exceptions, and of text that is not traced. */

#include "recorder.h"

/* Puts the cell of a nested function's probe in the place of the probe. */
static PyObject *cell_of(PyObject *probe)
{
    PyObject *closure = PyFunction_Check(probe) ? PyFunction_GET_CLOSURE(probe) : NULL;
    return closure && PyTuple_GET_SIZE(closure) ? PyTuple_GET_ITEM(closure, 0) : NULL;
}

static void tell_entry(PyObject *const *args, Py_ssize_t count, const uint64_t *extra)
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
    tell_numbers(args[0], extra, numbers, made);
}

/* A function with these parameters begins. */
HOOK(hook_enter)
{
    NEEDS(2);
    if (active)
        tell_entry(args, count, NULL);
    Py_RETURN_NONE;
}

/* -- what a function runs by --------------------------------------------------------------------------------------- */

#define FAR 64 /* so many frames of other code may lie between */

static PyObject *texts; /* what code that is traced calls its file -> number of the first part of its text */
static struct {
    PyCodeObject *code; /* held, so that no other one has its address; NULL if it is not known */
    int at;
    uint64_t thread;
} told;

/* A function begins that may run without a call in the text: logged is which part of a text runs it, if that is another
   one than in this thread before. */
HOOK(hook_called)
{
    NEEDS(1);
    if (!active || texts == NULL)
        Py_RETURN_NONE;
    PyObject *base = NULL;
    PyCodeObject *code = NULL;
    int at = 0;
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    for (int near = 0; near < FAR && code == NULL && frame != NULL; near++) {
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_SETREF(frame, back);
        if (frame == NULL)
            break;
        code = PyFrame_GetCode(frame);
        at = PyFrame_GetLasti(frame);
        base = PyDict_GetItemWithError(texts, code->co_filename);
        if (base == NULL) {
            Py_CLEAR(code);
            at = 0;
        }
    }
    Py_XDECREF(frame);
    uint64_t first = code != NULL ? head_of(base) : 0;
    begin_record();
    if (code != told.code || at != told.at || told.thread != this_thread) {
        int line = 0, column = 0, end_line = 0, end_column = 0;
        if (code != NULL)
            PyCode_Addr2Location(code, at, &line, &column, &end_line, &end_column);
        put(head_of(args[0]));
        put(first);
        put_place(line, end_line, column, end_column);
        PyCodeObject *before = told.code;
        told.code = code;
        told.at = at;
        told.thread = this_thread;
        code = before;
    }
    Py_XDECREF(code);
    Py_RETURN_NONE;
}

void know_texts(PyObject *bases)
{
    Py_XSETREF(texts, Py_NewRef(bases));
    Py_CLEAR(told.code);
    told.at = 0;
    told.thread = 0;
}

/* -- generators: which frame is which activation ------------------------------------------------------------------ */

static PyObject *activations; /* address of a frame -> number */
static unsigned long last_activation;

static unsigned long activation_of(PyFrameObject *frame, int begins, int ends)
{
    if (activations == NULL || frame == NULL)
        return 0;
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

/* The one that a frame is of; or, of a comprehension, which until Python 3.11 has its own, that it stands in. */
static unsigned long activation_around(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    unsigned long number = activation_of(frame, 0, 0);
#if PY_VERSION_HEX < 0x030C0000
    Py_XINCREF(frame);
    while (number == 0 && frame != NULL) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        const char *name = PyUnicode_AsUTF8(code->co_name);
        int inside = name != NULL && name[0] == '<' && strstr(name, "comp>") != NULL;
        Py_DECREF(code);
        if (!inside)
            break;
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_SETREF(frame, back);
        number = activation_of(frame, 0, 0);
    }
    Py_XDECREF(frame);
#endif
    return number;
}

/* A generator begins. */
HOOK(hook_begin)
{
    NEEDS(2);
    if (active) {
        uint64_t activation = activation_of(PyEval_GetFrame(), 1, 0);
        tell_entry(args, count, &activation);
    }
    Py_RETURN_NONE;
}

/* A generator goes on. */
HOOK(hook_resume)
{
    NEEDS(2);
    if (active) {
        uint64_t activation = activation_around();
        tell(args, count, &activation);
    }
    return Py_NewRef(args[1]);
}

/* A generator is over. */
PyObject *hook_over(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    unsigned long number = activation_of(PyEval_GetFrame(), 0, 1);
    if (active) {
        begin_record();
        put(OVER);
        put(number);
    }
    Py_RETURN_NONE;
}

/* A generator expression got an item. */
HOOK(hook_next)
{
    NEEDS(1);
    if (active) {
        PyObject *few[66];
        if (count > 64)
            count = 64;
        few[0] = args[0];
        few[1] = (PyObject *)PyEval_GetFrame(); /* of the expression: code in Python calls this */
        for (Py_ssize_t at = 1; at < count; at++)
            few[at + 1] = args[at];
        tell(few, count + 1, NULL);
    }
    Py_RETURN_NONE;
}

int start_calls(void)
{
    Py_CLEAR(texts);
    Py_XSETREF(activations, PyDict_New());
    return activations == NULL ? -1 : 0;
}

/* -- exceptions --------------------------------------------------------------------------------------------------- */

/* An exception came to a handler: logged is the place in the text that gave it. */
HOOK(hook_raised)
{
    NEEDS(1);
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
        put_place(line, end_line, column, end_column);
    }
    Py_RETURN_NONE;
}

/* -- text that is not traced -------------------------------------------------------------------------------------- */

/* It runs; several in a row are told once. Gives back what it is given. */
HOOK(hook_outside)
{
    NEEDS(1);
    if (active && (said != used || this_thread != last_thread)) {
        begin_record();
        put(head_of(args[0]));
        said = used;
    }
    return Py_NewRef(count > 1 ? args[1] : Py_None);
}
