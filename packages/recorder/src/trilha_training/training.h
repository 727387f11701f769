/* What all parts of the module need. */

#ifndef TRILHA_TRAINING_H
#define TRILHA_TRAINING_H

#include "../journal.h"

typedef struct {
    PyTypeObject *rows_type, *steps_type, *activity_type;
    PyObject *slow_log, *process, *activity_variable;
    PyObject *run, *append, *parameters, *buffers, *modules, *version; /* names */
    Py_ssize_t recorder_place, invited_place, blocks_place;
} State;

static void deallocate(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    ((inquiry)PyType_GetSlot(type, Py_tp_clear))(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#endif
