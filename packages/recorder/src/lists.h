/* Lists of plain values, which programs hand around most: what `trilha.capture.lists` makes of them, in C.

   Types are compared and nothing else is asked, so that no code of the program runs here. Only where a tuple is made
   can that happen (the collector of cycles may call a finalizer, until Python 3.12), so lists are looked at anew
   behind it. */

#ifndef TRILHA_LISTS_H
#define TRILHA_LISTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define LOOKED_AT 256 /* `lists.LOOKED_AT` */
#define SAMPLE 64     /* `lists.SAMPLE` */
#define NUMBER 32     /* bytes, `lists._NUMBER` */

static inline int is_number(PyObject *thing)
{
    PyTypeObject *type = Py_TYPE(thing);
    return type == &PyFloat_Type || type == &PyLong_Type || thing == Py_None || type == &PyBool_Type ||
           type == &PyComplex_Type;
}

static inline int stands_for_itself(PyObject *thing)
{
    PyTypeObject *type = Py_TYPE(thing);
    return type == &PyFloat_Type || type == &PyLong_Type || type == &PyUnicode_Type || type == &PyBool_Type;
}

static inline int are_numbers(PyObject *list, Py_ssize_t most)
{
    Py_ssize_t count = Py_MIN(PyList_GET_SIZE(list), most);
    for (Py_ssize_t at = 0; at < count; at++)
        if (!is_number(PyList_GET_ITEM(list, at)))
            return 0;
    return 1;
}

static inline int are_lists(PyObject *list, Py_ssize_t most)
{
    Py_ssize_t count = Py_MIN(PyList_GET_SIZE(list), most);
    for (Py_ssize_t at = 0; at < count; at++)
        if (!PyList_CheckExact(PyList_GET_ITEM(list, at)))
            return 0;
    return count > 0;
}

/* Some of a list, evenly spaced, as a tuple. NULL without an exception if a finalizer changed the list. */
static inline PyObject *sample_of(PyObject *list)
{
    Py_ssize_t length = PyList_GET_SIZE(list), step = Py_MAX(1, length / SAMPLE), count = (length + step - 1) / step;
    PyObject *made = PyTuple_New(count);
    if (made == NULL)
        return NULL;
    if (PyList_GET_SIZE(list) != length) {
        Py_DECREF(made);
        return NULL;
    }
    for (Py_ssize_t at = 0; at < count; at++)
        PyTuple_SET_ITEM(made, at, Py_NewRef(PyList_GET_ITEM(list, at * step)));
    return made;
}

static inline int all_stand(PyObject *sample)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(sample); at++)
        if (!stands_for_itself(PyTuple_GET_ITEM(sample, at)))
            return 0;
    return 1;
}

/* The token of a list of lists, of which `rows` is a sample. NULL without an exception where it has none here. */
static inline PyObject *token_of_rows(Py_ssize_t length, PyObject *rows)
{
    Py_ssize_t count = PyTuple_GET_SIZE(rows);
    for (Py_ssize_t at = 0; at < count; at++)
        if (!PyList_CheckExact(PyTuple_GET_ITEM(rows, at)))
            return NULL;
    PyObject *ids = PyTuple_New(count), *lengths = PyTuple_New(count), *samples = PyTuple_New(count), *token = NULL;
    if (ids == NULL || lengths == NULL || samples == NULL)
        goto out;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *row = PyTuple_GET_ITEM(rows, at), *id = PyLong_FromVoidPtr(row);
        PyObject *many = PyLong_FromSsize_t(PyList_GET_SIZE(row)), *sample = sample_of(row);
        if (id != NULL)
            PyTuple_SET_ITEM(ids, at, id);
        if (many != NULL)
            PyTuple_SET_ITEM(lengths, at, many);
        if (sample != NULL)
            PyTuple_SET_ITEM(samples, at, sample);
        if (id == NULL || many == NULL || sample == NULL || !all_stand(sample))
            goto out;
    }
    token = Py_BuildValue("nOOO", length, ids, lengths, samples);
out:
    Py_XDECREF(ids);
    Py_XDECREF(lengths);
    Py_XDECREF(samples);
    return token;
}

/* Bytes that a list takes, as `sys.getsizeof` tells. */
static inline Py_ssize_t size_of(PyObject *list)
{
    Py_ssize_t head = 2 * (Py_ssize_t)sizeof(void *); /* of the collector of cycles */
    return head + PyList_Type.tp_basicsize + ((PyListObject *)list)->allocated * (Py_ssize_t)sizeof(void *);
}

/* The token of a list. NULL without an exception where it has none here. */
static inline PyObject *token_of_list(PyObject *things, int deep)
{
    PyObject *sample = sample_of(things), *token = NULL;
    if (sample == NULL)
        return NULL;
    Py_ssize_t length = PyList_GET_SIZE(things);
    if (all_stand(sample))
        token = Py_BuildValue("nO", length, sample);
    else if (deep)
        token = token_of_rows(length, sample);
    Py_DECREF(sample);
    return token;
}

/* About how many bytes a list of numbers keeps alive, of which more than `most` need not be told exactly; -1 for
   another list. */
static inline Py_ssize_t weight_of_list(PyObject *things, int deep, Py_ssize_t most)
{
    Py_ssize_t weight = size_of(things), length = PyList_GET_SIZE(things);
    if (are_numbers(things, length))
        return weight + NUMBER * length;
    if (!deep || !are_lists(things, length))
        return -1;
    for (Py_ssize_t at = 0; at < length; at++) {
        PyObject *row = PyList_GET_ITEM(things, at);
        weight += size_of(row) + NUMBER * PyList_GET_SIZE(row);
    }
    for (Py_ssize_t at = 0; at < length && weight <= most; at++) {
        PyObject *row = PyList_GET_ITEM(things, at);
        if (!are_numbers(row, PyList_GET_SIZE(row)))
            return -1;
    }
    return weight;
}

#endif
