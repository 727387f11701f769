/* A way: what stands in the place of a function or method of Trilha or of an engine. It does what is ordinary, and
   has the rest done by the function in Python that it is made with. */

#ifndef TRILHA_WAY_H
#define TRILHA_WAY_H

#include "ends.h"

#define MORE 6

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Tasks *tasks;
    PyObject *original, *slow; /* what it stands for, and what does what is not ordinary */
    PyObject *recorder;
    PyObject *more[MORE]; /* by its kind */
    PyObject *dict, *weak;
} Way;

#define SELF                                                                                                  \
    Way *way = (Way *)self;                                                                                   \
    Tasks *tasks = way->tasks;                                                                                \
    Py_ssize_t count = PyVectorcall_NARGS(flags)
#define ON (recorder_now(tasks) == way->recorder)

/* What the program gets, and an error of ours that must be passed on comes before it. */
static PyObject *result_or_error(PyObject *result, PyObject *done)
{
    if (done == NULL)
        Py_CLEAR(result);
    Py_XDECREF(done);
    return result;
}

/* The same for an error that is to be raised again. */
static PyObject *error_again(PyObject *error, PyObject *done)
{
    if (done == NULL)
        Py_DECREF(error);
    else
        raise_again(error);
    Py_XDECREF(done);
    return NULL;
}

/* Call the original with `function` in the place of argument `place`. */
static PyObject *instead(Way *way, PyObject *const *args, Py_ssize_t count, PyObject *names, Py_ssize_t place,
                         PyObject *function)
{
    PyObject *given[MOST];
    size_t all = (size_t)(count + (names ? PyTuple_GET_SIZE(names) : 0));
    memcpy(given, args, all * sizeof *given);
    given[place] = function;
    return PyObject_Vectorcall(way->original, given, (size_t)count, names);
}

/* `Shape.state`. */
static PyObject *stating(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    if (names == NULL && count > 0 && append_shape(tasks, args[0], args + 1, count - 1))
        Py_RETURN_NONE;
    return PyObject_Vectorcall(way->slow, args, flags, names);
}

/* Anything: `slow` is f(error), called with what the original raises. */
static PyObject *watching(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Way *way = (Way *)self;
    Tasks *tasks = way->tasks;
    PyObject *result = PyObject_Vectorcall(way->original, args, flags, names);
    if (result == NULL && ON) {
        PyObject *error = take_error();
        error_again(error, PyObject_CallOneArg(way->slow, error));
    }
    return result;
}

#endif
