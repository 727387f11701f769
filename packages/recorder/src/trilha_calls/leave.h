/* A call of a script's function is left. */

#ifndef TRILHA_LEAVE_H
#define TRILHA_LEAVE_H

#include "begin.h"

/* What the end of a call is stated with. */
typedef struct {
    PyObject *recorder, *file, *files, *numbers; /* `recorder` is borrowed */
    PyObject *activity, *number, *label;         /* borrowed */
    Objects objects;
    PyObject *marks[MOST_LISTS];                 /* of the lists as they are now */
    Py_ssize_t weights[MOST_LISTS];
    int changed[MOST_LISTS];
    int lists;
    PyObject *made;                              /* the mark of a list that the call gives and was not given */
    Py_ssize_t made_weight;
} Left;

static void end_left(Left *left)
{
    Py_CLEAR(left->file);
    Py_CLEAR(left->files);
    Py_CLEAR(left->numbers);
    close_objects(&left->objects);
    for (int at = 0; at < left->lists; at++)
        Py_CLEAR(left->marks[at]);
    Py_CLEAR(left->made);
}

/* Look at what became of a list: 1 if that is ordinary, -1 with an exception. */
static int look_at_list(Left *left, PyObject *kept)
{
    PyObject *held = PyTuple_CheckExact(kept) && PyTuple_GET_SIZE(kept) == 5 ? PyTuple_GET_ITEM(kept, 0) : NULL;
    if (held == NULL || !PyCFunction_Check(held) || PyCFunction_GET_FUNCTION(held) != give)
        return 0;
    PyObject *thing = PyCFunction_GET_SELF(held), *mark = mark_of(thing, &left->weights[left->lists]);
    if (mark == NULL)
        return 0;
    left->marks[left->lists] = mark;
    left->changed[left->lists] = PyObject_RichCompareBool(mark, PyTuple_GET_ITEM(kept, 4), Py_NE);
    if (left->changed[left->lists++] < 0)
        return -1;
    PyObject *known;
    int found = look_up(&left->objects, thing, &known);
    return found > 0 ? known == PyTuple_GET_ITEM(kept, 1) : found;
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

/* Look at a list that a call gives and was not given: 1 if it is ordinary, that is, of numbers, and known by itself or
   to nobody; -1 with an exception. */
static int look_at_made(Left *left, PyObject *result)
{
    left->made = mark_of(result, &left->made_weight);
    PyObject *known;
    return left->made == NULL ? 0 : look_up(&left->objects, result, &known);
}

/* Look at what a call gives: 1 if it is ordinary, that is, nothing, a plain value or a tuple of such, or a list, one of
   those that it was given or another one of numbers; -1 with an exception. */
static int look_at_result(Left *left, PyObject *result, PyObject *before)
{
    if (result == nothing || is_plain(result) || is_plain_tuple(result))
        return 1;
    if (!PyList_CheckExact(result))
        return 0;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(before); at++) {
        PyObject *held = PyTuple_GET_ITEM(PyList_GET_ITEM(before, at), 0);
        if (PyCFunction_GET_SELF(held) == result)
            return 1;
    }
    return look_at_made(left, result);
}

/* Look at all that the end of a call says: 1 if it is ordinary, -1 with an exception. */
static int look_at_end(Left *left, PyObject *call, PyObject *result)
{
    PyObject *before = *slot(call, of_call.before), *activity = *slot(call, of_call.activity);
    left->recorder = *slot(call, of_call.recorder);
    if (*slot(process, recorder_of_process) != left->recorder || !PyList_CheckExact(before) ||
        PyList_GET_SIZE(before) > MOST_LISTS || !Py_IS_TYPE(activity, activity_type) ||
        count_at(call, of_call.yielded) != 0)
        return 0;
    left->activity = activity;
    left->number = *slot(activity, of_activity.identifier);
    left->label = *slot(activity, of_activity.label);
    left->file = PyObject_GetAttr(left->recorder, file_name);
    left->files = PyObject_GetAttr(left->recorder, files_name);
    left->numbers = PyObject_GetAttr(left->recorder, numbers_name);
    if (!left->file || !left->files || !left->numbers || open_objects(&left->objects, left->recorder) < 0)
        return -1;
    if (!is_plain(left->number) || !is_plain(left->label) || !PyIter_Check(left->numbers))
        return 0;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(before); at++) {
        int ordinary = look_at_list(left, PyList_GET_ITEM(before, at));
        if (ordinary <= 0)
            return ordinary;
    }
    return left->lists == 0 || nobody_refreshes(left->recorder) ? look_at_result(left, result, before) : 0;
}

/* State that an entity came of each of those that went into the call, but of `was`; -1 with an exception. */
static int state_sources(Left *left, PyObject *before, PyObject *entity, PyObject *generation, PyObject *was)
{
    int failed = 0;
    for (Py_ssize_t other = 0; !failed && other < PyList_GET_SIZE(before); other++) {
        PyObject *one = PyList_GET_ITEM(before, other), *source = *slot(PyTuple_GET_ITEM(one, 1), of_known.entity);
        int again = was == NULL ? 0 : PyObject_RichCompareBool(source, was, Py_EQ);
        for (Py_ssize_t earlier = 0; !again && earlier < other; earlier++)
            again = PyObject_RichCompareBool(
                *slot(PyTuple_GET_ITEM(PyList_GET_ITEM(before, earlier), 1), of_known.entity), source, Py_EQ);
        failed = again < 0 || (!again && state_derivation(left->file, entity, source, left->number, generation,
                                                          PyTuple_GET_ITEM(one, 2), 0) < 0);
    }
    return failed ? -1 : 0;
}

/* Have a list be the last that is let go of those that are known; -1 with an exception. */
static int touch(Left *left, PyObject *before, int at)
{
    PyObject *held = PyTuple_GET_ITEM(PyList_GET_ITEM(before, at), 0);
    Py_XDECREF(known_of(&left->objects, PyCFunction_GET_SELF(held)));
    return PyErr_Occurred() ? -1 : 0;
}

/* State that a list has changed, as `Call._change` does; -1 with an exception. */
static int state_change(Left *left, PyObject *before, int at, int64_t when)
{
    PyObject *kept = PyList_GET_ITEM(before, at), *thing = PyCFunction_GET_SELF(PyTuple_GET_ITEM(kept, 0));
    PyObject *was = *slot(PyTuple_GET_ITEM(kept, 1), of_known.entity);
    PyObject *label = PyUnicode_FromFormat("%U after %U", PyTuple_GET_ITEM(kept, 3), left->label), *done = NULL;
    PyObject *entity = PyIter_Next(left->numbers), *generation = PyIter_Next(left->numbers);
    int failed = !label || !entity || !generation ||
                 state_entity(left->file, entity, label, PyList_GET_SIZE(thing)) < 0 ||
                 state_generation(left->file, generation, entity, left->number, when) < 0;
    if (!failed)
        done = know(&left->objects, thing, entity, generation, left->marks[at], left->weights[at]);
    failed = done == NULL || state_derivation(left->file, entity, was, left->number, generation,
                                              PyTuple_GET_ITEM(kept, 2), 1) < 0 ||
             state_sources(left, before, entity, generation, was) < 0;
    Py_XDECREF(label);
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    Py_XDECREF(done);
    return failed ? -1 : 0;
}

/* State a list that the call made, as `Call._generate` does, unless it is known; -1 with an exception. */
static int state_made(Left *left, PyObject *before, PyObject *thing, int64_t when)
{
    PyObject *done = known_of(&left->objects, thing);
    if (done != NULL || PyErr_Occurred()) {
        int known = done != NULL;
        Py_XDECREF(done);
        return known ? 0 : -1;
    }
    PyObject *label = PyUnicode_FromFormat("%U()", left->label);
    PyObject *entity = PyIter_Next(left->numbers), *generation = PyIter_Next(left->numbers);
    int failed = !label || !entity || !generation ||
                 state_entity(left->file, entity, label, PyList_GET_SIZE(thing)) < 0 ||
                 state_generation(left->file, generation, entity, left->number, when) < 0;
    if (!failed)
        done = know(&left->objects, thing, entity, generation, left->made, left->made_weight);
    failed = done == NULL || state_sources(left, before, entity, generation, NULL) < 0;
    Py_XDECREF(label);
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    Py_XDECREF(done);
    return failed ? -1 : 0;
}

/* Have the files that the call wrote be stated (`Files.settle`); -1 with an exception. */
static int settle(Left *left, int64_t at)
{
    PyObject *writing = PyObject_GetAttr(left->files, writing_name);
    int none = writing != NULL && PyDict_CheckExact(writing) && PyDict_GET_SIZE(writing) == 0;
    Py_XDECREF(writing);
    if (none)
        return 0;
    PyObject *when = writing ? PyLong_FromLongLong(at) : NULL;
    PyObject *done = when ? PyObject_CallMethodObjArgs(left->files, settle_name, left->activity, when, NULL) : NULL;
    Py_XDECREF(when);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* What a call gave, as attributes of its end (`steps._returned`). */
static void cells_of_result(PyObject *result)
{
    if (PyTuple_CheckExact(result)) {
        Py_ssize_t told = 0;
        for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(result); at++)
            told += PyTuple_GET_ITEM(result, at) != Py_None;
        cell_array(2 * told);
        for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(result); at++) {
            if (PyTuple_GET_ITEM(result, at) == Py_None)
                continue;
            char key[32];
            snprintf(key, sizeof key, "trilha:returned.%d", (int)at);
            cell_text(key);
            cell(PyTuple_GET_ITEM(result, at));
        }
        return;
    }
    int gives = result != nothing && result != Py_None && !PyList_CheckExact(result);
    cell_array(gives ? 2 : 0);
    if (gives) {
        cell_text("trilha:returned");
        cell(result);
    }
}

/* State the end of a call that gave `result`; -1 with an exception. */
static int state_end(Left *left, PyObject *call, PyObject *result)
{
    int64_t at = now();
    PyObject *before = *slot(call, of_call.before);
    if (settle(left, at) < 0)
        return -1;
    for (int one = 0; one < left->lists; one++)
        if (touch(left, before, one) < 0 || (left->changed[one] && state_change(left, before, one, at) < 0))
            return -1;
    if (left->made != NULL && state_made(left, before, result, at) < 0)
        return -1;
    statement(kinds.activity, 5);
    cell(left->number);
    cell(Py_None);
    cell_time(at);
    cells_of_result(result);
    return state(left->file);
}

/* End the call that is the last of `stack`: 1 if it is ordinary, 0 if not; -1 with an exception. */
static int leave_ordinarily(PyObject *stack, PyObject *open)
{
    PyObject *call = *slot(open, of_open.call), *result = *slot(open, of_open.kept), *reset;
    if (!Py_IS_TYPE(call, call_type) || (reset = *slot(call, of_call.reset)) == NULL || reset == Py_None)
        return 0;
    Left left = {.lists = 0};
    int ordinary = look_at_end(&left, call, result);
    if (ordinary < 0) {
        end_left(&left);
        return reported();
    }
    if (ordinary && PyContextVar_Reset(current, reset) < 0) {
        PyErr_Clear(); /* It is left in another context than it was entered in. */
        ordinary = 0;
    }
    if (ordinary) {
        PyObject *outer = *slot(open, of_open.outer);
        Py_SETREF(*slot(call, of_call.reset), Py_NewRef(Py_None));
        int failed = PyList_SetSlice(stack, PyList_GET_SIZE(stack) - 1, PyList_GET_SIZE(stack), NULL) < 0 ||
                     (outer != Py_None && set_count(outer, of_counted.outer, 0) < 0) ||
                     state_end(&left, call, result) < 0;
        ordinary = failed && reported() < 0 ? -1 : 1;
    }
    end_left(&left);
    return ordinary;
}

/* leave(key) */
static PyObject *leave(PyObject *Py_UNUSED(self), PyObject *key)
{
    PyObject *stack = PyObject_GetAttr(local, stack_name);
    if (stack == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return NULL;
    PyErr_Clear();
    Py_ssize_t count = stack && PyList_CheckExact(stack) ? PyList_GET_SIZE(stack) : 0;
    int done = count == 0;
    if (count) {
        PyObject *top = PyList_GET_ITEM(stack, count - 1), *handled;
        if (top == key) {
            done = PyList_SetSlice(stack, count - 1, count, NULL) < 0 ? -1 : 1;
        } else if (Py_IS_TYPE(top, open_type) && *slot(top, of_open.frame) == (PyObject *)PyEval_GetFrame()) {
            handled = PyErr_GetHandledException();
            Py_INCREF(top);
            if (handled == NULL)
                done = leave_ordinarily(stack, top);
            Py_DECREF(top);
            Py_XDECREF(handled);
        }
    }
    Py_XDECREF(stack);
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
    PyObject *stack = PyObject_GetAttr(local, stack_name);
    PyErr_Clear();
    Py_ssize_t count = stack && PyList_CheckExact(stack) ? PyList_GET_SIZE(stack) : 0;
    PyObject *top = count ? PyList_GET_ITEM(stack, count - 1) : NULL;
    if (top && Py_IS_TYPE(top, open_type) && *slot(top, of_open.frame) == (PyObject *)PyEval_GetFrame())
        Py_XSETREF(*slot(top, of_open.kept), Py_NewRef(PyTuple_GET_ITEM(box, 0)));
    Py_XDECREF(stack);
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
