/* What the parts of `trilha_calls` share: what Python gave them, and what they ask of it. */

#ifndef TRILHA_CALLS_H
#define TRILHA_CALLS_H

#include "../lists.h"

#include <frameobject.h>

#include "statements.h"

#define MOST_VALUES 32 /* parameters of a function: the longest values of so many fit into a statement */
#define MOST_LISTS 8
#define LONGEST_NAME 64

static PyObject *functions, *local, *process, *current, *begin_slowly, *leave_slowly, *report, *nothing;
static PyTypeObject *counted_type, *open_type, *call_type, *activity_type, *known_type;
static struct { long calls, counted, within; } most;
static struct { Py_ssize_t function, plan, calls, recorded, outer, within; } of_counted;
static struct { Py_ssize_t frame, call, handled, kept, outer; } of_open;
static struct { Py_ssize_t before, reset, yielded, activity, recorder; } of_call;
static struct { Py_ssize_t identifier, label, enclosing, blocks, used; } of_activity;
static struct { Py_ssize_t entity, generation, hold, token; } of_known;
static Py_ssize_t recorder_of_process;
static PyObject *stack_name, *executes_name, *identifier_name, *person_name, *file_name, *files_name, *numbers_name,
    *objects_name, *refreshers_name, *run_name, *itself_name, *put_name, *settle_name, *path_name, *wrapping_name,
    *known_name, *awaited_name, *held_name, *bytes_name, *told_name, *writing_name,
    *nobody; /* an empty tuple */

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

static int set_count(PyObject *object, Py_ssize_t place, unsigned long count)
{
    PyObject *made = PyLong_FromUnsignedLong(count);
    if (made == NULL)
        return -1;
    Py_XSETREF(*slot(object, place), made);
    return 0;
}

/* Put `value`, which is given away, into a slot that is empty. */
static void fill(PyObject *object, Py_ssize_t place, PyObject *value)
{
    *slot(object, place) = value;
}

/* The calls that go on in this thread: a new reference; NULL with an exception. */
static PyObject *stack_of_thread(void)
{
    PyObject *stack = PyObject_GetAttr(local, stack_name);
    if (stack == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        stack = PyList_New(0);
        if (stack != NULL && PyObject_SetAttr(local, stack_name, stack) < 0)
            Py_CLEAR(stack);
    }
    return stack;
}

/* Whether nobody but us says what becomes of lists. */
static int nobody_refreshes(PyObject *recorder)
{
    PyObject *refreshers = PyObject_GetAttr(recorder, refreshers_name);
    int none = refreshers != NULL && PyList_CheckExact(refreshers) && PyList_GET_SIZE(refreshers) == 0;
    Py_XDECREF(refreshers);
    PyErr_Clear();
    return none;
}

#endif
