/* A call of a script's function is left. */

#ifndef TRILHA_LEAVE_H
#define TRILHA_LEAVE_H

#include "begin.h"

/* What the end of a call is stated with. */
typedef struct {
    Going *going;
    PyObject *recorder, *number, *label; /* borrowed */
    const Shapes *shapes;                /* those for all calls */
    Objects objects;
    PyObject *marks[MOST_LISTS];         /* of the lists that have changed, as they are now */
    Py_ssize_t weights[MOST_LISTS];
    Taken made;                          /* a list that the call gives and was not given */
} Left;

static void end_left(Left *left)
{
    for (int at = 0; at < left->going->lists; at++)
        Py_CLEAR(left->marks[at]);
    let_go(&left->made);
}

/* Look at what became of a list: 1 if that is ordinary, -1 with an exception. */
static int look_at_list(Left *left, int at)
{
    Taken *one = &left->going->taken[at];
    int same = one->known && one->usage ? same_mark(one->thing, (Mark *)one->mark) : -1;
    if (same == 0)
        left->marks[at] = mark_of(one->thing, &left->weights[at]);
    if (same < 0 || (same == 0 && left->marks[at] == NULL))
        return 0;
    PyObject *known;
    int found = look_up(&left->objects, one->thing, one->address, &known);
    return found > 0 ? known == one->known : found;
}

/* Whether a tuple holds plain values alone, and no more than there is room for: then it is a value itself. */
static int is_plain_tuple(PyObject *thing)
{
    if (!PyTuple_CheckExact(thing) || PyTuple_GET_SIZE(thing) > MOST_VALUES)
        return 0;
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(thing); at++)
        if (!is_plain(PyTuple_GET_ITEM(thing, at)))
            return 0;
    return 1;
}

/* Look at what a call gives: 1 if it is ordinary, that is, nothing, a plain value or a tuple of such, or a list, one of
   those that it was given or another one of numbers, known by itself or to nobody; -1 with an exception. */
static int look_at_result(Left *left, PyObject *result)
{
    if (result == nothing || is_plain(result) || is_plain_tuple(result))
        return 1;
    if (!PyList_CheckExact(result))
        return 0;
    for (int at = 0; at < left->going->lists; at++)
        if (left->going->taken[at].thing == result)
            return 1;
    int taken = take(&left->made, result);
    PyObject *known = NULL;
    if (taken > 0)
        taken = look_up(&left->objects, result, left->made.address, &known);
    if (taken > 0 && known == NULL) {
        int holds = holds_known(&left->objects, result, NULL);
        taken = holds ? (holds < 0 ? -1 : 0) : 1;
    }
    return taken;
}

/* Look at all that the end of a call says: 1 if it is ordinary, -1 with an exception. */
static int look_at_end(Left *left)
{
    Going *going = left->going;
    left->recorder = going->recorder;
    if (*slot(process, recorder_of_process) != left->recorder || !find_objects(&left->objects, left->recorder) ||
        (going->lists && !nobody_refreshes(left->recorder)))
        return 0;
    int found = find_shapes(left->recorder, &left->shapes);
    if (found <= 0)
        return found;
    left->number = *slot(going->activity, of_activity.identifier);
    left->label = *slot(going->activity, of_activity.label);
    for (int at = 0; at < going->lists; at++) {
        int ordinary = look_at_list(left, at);
        if (ordinary <= 0)
            return ordinary;
    }
    return look_at_result(left, going->kept);
}

/* State that an entity came of each of those that went into the call, but of `was`; -1 with an exception. */
static int state_sources(Left *left, PyObject *entity, PyObject *generation, PyObject *was)
{
    Going *going = left->going;
    for (int at = 0; at < going->lists; at++) {
        PyObject *source = *slot(going->taken[at].known, of_known.entity);
        int again = was == NULL ? 0 : PyObject_RichCompareBool(source, was, Py_EQ);
        for (int earlier = 0; !again && earlier < at; earlier++)
            again = PyObject_RichCompareBool(*slot(going->taken[earlier].known, of_known.entity), source, Py_EQ);
        PyObject *values[] = {entity, source, left->number, generation, going->taken[at].usage};
        if (again < 0 || (!again && state_values(left->recorder, left->shapes, CAME, values, 5) < 0))
            return -1;
    }
    return 0;
}

/* Begin to fill a shape with an entity that is a list as the call leaves it: its label is `first`, `second` and `third`.
   Its numbers, `entity` and `generation`, are new; -1 with an exception. */
static int fill_list(Left *left, Payload *payload, int shape, PyObject *list, PyObject *first, const char *second,
                     PyObject *third, int64_t when, PyObject **entity, PyObject **generation)
{
    *entity = next_number(left->recorder);
    *generation = *entity ? next_number(left->recorder) : NULL;
    if (*generation == NULL)
        return -1;
    fill_shape(payload, left->shapes, shape, shape == MADE ? 6 : 8);
    put_value(payload, *entity);
    put_text(payload, first, second, third);
    put_whole(payload, (uint64_t)PyList_GET_SIZE(list));
    put_value(payload, *generation);
    put_value(payload, left->number);
    put_whole(payload, (uint64_t)when);
    return 0;
}

/* Append it, and have the list be known as its entity; -1 with an exception. */
static int state_list(Left *left, const Payload *payload, const Taken *as_it_is, PyObject *entity, PyObject *generation)
{
    PyObject *known = state(left->recorder, payload) < 0 ? NULL : know(&left->objects, as_it_is, entity, generation);
    Py_XDECREF(known);
    return known ? 0 : -1;
}

/* State that a list has changed, as `Call._change` does, by `shape`; -1 with an exception. */
static int state_change(Left *left, int at, int shape, int64_t when)
{
    Taken *one = &left->going->taken[at];
    Taken now_it_is = {.thing = one->thing, .address = one->address, .mark = left->marks[at],
                       .weight = left->weights[at]};
    PyObject *was = *slot(one->known, of_known.entity), *entity, *generation = NULL;
    Payload payload;
    int failed = fill_list(left, &payload, shape, one->thing, one->role, " after ", left->label, when, &entity,
                           &generation) < 0;
    if (!failed && shape != MADE) {
        put_value(&payload, was);
        put_value(&payload, one->usage);
    }
    if (!failed) {
        PyObject *values[] = {entity, was, left->number, generation, one->usage};
        failed = state_list(left, &payload, &now_it_is, entity, generation) < 0 ||
                 (shape == MADE && state_values(left->recorder, left->shapes, REVISED, values, 5) < 0) ||
                 (left->going->lists > 1 && state_sources(left, entity, generation, was) < 0);
    }
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    return failed ? -1 : 0;
}

/* State a list that the call made, as `Call._generate` does, unless it is known; -1 with an exception. */
static int state_made(Left *left, int64_t when)
{
    PyObject *known = known_of(&left->objects, left->made.thing, left->made.address), *entity, *generation = NULL;
    if (known != NULL || PyErr_Occurred()) {
        Py_XDECREF(known);
        return known ? 0 : -1;
    }
    Payload payload;
    int failed = fill_list(left, &payload, MADE, left->made.thing, left->label, "()", NULL, when, &entity,
                           &generation) < 0 ||
                 state_list(left, &payload, &left->made, entity, generation) < 0 ||
                 state_sources(left, entity, generation, NULL) < 0;
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    return failed ? -1 : 0;
}

/* Have the files that the call wrote be stated (`Files.settle`); -1 with an exception. */
static int settle(Left *left, int64_t at)
{
    PyObject *files = *slot(left->recorder, of_recorder.files);
    if (files != NULL && Py_IS_TYPE(files, files_type)) {
        PyObject *writing = *slot(files, writing_of_files);
        if (writing != NULL && PyDict_CheckExact(writing) && PyDict_GET_SIZE(writing) == 0)
            return 0;
    }
    if (rehearsing)
        return 0; /* no file is of a call that is none */
    PyObject *when = files ? PyLong_FromLongLong(at) : NULL, *done = NULL;
    if (when != NULL)
        done = PyObject_CallMethodObjArgs(files, settle_name, left->going->activity, when, NULL);
    Py_XDECREF(when);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* State that the call is over, and what it gave (`steps._returned`); -1 with an exception. */
static int state_over(Left *left, PyObject *result, int64_t at)
{
    Payload payload;
    int several = PyTuple_CheckExact(result);
    fill_shape(&payload, left->shapes, several ? GAVE : ENDED, 2 + (several ? MOST_VALUES : 1));
    put_value(&payload, left->number);
    put_whole(&payload, (uint64_t)at);
    for (Py_ssize_t place = 0; several && place < MOST_VALUES; place++)
        put_value(&payload, place < PyTuple_GET_SIZE(result) ? PyTuple_GET_ITEM(result, place) : Py_None);
    if (!several)
        put_value(&payload, result == nothing || PyList_CheckExact(result) ? Py_None : result);
    return state(left->recorder, &payload);
}

/* State the end of a call; -1 with an exception. */
static int state_end(Left *left)
{
    int64_t at = now();
    Going *going = left->going;
    if (settle(left, at) < 0)
        return -1;
    int apart = is_apart(&left->objects);
    if (!apart && going->lists == 1 && left->marks[0] && left->made.thing == NULL &&
        (going->kept == nothing || PyList_CheckExact(going->kept)))
        return state_change(left, 0, LEFT, at);
    for (int one = 0; one < going->lists; one++)
        if (left->marks[one] ? state_change(left, one, apart ? MADE : CHANGED, at) < 0
                             : touch(&left->objects, going->taken[one].address) < 0)
            return -1;
    if (left->made.thing != NULL && state_made(left, at) < 0)
        return -1;
    return state_over(left, going->kept, at);
}

/* End the call that is the last of `stack`: 1 if it is ordinary, 0 if not; -1 with an exception. */
static int leave_ordinarily(PyObject *stack, Going *going)
{
    if (going->reset == NULL)
        return 0;
    Left left = {.going = going};
    int ordinary = look_at_end(&left);
    if (ordinary > 0 && PyContextVar_Reset(current, going->reset) < 0) {
        PyErr_Clear(); /* It is left in another context than it was entered in. */
        ordinary = 0;
    }
    if (ordinary > 0) {
        drop_last(stack);
        if (going->is_outer)
            Py_SETREF(*slot(going->counted, of_counted.outer), PyLong_FromLong(0));
        if (state_end(&left) < 0 && reported() < 0)
            ordinary = -1;
    } else if (ordinary < 0)
        ordinary = reported() < 0 ? -1 : 0;
    end_left(&left);
    return ordinary;
}

/* leave(key) */
static PyObject *leave(PyObject *Py_UNUSED(self), PyObject *key)
{
    if (find_thread() < 0)
        return NULL;
    PyObject *stack = Py_NewRef(thread.stack);
    Py_ssize_t count = PyList_GET_SIZE(stack);
    int done = count == 0;
    if (count) {
        PyObject *top = PyList_GET_ITEM(stack, count - 1), *handled;
        if (top == key) {
            drop_last(stack);
            done = 1;
        } else if (Py_IS_TYPE(top, &going_type) && ((Going *)top)->frame == (PyObject *)PyEval_GetFrame()) {
            handled = PyErr_GetHandledException();
            Py_INCREF(top);
            if (handled == NULL)
                done = leave_ordinarily(stack, (Going *)top);
            Py_DECREF(top);
            Py_XDECREF(handled);
        }
    }
    if (!done && open_all(stack) < 0)
        done = -1;
    Py_DECREF(stack);
    if (done < 0)
        return NULL;
    if (done)
        Py_RETURN_NONE;
    return PyObject_CallOneArg(leave_slowly, key);
}

/* -- what a call gives ---------------------------------------------------------------------------------------------- */

/* `box + keep`: notes what is in the box, a tuple, as what the call gives (`calls._Keep`). */
static PyObject *keep_add(PyObject *box, PyObject *keep)
{
    if (!PyTuple_CheckExact(box) || PyTuple_GET_SIZE(box) != 1 || Py_TYPE(keep)->tp_as_number == NULL ||
        Py_TYPE(keep)->tp_as_number->nb_add != keep_add)
        Py_RETURN_NOTIMPLEMENTED;
    if (find_thread() < 0)
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(thread.stack);
    PyObject *top = count ? PyList_GET_ITEM(thread.stack, count - 1) : NULL;
    PyObject *given = PyTuple_GET_ITEM(box, 0);
    if (top && Py_IS_TYPE(top, &going_type)) {
        if (((Going *)top)->frame == (PyObject *)PyEval_GetFrame())
            Py_XSETREF(((Going *)top)->kept, Py_NewRef(given));
    } else if (top && Py_IS_TYPE(top, open_type) && *slot(top, of_open.frame) == (PyObject *)PyEval_GetFrame())
        Py_XSETREF(*slot(top, of_open.kept), Py_NewRef(given));
    return Py_NewRef(box);
}

static PyNumberMethods keep_as_number = {.nb_add = keep_add};
static PyTypeObject keep_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "trilha_calls.Keep",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_number = &keep_as_number,
};

#endif
