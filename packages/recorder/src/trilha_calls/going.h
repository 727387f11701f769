/* A call that goes on, which C began; and the same as Python has it, once that is asked to go on with it. */

#ifndef TRILHA_GOING_H
#define TRILHA_GOING_H

#include "objects.h"

/* What `calls._Open` and `steps.Call` have. */
typedef struct {
    PyObject_HEAD
    PyObject *counted, *recorder, *activity;
    PyObject *frame, *handled, *kept, *reset;
    int is_outer; /* no other call of the function goes on in this thread that is further out */
    int lists;
    Taken taken[1];
} Going;

static PyTypeObject going_type;

#define FEW_LISTS 2

/* The memory of a call of few lists that is over, for the next: few things are as large, so that new memory for it may
   be of a page that was never touched. */
static Going *spare;

static size_t size_of_going(int lists)
{
    return sizeof(Going) + (size_t)Py_MAX(FEW_LISTS - 1, lists - 1) * sizeof(Taken);
}

static Going *new_going(int lists)
{
    Going *made = lists <= FEW_LISTS ? spare : NULL;
    if (made != NULL)
        spare = NULL;
    else
        made = PyObject_Malloc(size_of_going(lists));
    if (made == NULL)
        return (Going *)PyErr_NoMemory();
    memset(made, 0, size_of_going(lists));
    return (Going *)PyObject_Init((PyObject *)made, &going_type);
}

static void going_dealloc(PyObject *self)
{
    Going *going = (Going *)self;
    PyObject *held[] = {going->counted, going->recorder, going->activity, going->frame,
                        going->handled, going->kept,     going->reset};
    int few = going->lists <= FEW_LISTS;
    for (int at = 0; at < going->lists; at++)
        let_go(&going->taken[at]);
    if (few && spare == NULL)
        spare = going;
    else
        PyObject_Free(self);
    for (size_t at = 0; at < sizeof held / sizeof *held; at++)
        Py_XDECREF(held[at]);
}

static PyTypeObject going_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "trilha_calls.Going",
    .tp_basicsize = sizeof(Going),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = going_dealloc,
};

/* A function that gives its list, as `steps._let_go` does. */
static PyObject *give(PyObject *thing, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(thing);
}

static PyMethodDef giving = {"held", give, METH_NOARGS, NULL};

/* What `steps.Call` keeps of what it was given; NULL with an exception. */
static PyObject *before_of(Going *going)
{
    PyObject *before = PyList_New(0);
    for (int at = 0; before != NULL && at < going->lists; at++) {
        Taken *one = &going->taken[at];
        if (one->known == NULL || one->usage == NULL)
            continue; /* an error came in between, which was counted */
        PyObject *held = PyCFunction_New(&giving, one->thing);
        PyObject *kept = held ? PyTuple_Pack(5, held, one->known, one->usage, one->role, one->mark) : NULL;
        if (kept == NULL || PyList_Append(before, kept) < 0)
            Py_CLEAR(before);
        Py_XDECREF(held);
        Py_XDECREF(kept);
    }
    return before;
}

/* The call as `calls._Open`; NULL with an exception. */
static PyObject *open_of(Going *going)
{
    PyObject *before = before_of(going), *none = PyLong_FromLong(0);
    PyObject *call = before && none ? call_type->tp_alloc(call_type, 0) : NULL;
    PyObject *open = call ? open_type->tp_alloc(open_type, 0) : NULL;
    if (open != NULL) {
        fill(call, of_call.before, Py_NewRef(before));
        fill(call, of_call.reset, Py_NewRef(going->reset));
        fill(call, of_call.yielded, Py_NewRef(none));
        fill(call, of_call.activity, Py_NewRef(going->activity));
        fill(call, of_call.recorder, Py_NewRef(going->recorder));
        fill(open, of_open.frame, Py_NewRef(going->frame));
        fill(open, of_open.call, Py_NewRef(call));
        fill(open, of_open.handled, Py_NewRef(going->handled ? going->handled : Py_None));
        fill(open, of_open.kept, Py_NewRef(going->kept));
        fill(open, of_open.outer, Py_NewRef(going->is_outer ? going->counted : Py_None));
    }
    Py_XDECREF(before);
    Py_XDECREF(none);
    Py_XDECREF(call);
    return open;
}

/* Have Python find the calls of this thread as it would have them itself; -1 with an exception. */
static int open_all(PyObject *stack)
{
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(stack); at++) {
        PyObject *one = PyList_GET_ITEM(stack, at);
        if (!Py_IS_TYPE(one, &going_type))
            continue;
        Py_INCREF(one);
        PyObject *open = open_of((Going *)one);
        int failed = open == NULL || PyList_SetItem(stack, at, open) < 0; /* which takes it */
        Py_DECREF(one);
        if (failed)
            return -1;
    }
    return 0;
}

#endif
