/* What tells whether a list of numbers changes: what `trilha.capture.lists.token_of` gives, and equal to that, made a
   tuple only where somebody asks for it. */

#ifndef TRILHA_MARKS_H
#define TRILHA_MARKS_H

#include "calls.h"

#define HELD ((Py_ssize_t)64 << 20) /* `identity._HELD_BYTES` */

/* Of a list of plain values: `parts` are some of them. Of a list of lists: of each of some lists its address, its length
   and some of its parts, which are plain values. */
typedef struct {
    PyObject_VAR_HEAD
    Py_ssize_t length;
    Py_ssize_t rows; /* -1: it is of plain values */
    void *parts[1];
} Mark;

static PyTypeObject mark_type;

static inline Py_ssize_t step_of(Py_ssize_t length)
{
    return Py_MAX(1, length / SAMPLE);
}

static inline Py_ssize_t count_of(Py_ssize_t length)
{
    Py_ssize_t step = step_of(length);
    return step == 1 ? length : (length + step - 1) / step;
}

/* Put some of a list to a mark; gives the place behind them, NULL if one does not stand for itself. */
static void **put_parts(void **at, PyObject *list)
{
    Py_ssize_t length = PyList_GET_SIZE(list), step = step_of(length);
    for (Py_ssize_t one = 0; one < length; one += step) {
        PyObject *part = PyList_GET_ITEM(list, one);
        if (!stands_for_itself(part))
            return NULL;
        *at++ = part;
    }
    return at;
}

/* Count the references that a mark has, or give them back. */
static void each_part(Mark *mark, int more)
{
    void **at = mark->parts;
    Py_ssize_t rows = mark->rows < 0 ? 1 : mark->rows;
    for (Py_ssize_t row = 0; row < rows; row++) {
        Py_ssize_t length = mark->rows < 0 ? mark->length : (Py_ssize_t)at[1];
        at += mark->rows < 0 ? 0 : 2;
        for (Py_ssize_t left = count_of(length); left > 0; left--, at++)
            if (more)
                Py_INCREF((PyObject *)*at);
            else
                Py_DECREF((PyObject *)*at);
    }
}

static void mark_dealloc(PyObject *self)
{
    each_part((Mark *)self, 0);
    PyObject_Free(self);
}

/* The mark of a list, of which `weight_of_list` tells that it is one of numbers; NULL, with an exception or, where it
   is none for us, without. */
static PyObject *mark_of_numbers(PyObject *list)
{
    Py_ssize_t length = PyList_GET_SIZE(list), count = count_of(length), step = step_of(length), words = count;
    int deep = length > 0 && PyList_CheckExact(PyList_GET_ITEM(list, 0));
    for (Py_ssize_t at = 0; deep && at < length; at += step)
        words += 1 + count_of(PyList_GET_SIZE(PyList_GET_ITEM(list, at)));
    Mark *mark = PyObject_Malloc(sizeof(Mark) + (size_t)words * sizeof(void *));
    if (mark == NULL)
        return PyErr_NoMemory();
    void **to = mark->parts;
    mark->length = length;
    mark->rows = deep ? count : -1;
    for (Py_ssize_t at = 0; deep && to != NULL && at < length; at += step) {
        PyObject *row = PyList_GET_ITEM(list, at);
        *to++ = row;
        *to++ = (void *)PyList_GET_SIZE(row);
        to = put_parts(to, row);
    }
    if (!deep)
        to = put_parts(to, list);
    if (to == NULL) {
        PyObject_Free(mark);
        return NULL;
    }
    each_part(mark, 1);
    return (PyObject *)PyObject_InitVar((PyVarObject *)mark, &mark_type, words);
}

/* Put all of a short list of numbers to a mark, with a reference to each; gives the place behind them, NULL if one is
   none that stands for itself, to those before which the references are given back. */
static void **put_numbers(void **at, PyObject *list)
{
    Py_ssize_t length = PyList_GET_SIZE(list);
    for (Py_ssize_t one = 0; one < length; one++) {
        PyObject *part = PyList_GET_ITEM(list, one);
        PyTypeObject *type = Py_TYPE(part);
        if (type != &PyLong_Type && type != &PyFloat_Type && type != &PyBool_Type) {
            while (one--)
                Py_DECREF((PyObject *)*--at);
            return NULL;
        }
        *at++ = Py_NewRef(part);
    }
    return at;
}

/* What `mark_of` gives for a list of a few lists of a few numbers each, or NULL without an exception: one look at each
   instead of several. */
static PyObject *mark_of_matrix(PyObject *list, Py_ssize_t *weight)
{
    Py_ssize_t rows = PyList_GET_SIZE(list), words = 2 * rows, weighs = size_of(list);
    if (rows == 0 || rows > SAMPLE)
        return NULL;
    for (Py_ssize_t at = 0; at < rows; at++) {
        PyObject *row = PyList_GET_ITEM(list, at);
        if (!PyList_CheckExact(row) || PyList_GET_SIZE(row) > SAMPLE)
            return NULL;
        words += PyList_GET_SIZE(row);
        weighs += size_of(row) + NUMBER * PyList_GET_SIZE(row);
    }
    Mark *mark = PyObject_Malloc(sizeof(Mark) + (size_t)words * sizeof(void *));
    if (mark == NULL)
        return NULL;
    void **to = mark->parts;
    mark->length = rows;
    mark->rows = 0;
    for (; mark->rows < rows; mark->rows++) {
        PyObject *row = PyList_GET_ITEM(list, mark->rows);
        to[0] = row;
        to[1] = (void *)PyList_GET_SIZE(row);
        to = put_numbers(to + 2, row);
        if (to == NULL) {
            each_part(mark, 0);
            PyObject_Free(mark);
            return NULL;
        }
    }
    *weight = weighs;
    return PyObject_InitVar((PyVarObject *)mark, &mark_type, words) ? (PyObject *)mark : NULL;
}

/* What tells whether a list of numbers changes, and its weight; NULL, without an exception, for another thing. */
static PyObject *mark_of(PyObject *thing, Py_ssize_t *weight)
{
    if (!PyList_CheckExact(thing))
        return NULL;
    PyObject *mark = mark_of_matrix(thing, weight);
    if (mark != NULL)
        return mark;
    *weight = weight_of_list(thing, 1, HELD);
    mark = *weight >= 0 && *weight <= HELD ? mark_of_numbers(thing) : NULL;
    if (mark == NULL)
        PyErr_Clear();
    return mark;
}

/* Whether some of a list are still those that a mark has from `at` on, which goes behind them; -1 if that is not told
   here. */
static int same_parts(PyObject *list, void ***at)
{
    Py_ssize_t length = PyList_GET_SIZE(list), step = step_of(length);
    for (Py_ssize_t one = 0; one < length; one += step) {
        PyObject *part = PyList_GET_ITEM(list, one), *was = *(*at)++;
        if (part == was)
            continue;
        if (!stands_for_itself(part))
            return -1;
        int same = PyObject_RichCompareBool(part, was, Py_EQ); /* plain values: no code of the program runs */
        if (same <= 0) {
            PyErr_Clear();
            return same;
        }
    }
    return 1;
}

/* Whether a list is as it was when `mark` was made of it; -1 if that is not told here. */
static int same_mark(PyObject *list, Mark *mark)
{
    Py_ssize_t length = PyList_GET_SIZE(list), step = step_of(length);
    void **at = mark->parts;
    if (length != mark->length)
        return 0;
    if (mark->rows < 0)
        return same_parts(list, &at);
    for (Py_ssize_t one = 0; one < length; one += step) {
        PyObject *row = PyList_GET_ITEM(list, one);
        if (!PyList_CheckExact(row))
            return -1;
        if (*at++ != row || (Py_ssize_t)*at++ != PyList_GET_SIZE(row))
            return 0;
        int same = same_parts(row, &at);
        if (same <= 0)
            return same;
    }
    return 1;
}

/* -- as an object of Python ---------------------------------------------------------------------------------------- */

static PyObject *parts_as_tuple(void ***at, Py_ssize_t length)
{
    Py_ssize_t count = count_of(length);
    PyObject *made = PyTuple_New(count);
    for (Py_ssize_t one = 0; made != NULL && one < count; one++)
        PyTuple_SET_ITEM(made, one, Py_NewRef((PyObject *)(*at)[one]));
    *at += count;
    return made;
}

/* What `trilha.capture.lists.token_of` gives; NULL with an exception. */
static PyObject *mark_as_tuple(Mark *mark)
{
    void **at = mark->parts;
    if (mark->rows < 0)
        return Py_BuildValue("nN", mark->length, parts_as_tuple(&at, mark->length));
    PyObject *ids = PyTuple_New(mark->rows), *lengths = PyTuple_New(mark->rows), *samples = PyTuple_New(mark->rows);
    int failed = !ids || !lengths || !samples;
    for (Py_ssize_t row = 0; !failed && row < mark->rows; row++) {
        PyObject *id = PyLong_FromVoidPtr(*at++);
        Py_ssize_t length = (Py_ssize_t)*at++;
        PyObject *many = PyLong_FromSsize_t(length), *sample = parts_as_tuple(&at, length);
        failed = !id || !many || !sample;
        PyTuple_SET_ITEM(ids, row, id);
        PyTuple_SET_ITEM(lengths, row, many);
        PyTuple_SET_ITEM(samples, row, sample);
    }
    PyObject *made = failed ? NULL : Py_BuildValue("nOOO", mark->length, ids, lengths, samples);
    Py_XDECREF(ids);
    Py_XDECREF(lengths);
    Py_XDECREF(samples);
    return made;
}

static PyObject *mark_compare(PyObject *self, PyObject *other, int how)
{
    if ((how != Py_EQ && how != Py_NE) || (!PyTuple_CheckExact(other) && !Py_IS_TYPE(other, &mark_type)))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *one = mark_as_tuple((Mark *)self);
    PyObject *another = Py_IS_TYPE(other, &mark_type) ? mark_as_tuple((Mark *)other) : Py_NewRef(other);
    PyObject *answer = one && another ? PyObject_RichCompare(one, another, how) : NULL;
    Py_XDECREF(one);
    Py_XDECREF(another);
    return answer;
}

static PyTypeObject mark_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "trilha_calls.Mark",
    .tp_basicsize = offsetof(Mark, parts),
    .tp_itemsize = sizeof(void *),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = mark_dealloc,
    .tp_richcompare = mark_compare,
    .tp_hash = PyObject_HashNotImplemented,
};

#endif
