/* A call that is none, before the program's first: what the hooks go through then is there, and nothing is stated.

   A page of the memory, of code or of data, that this process has not touched costs microseconds where it is first
   touched, as much as all that is done for a call; a call goes through some dozens of them. */

#ifndef TRILHA_REHEARSAL_H
#define TRILHA_REHEARSAL_H

#include "leave.h"

/* Begin and end a call of the function with `values`, whose lists are not empty and are changed; -1 with an exception. */
static int go_through(PyObject *counted, PyObject *values)
{
    int done = begin_ordinarily(counted, values, 0);
    Py_ssize_t count = PyList_GET_SIZE(thread.stack);
    PyObject *top = done > 0 && count ? PyList_GET_ITEM(thread.stack, count - 1) : NULL;
    if (top == NULL || !Py_IS_TYPE(top, &going_type) || ((Going *)top)->counted != counted)
        return done < 0 ? -1 : 0;
    Going *going = (Going *)Py_NewRef(top);
    int failed = 0;
    for (int at = 0; !failed && at < going->lists; at++) {
        Py_XSETREF(going->kept, Py_NewRef(going->taken[at].thing));
        failed = PyList_Append(going->taken[at].thing, PyList_GET_ITEM(going->taken[at].thing, 0)) < 0;
    }
    done = failed ? -1 : leave_ordinarily(thread.stack, going);
    if (done <= 0) {
        if (going->reset != NULL && PyContextVar_Reset(current, going->reset) < 0)
            PyErr_Clear();
        drop_last(thread.stack);
    }
    Py_DECREF(going);
    return done < 0 ? -1 : 0;
}

/* Nothing comes of what was given; -1 with an exception. */
static int forget_late(PyObject *recorder)
{
    Objects objects;
    while (find_objects(&objects, recorder) && PyList_GET_SIZE(objects.late))
        if (take_out(&objects, PyList_GET_SIZE(objects.late) - 1) < 0)
            return -1;
    return 0;
}

/* rehearse(counted, values) */
static PyObject *rehearse(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *counted, *values;
    if (!PyArg_ParseTuple(args, "OO!", &counted, &PyTuple_Type, &values))
        return NULL;
    if (counted_type == NULL || !Py_IS_TYPE(counted, counted_type) || find_thread() < 0) {
        PyErr_SetString(PyExc_TypeError, "rehearse: expected what `hooks` was told of");
        return NULL;
    }
    Py_ssize_t places[] = {of_counted.calls, of_counted.recorded, of_counted.within, of_counted.outer};
    PyObject *was[4];
    for (int at = 0; at < 4; at++)
        was[at] = Py_NewRef(*slot(counted, places[at]));
    rehearsing = 1;
    int failed = go_through(counted, values) < 0 || forget_late(*slot(process, recorder_of_process)) < 0;
    rehearsing = 0;
    for (int at = 0; at < 4; at++)
        Py_XSETREF(*slot(counted, places[at]), was[at]);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

#endif
