/* A task's end, told together with that of its attempt. */

#ifndef TRILHA_ENDS_H
#define TRILHA_ENDS_H

#include "tasks.h"

/* The shape that tells of the end of a task and its attempt, whose result is derived from `sources` entities;
   borrowed, NULL if there is none yet. */
static PyObject *shape_of_end(Tasks *tasks, PyObject *alike, PyObject *how, Py_ssize_t sources)
{
    PyObject *recent = AT(alike, ALIKE_RECENT), *ends = AT(alike, ALIKE_ENDS);
    if (recent != NULL && PyTuple_CheckExact(recent) && PyTuple_GET_ITEM(recent, 0) == how &&
        PyLong_AsSsize_t(PyTuple_GET_ITEM(recent, 2)) == sources)
        return PyTuple_GET_ITEM(recent, 1);
    PyObject *number = PyLong_FromSsize_t(sources);
    PyObject *key = sources == 0 ? Py_NewRef(how) : number ? PyTuple_Pack(2, how, number) : NULL;
    PyObject *shape = key && ends && PyDict_CheckExact(ends) ? PyDict_GetItemWithError(ends, key) : NULL;
    if (shape != NULL && number != NULL && (recent = PyTuple_Pack(3, how, shape, number)) != NULL)
        Py_XSETREF(AT(alike, ALIKE_RECENT), recent);
    Py_XDECREF(number);
    Py_XDECREF(key);
    forget_error();
    return shape;
}

/* Of how many entities the result of a task comes whose use is stated; -1 where that is not for us. */
static Py_ssize_t sources_of(Tasks *tasks, PyObject *task)
{
    PyObject *usages = AT(task, TASK_USAGES);
    if (usages == Py_None)
        return 0;
    if (usages == NULL || !PyDict_CheckExact(usages) || PyDict_GET_SIZE(usages) > TOGETHER ||
        PyDict_Contains(usages, AT(task, TASK_RESULT)) != 0) {
        forget_error();
        return -1;
    }
    return PyDict_GET_SIZE(usages) > 0 ? PyDict_GET_SIZE(usages) : -1;
}

/* `Task.ended(status, result)` of a task whose attempt has given a plain result; 0, with nothing done, where that is
   not for us, and -1 with an exception. */
static int end_task(Tasks *tasks, PyObject *task, PyObject *status, PyObject *result)
{
    PyObject *last = AT(task, TASK_LAST), *alike = AT(task, TASK_ALIKE), *recorder = AT(task, TASK_RECORDER);
    Py_ssize_t sources = sources_of(tasks, task);
    if (last == NULL || !PyTuple_CheckExact(last) || sources < 0 || !stands_for_itself(result))
        return 0;
    PyObject *contents = PyTuple_GET_ITEM(last, 2);
    PyObject *shape = shape_of_end(tasks, alike, PyTuple_GET_ITEM(last, 1), sources);
    Py_ssize_t count = PyTuple_GET_SIZE(contents);
    if (shape == NULL || count > MOST - 8 - 2 * TOGETHER)
        return 0;
    PyObject *at = PyLong_FromLongLong(now()), *generation = at ? next_number(tasks, recorder) : NULL;
    if (generation == NULL) {
        Py_XDECREF(at);
        return -1;
    }
    AT(task, TASK_LAST) = Py_NewRef(Py_None); /* `last` is ours now */
    Py_XSETREF(AT(task, TASK_OVER), Py_NewRef(Py_True));
    PyObject *cells[MOST] = {Py_NewRef(shape), AT(task, IDENTIFIER), at, AT(task, TASK_RESULT), generation, status,
                             result};
    Py_ssize_t told = 7, at_usage = 0;
    while (sources > 0 && PyDict_Next(AT(task, TASK_USAGES), &at_usage, &cells[told], &cells[told + 1]))
        told += 2;
    for (Py_ssize_t i = 0; i < count; i++)
        cells[told++] = PyTuple_GET_ITEM(contents, i);
    int done = state(tasks, cells, told) < 0 ? -1 : 1;
    Py_DECREF(shape);
    Py_DECREF(at);
    Py_DECREF(generation);
    Py_DECREF(last);
    return done;
}

#endif
