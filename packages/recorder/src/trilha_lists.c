/* Lists of plain values: what Python has of `lists.h`. */

#include "lists.h"
#include "version.h"

/* The arguments of each function: an exact list, and whether lists in it are looked into; -1 with an exception. */
static int parse(PyObject *const *args, Py_ssize_t count, Py_ssize_t wanted)
{
    if (count != wanted || !PyList_CheckExact(args[0])) {
        PyErr_Format(PyExc_TypeError, "expected a list and %zd more", wanted - 1);
        return -1;
    }
    return PyObject_IsTrue(args[1]);
}

/* only_numbers(things, deep) */
static PyObject *only_numbers(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    int deep = parse(args, count, 2);
    if (deep < 0)
        return NULL;
    PyObject *things = args[0];
    if (are_numbers(things, LOOKED_AT))
        Py_RETURN_TRUE;
    if (!deep || !are_lists(things, LOOKED_AT))
        Py_RETURN_FALSE;
    Py_ssize_t rows = Py_MIN(PyList_GET_SIZE(things), LOOKED_AT);
    for (Py_ssize_t at = 0; at < rows; at++)
        if (!are_numbers(PyList_GET_ITEM(things, at), LOOKED_AT))
            Py_RETURN_FALSE;
    Py_RETURN_TRUE;
}

/* token_of(things, deep) */
static PyObject *token_of(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    int deep = parse(args, count, 2);
    if (deep < 0)
        return NULL;
    PyObject *token = token_of_list(args[0], deep);
    if (token == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return token;
}

/* weight_of(things, deep, most) */
static PyObject *weight_of(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    int deep = parse(args, count, 3);
    Py_ssize_t most = deep < 0 ? -1 : PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred())
        return NULL;
    Py_ssize_t weight = weight_of_list(args[0], deep, most);
    if (weight < 0)
        Py_RETURN_NONE;
    return PyLong_FromSsize_t(weight);
}

#define FAST(name) (PyCFunction)(void (*)(void)) name, METH_FASTCALL
static PyMethodDef methods[] = {
    {"only_numbers", FAST(only_numbers), "Whether a list holds numbers alone."},
    {"token_of", FAST(token_of), "What is unequal after a list has changed."},
    {"weight_of", FAST(weight_of), "About how many bytes a list of numbers keeps alive."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_lists", "Lists of plain values, in C.", 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_lists(void)
{
#ifdef Py_GIL_DISABLED
    /* As for `trilha_recorder`. */
    PyErr_SetString(PyExc_ImportError, "trilha_lists is for Python with its global lock");
    return NULL;
#else
    return with_version(PyModule_Create(&definition));
#endif
}
