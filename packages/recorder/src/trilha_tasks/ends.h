/* A task's end, told together with that of its attempt. */

#ifndef TRILHA_ENDS_H
#define TRILHA_ENDS_H

#include "tasks.h"

/* The shape that tells of the end of a task and its attempt, whose result is derived from `sources` entities;
   borrowed, NULL if there is none yet. */
static PyObject *shape_of_end(Tasks *tasks, PyObject *alike, PyObject *how, Py_ssize_t sources)
{
    PyObject *recent = AT(alike, ALIKE_RECENT), *ends = AT(alike, ALIKE_ENDS);
    tasks->ahead.read[A_ALIKE] = &AT(alike, ALIKE_RECENT);
    tasks->ahead.read[A_RECENT] = recent;
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
    if (usages != NULL && PyTuple_CheckExact(usages))
        return PyTuple_GET_SIZE(usages) / 2;
    if (usages == NULL || !PyDict_CheckExact(usages) || PyDict_GET_SIZE(usages) > TOGETHER ||
        PyDict_Contains(usages, AT(task, TASK_RESULT)) != 0) {
        forget_error();
        return -1;
    }
    return PyDict_GET_SIZE(usages) > 0 ? PyDict_GET_SIZE(usages) : -1;
}

/* What a result is derived from, entities and usages in turn, behind `cells`; gives where they end. */
static Cell *derive(Tasks *tasks, PyObject *task, Py_ssize_t sources, Cell *cells)
{
    PyObject *usages = AT(task, TASK_USAGES), *entity, *usage;
    Py_ssize_t at = 0;
    if (sources > 0 && PyTuple_CheckExact(usages))
        for (; at < 2 * sources; at++)
            *cells++ = value_cell(PyTuple_GET_ITEM(usages, at));
    else
        while (sources > 0 && PyDict_Next(usages, &at, &entity, &usage)) {
            *cells++ = value_cell(entity);
            *cells++ = value_cell(usage);
        }
    return cells;
}

/* Let go of all tasks that are over. */
static void let_go_of_all(Tasks *tasks)
{
    while (tasks->over_count > 0)
        Py_DECREF(tasks->over[--tasks->over_count]);
}

/* Let go of a task that is over, together with others; the reference is ours. */
static void let_go_of(Tasks *tasks, PyObject *task)
{
    if (Py_REFCNT(task) > 1) {
        Py_DECREF(task);
        return;
    }
    if (tasks->over_count == OVER)
        let_go_of_all(tasks);
    tasks->over[tasks->over_count++] = task;
}

/* `Task.ended(status, result)` of a task whose attempt has given a plain result; 0, with nothing done, where that is
   not for us, and -1 with an exception. */
static int end_task(Tasks *tasks, PyObject *task, PyObject *status, PyObject *result)
{
    PyObject *last = AT(task, TASK_LAST), *trying = AT(task, TASK_TRYING), *contents = NULL;
    Py_ssize_t sources = sources_of(tasks, task), count = 0;
    int elsewhere = trying != NULL && PyLong_CheckExact(trying);
    if (last == NULL || sources < 0 || !stands_for_itself(result))
        return 0;
    if (!elsewhere && (trying != Py_None || !PyTuple_CheckExact(last)))
        return 0;
    if (!elsewhere)
        contents = PyTuple_GET_ITEM(last, 2), count = PyTuple_GET_SIZE(contents);
    PyObject *how = elsewhere ? tasks->given : PyTuple_GET_ITEM(last, 1);
    PyObject *shape = shape_of_end(tasks, AT(task, TASK_ALIKE), how, sources);
    if (shape == NULL || count > MOST - 8 - 2 * TOGETHER)
        return 0;
    int64_t at = now();
    AT(task, TASK_LAST) = Py_NewRef(Py_None); /* `last` and `trying` are ours now */
    AT(task, TASK_TRYING) = Py_NewRef(Py_None);
    Py_XSETREF(AT(task, TASK_OVER), Py_NewRef(Py_True));
    Py_INCREF(shape);
    Cell cells[MOST], *told = cells;
    *told++ = value_cell(AT(task, IDENTIFIER));
    *told++ = whole_cell(at);
    *told++ = value_cell(AT(task, TASK_RESULT));
    *told++ = value_cell(AT(task, TASK_GENERATION));
    *told++ = value_cell(status);
    *told++ = value_cell(result);
    told = derive(tasks, task, sources, told);
    if (elsewhere) {
        *told++ = name_cell(AT(task, TASK_NAMED), trying);
        *told++ = whole_cell(at);
    }
    for (Py_ssize_t i = 0; i < count; i++)
        *told++ = value_cell(PyTuple_GET_ITEM(contents, i));
    int done = state(tasks, shape, cells, told - cells) < 0 ? -1 : 1;
    Py_DECREF(shape);
    Py_DECREF(last);
    Py_DECREF(trying);
    return done;
}

#endif
