/* What the parts of `trilha_calls` share: what Python gave them, and what they ask of it. */

#ifndef TRILHA_CALLS_H
#define TRILHA_CALLS_H

#include "../journal.h"
#include "../lists.h"
#include "../trilha_tasks/packing.h"

#include <frameobject.h>
#include <stddef.h>

#define MOST_VALUES 32 /* `fast_calls.MOST_VALUES` */
#define MOST_LISTS 8
#define LONGEST 200 /* signs of a text, `values._LONG_TEXT` */

static PyObject *functions, *local, *process, *current, *begin_slowly, *leave_slowly, *report, *nothing, *shape_of_function,
    *shapes_of_run;
static PyTypeObject *counted_type, *open_type, *call_type, *activity_type, *known_type, *recorder_type, *objects_type,
    *members_type, *shape_type;
static struct { long calls, counted, within; } most;
static struct { Py_ssize_t function, plan, shape, calls, recorded, outer, within; } of_counted;
static struct { Py_ssize_t frame, call, handled, kept, outer; } of_open;
static struct { Py_ssize_t before, reset, yielded, activity, recorder; } of_call;
static struct { Py_ssize_t identifier, label, enclosing, blocks, used; } of_activity;
static struct { Py_ssize_t entity, generation, hold, token; } of_known;
static struct { Py_ssize_t file, files, numbers, objects, refreshers, run, shapes, calls; } of_recorder;
static struct { Py_ssize_t told, known, awaited, held, bytes, members; } of_objects;
static struct { Py_ssize_t of, owned, late; } of_members;
static struct { Py_ssize_t number, within; } of_shape;
static Py_ssize_t recorder_of_process, wraps_of_process, writing_of_files;
static PyTypeObject *files_type;
static Mapped mapped;
static int rehearsing; /* nothing is to be stated */
static PyObject *stack_name, *executes_name, *itself_name, *put_name, *settle_name, *path_name, *wrapping_name,
    *append_name, *nobody; /* an empty tuple */

/* The exception that is set is one of ours, which is counted: 0; or the program's, which goes on: -1. */
static int reported(void)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    PyObject *done = PyObject_CallOneArg(report, error ? error : Py_None);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static long count_at(PyObject *object, Py_ssize_t place)
{
    return PyLong_AsLong(*slot(object, place));
}

static int add_one(PyObject *object, Py_ssize_t place)
{
    PyObject *made = PyLong_FromLong(count_at(object, place) + 1);
    if (made == NULL)
        return -1;
    Py_XSETREF(*slot(object, place), made);
    return 0;
}

/* Put `value`, which is given away, into a slot that is empty. */
static inline void fill(PyObject *object, Py_ssize_t place, PyObject *value)
{
    *slot(object, place) = value;
}

/* Take the last out of a list, which keeps its memory. */
static void drop_last(PyObject *list)
{
    Py_ssize_t last = PyList_GET_SIZE(list) - 1;
    PyObject *one = PyList_GET_ITEM(list, last);
    Py_SET_SIZE(list, last);
    Py_DECREF(one);
}

/* Whether a value is one that a statement takes as it is. */
static int is_plain(PyObject *value)
{
    if (PyLong_CheckExact(value)) {
        int over;
        (void)PyLong_AsLongLongAndOverflow(value, &over);
        return !over;
    }
    if (PyUnicode_CheckExact(value))
        return PyUnicode_IS_COMPACT_ASCII(value) && PyUnicode_GET_LENGTH(value) <= LONGEST;
    return PyFloat_CheckExact(value) || PyBool_Check(value) || value == Py_None;
}

/* -- threads ------------------------------------------------------------------------------------------------------- */

/* The thread that called last. To ask `threading.local` each time would be a tenth of what a call costs. */
static struct {
    uint64_t state; /* number of the thread's state, which no other one gets; 0: nobody called */
    unsigned long number;
    PyObject *ident, *stack;
} thread;

/* Know the thread that calls, and the calls that go on in it; -1 with an exception. */
static int find_thread(void)
{
    uint64_t state = PyThreadState_GetID(PyThreadState_Get());
    if (state == thread.state)
        return 0;
    PyObject *stack = PyObject_GetAttr(local, stack_name);
    if (stack == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        stack = PyList_New(0);
        if (stack != NULL && PyObject_SetAttr(local, stack_name, stack) < 0)
            Py_CLEAR(stack);
    }
    unsigned long number = PyThread_get_thread_ident();
    PyObject *ident = stack && PyList_CheckExact(stack) ? PyLong_FromUnsignedLong(number) : NULL;
    if (ident == NULL) {
        Py_XDECREF(stack);
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "no list of calls");
        return -1;
    }
    thread.state = 0;
    Py_XSETREF(thread.ident, ident);
    Py_XSETREF(thread.stack, stack);
    thread.number = number;
    thread.state = state;
    return 0;
}

/* Whether a call of the function goes on in this thread; it is found. */
static int is_within(PyObject *counted)
{
    PyObject *outer = *slot(counted, of_counted.outer);
    return outer == thread.ident || PyLong_AsUnsignedLong(outer) == thread.number;
}

/* Have fetched what is asked for soon: one wait for the memory rather than one for each. */
static void expect_needed(PyObject *recorder)
{
#ifdef __GNUC__
    PyObject *objects = *slot(recorder, of_recorder.objects), *file = *slot(recorder, of_recorder.file);
    expect_check();
    if (objects && Py_IS_TYPE(objects, objects_type)) {
        Py_ssize_t tables[] = {of_objects.known, of_objects.awaited, of_objects.held, of_objects.members};
        for (size_t at = 0; at < sizeof tables / sizeof *tables; at++)
            __builtin_prefetch(*slot(objects, tables[at]));
    }
    PyObject *needed[] = {file, current, *slot(recorder, of_recorder.calls), *slot(recorder, of_recorder.run),
                          *slot(recorder, of_recorder.numbers), *slot(recorder, of_recorder.refreshers),
                          (PyObject *)activity_type, (PyObject *)known_type};
    for (size_t at = 0; at < sizeof needed / sizeof *needed; at++)
        __builtin_prefetch(needed[at]);
    if (file && Py_IS_TYPE(file, mapped.type) && mapped.pages && *slot(file, mapped.at))
        __builtin_prefetch(mapped.bytes + PyLong_AsSsize_t(*slot(file, mapped.at)));
#endif
}

/* -- what Python holds --------------------------------------------------------------------------------------------- */

/* Whether nobody but us says what becomes of lists. */
static int nobody_refreshes(PyObject *recorder)
{
    PyObject *refreshers = *slot(recorder, of_recorder.refreshers);
    return refreshers != NULL && PyList_CheckExact(refreshers) && PyList_GET_SIZE(refreshers) == 0;
}

/* The next number of a run; NULL with an exception. */
static PyObject *next_number(PyObject *recorder)
{
    PyObject *numbers = *slot(recorder, of_recorder.numbers);
    PyObject *number = numbers && PyIter_Check(numbers) ? Py_TYPE(numbers)->tp_iternext(numbers) : NULL;
    if (number == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "no numbers");
    return number;
}

#endif
