/* What is known of lists of numbers, as `trilha.capture.identity.Objects` has it. What is not as it mostly is, is left
   to that. */

#ifndef TRILHA_OBJECTS_H
#define TRILHA_OBJECTS_H

#include "calls.h"

#define HELD ((Py_ssize_t)64 << 20) /* `identity._HELD_BYTES` */
#define HELD_OBJECTS 4096           /* `identity._HELD_OBJECTS` */

typedef struct { PyObject *itself, *known, *awaited, *held; } Objects;

static void close_objects(Objects *objects)
{
    Py_CLEAR(objects->itself);
    Py_CLEAR(objects->known);
    Py_CLEAR(objects->awaited);
    Py_CLEAR(objects->held);
}

/* Those of a run; -1 with an exception. */
static int open_objects(Objects *objects, PyObject *recorder)
{
    objects->itself = PyObject_GetAttr(recorder, objects_name);
    if (objects->itself != NULL) {
        objects->known = PyObject_GetAttr(objects->itself, known_name);
        objects->awaited = PyObject_GetAttr(objects->itself, awaited_name);
        objects->held = PyObject_GetAttr(objects->itself, held_name);
    }
    if (objects->known && objects->awaited && objects->held && PyDict_CheckExact(objects->known) &&
        PyDict_CheckExact(objects->awaited) && PyDict_CheckExact(objects->held))
        return 0;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "no table of objects");
    return -1;
}

/* What tells whether a list of numbers changes, and its weight; NULL, without an exception, for another thing. */
static PyObject *mark_of(PyObject *thing, Py_ssize_t *weight)
{
    if (!PyList_CheckExact(thing))
        return NULL;
    *weight = weight_of_list(thing, 1, HELD);
    PyObject *mark = *weight >= 0 && *weight <= HELD ? token_of_list(thing, 1) : NULL;
    if (mark == NULL)
        PyErr_Clear();
    return mark;
}

/* What is known of a list, by itself, borrowed, where nothing need be done to say so: 1, and NULL if nobody has met it;
   0 where that is for `known_of`; -1 with an exception. */
static int look_up(Objects *objects, PyObject *thing, PyObject **found)
{
    PyObject *address = PyLong_FromVoidPtr(thing), *known;
    if (address == NULL)
        return -1;
    *found = known = PyDict_GetItemWithError(objects->known, address);
    int there = known != NULL || PyErr_Occurred() ? 0 : PyDict_Contains(objects->awaited, address);
    Py_DECREF(address);
    if (known != NULL)
        return Py_IS_TYPE(known, known_type) && *slot(known, of_known.hold) == thing;
    return PyErr_Occurred() ? -1 : !there;
}

/* What is known of a list, by itself (`Objects.itself`): NULL, with an exception or without. */
static PyObject *known_of(Objects *objects, PyObject *thing)
{
    PyObject *address = PyLong_FromVoidPtr(thing), *known, *size;
    if (address == NULL)
        return NULL;
    known = PyDict_GetItemWithError(objects->known, address);
    if (known != NULL && Py_IS_TYPE(known, known_type) && *slot(known, of_known.hold) == thing) {
        Py_INCREF(known);
        /* The last that is let go. */
        size = Py_XNewRef(PyDict_GetItemWithError(objects->held, address));
        if (size != NULL &&
            (PyDict_DelItem(objects->held, address) < 0 || PyDict_SetItem(objects->held, address, size) < 0))
            Py_CLEAR(known);
        Py_XDECREF(size);
    } else if (known != NULL || PyErr_Occurred() || PyDict_GetItemWithError(objects->awaited, address) != NULL) {
        known = PyErr_Occurred() ? NULL : PyObject_CallMethodOneArg(objects->itself, itself_name, thing);
        if (known == Py_None)
            Py_CLEAR(known);
    }
    Py_DECREF(address);
    return known;
}

/* Take `key` out of a table if it is there; gives its value, or NULL, with an exception or without. */
static PyObject *pop(PyObject *from, PyObject *key)
{
    PyObject *value = Py_XNewRef(PyDict_GetItemWithError(from, key));
    if (value != NULL && PyDict_DelItem(from, key) < 0)
        Py_CLEAR(value);
    return value;
}

/* The table's own bytes that are held; -1, with an exception or without, if a list of this weight is not simply put to
   them. */
static Py_ssize_t bytes_held(Objects *objects, Py_ssize_t weight)
{
    PyObject *told = PyObject_GetAttr(objects->itself, told_name);
    PyObject *bytes = told == Py_None ? PyObject_GetAttr(objects->itself, bytes_name) : NULL;
    Py_ssize_t held = bytes ? PyLong_AsSsize_t(bytes) : -1;
    Py_XDECREF(told);
    Py_XDECREF(bytes);
    return held < 0 || held + weight > HELD || PyDict_GET_SIZE(objects->held) >= HELD_OBJECTS ? -1 : held;
}

/* Have a list be known as an entity from now on (`Objects.put`); gives what is known, NULL with an exception. */
static PyObject *know(Objects *objects, PyObject *thing, PyObject *entity, PyObject *generation, PyObject *mark,
                      Py_ssize_t weight)
{
    Py_ssize_t held = bytes_held(objects, weight);
    if (held < 0)
        return PyErr_Occurred() ? NULL
                                : PyObject_CallMethodObjArgs(objects->itself, put_name, thing, entity, generation,
                                                             mark, nobody, NULL);
    PyObject *address = PyLong_FromVoidPtr(thing), *made = PyLong_FromSsize_t(weight), *bytes = NULL;
    PyObject *known = address && made ? known_type->tp_alloc(known_type, 0) : NULL, *before = NULL, *size = NULL;
    if (known != NULL) {
        fill(known, of_known.entity, Py_NewRef(entity));
        fill(known, of_known.generation, Py_NewRef(generation));
        fill(known, of_known.hold, Py_NewRef(thing));
        fill(known, of_known.token, Py_NewRef(mark));
        before = pop(objects->known, address);
        Py_XDECREF(pop(objects->awaited, address));
        size = pop(objects->held, address);
        bytes = PyErr_Occurred() ? NULL : PyLong_FromSsize_t(held + weight - (size ? PyLong_AsSsize_t(size) : 0));
        if (bytes == NULL || PyObject_SetAttr(objects->itself, bytes_name, bytes) < 0 ||
            PyDict_SetItem(objects->held, address, made) < 0 || PyDict_SetItem(objects->known, address, known) < 0)
            Py_CLEAR(known);
    }
    Py_XDECREF(address);
    Py_XDECREF(made);
    Py_XDECREF(bytes);
    Py_XDECREF(before);
    Py_XDECREF(size);
    return known;
}

#endif
