/* Which Trilha these modules are for. They have its objects' slots by their places and call its functions by what these
   were when they were compiled, so that Trilha leaves alone whose number is another than its own. */

#ifndef TRILHA_VERSION_H
#define TRILHA_VERSION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define MADE_FOR 4 /* `trilha.capture.extensions.VERSION` */

/* Have a module tell it; -1 with an exception. */
static int tell_version(PyObject *module)
{
    return PyModule_AddIntConstant(module, "VERSION", MADE_FOR);
}

/* A module that was made, or NULL, which tells it: NULL with an exception. */
static inline PyObject *with_version(PyObject *module)
{
    if (module != NULL && tell_version(module) < 0)
        Py_CLEAR(module);
    return module;
}

#endif
