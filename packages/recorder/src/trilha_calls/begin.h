/* A call of a script's function begins. */

#ifndef TRILHA_BEGIN_H
#define TRILHA_BEGIN_H

#include "going.h"
#include "statements.h"

/* What a call that begins is stated with. */
typedef struct {
    PyObject *recorder, *label, *plan, *parameters, *values; /* borrowed */
    long shape;                               /* number of the function's */
    Objects objects;
    const Shapes *shapes;                     /* those for all calls */
    PyObject *around, *starter;               /* the activity around the call and its number */
    Going *going;
} Begun;

/* Whether the caller is what makes steps of functions because the script says so (`calls._is_told`). */
static int is_told(PyFrameObject *frame)
{
    if (*slot(process, wraps_of_process) == Py_False)
        return 0;
    PyObject *steps = PyImport_GetModule(wrapping_name);
    PyFrameObject *caller = steps ? PyFrame_GetBack(frame) : NULL;
    if (caller == NULL) {
        PyErr_Clear();
        Py_XDECREF(steps);
        return 0;
    }
    PyObject *path = PyObject_GetAttr(steps, path_name);
    PyCodeObject *code = PyFrame_GetCode(caller);
    int same = path == NULL || PyObject_RichCompareBool(path, code->co_filename, Py_EQ) != 0;
    PyErr_Clear();
    Py_XDECREF(path);
    Py_DECREF(code);
    Py_DECREF(steps);
    Py_DECREF(caller);
    return same;
}

/* The number of a function's shape, which is defined if it is not: 0 if it has none; -1 with an exception. */
static long find_shape(PyObject *recorder, PyObject *counted)
{
    PyObject *shape = *slot(counted, of_counted.shape);
    long number = shape ? number_of_shape(recorder, shape) : 0;
    if (number || shape == Py_False)
        return number;
    PyObject *done = PyObject_CallFunctionObjArgs(shape_of_function, recorder, counted, NULL);
    if (done == NULL)
        return -1;
    Py_DECREF(done);
    shape = *slot(counted, of_counted.shape);
    return shape ? number_of_shape(recorder, shape) : 0;
}

static int is_self(PyObject *name)
{
    return PyUnicode_IS_COMPACT_ASCII(name) && PyUnicode_GET_LENGTH(name) == 4 &&
           memcmp(PyUnicode_DATA(name), "self", 4) == 0;
}

/* Look at the values of the parameters, of which `lists` are lists: 1 if they are ordinary, -1 with an exception. */
static int look_at_values(Begun *begun)
{
    Py_ssize_t count = PyTuple_GET_SIZE(begun->values);
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *thing = PyTuple_GET_ITEM(begun->values, at), *name = PyTuple_GET_ITEM(begun->parameters, at);
        if (!PyList_CheckExact(thing))
            continue;
        Going *going = begun->going;
        for (int one = 0; one < going->lists; one++)
            if (going->taken[one].thing == thing)
                return 0;
        Taken *one = &going->taken[going->lists];
        int taken = is_self(name) ? 0 : take(one, thing);
        if (taken <= 0) {
            let_go(one);
            return taken;
        }
        one->role = Py_NewRef(name);
        going->lists++;
    }
    return 1;
}

/* How many of the values of the parameters are lists; -1 if they are not ordinary. */
static int count_lists(Begun *begun)
{
    int lists = 0;
    Py_ssize_t count = PyTuple_GET_SIZE(begun->values);
    if (count > MOST_VALUES || PyTuple_GET_SIZE(begun->parameters) != count)
        return -1;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *value = PyTuple_GET_ITEM(begun->values, at);
        if (PyList_CheckExact(value))
            lists++;
        else if (!is_plain(value))
            return -1;
    }
    return lists <= MOST_LISTS ? lists : -1;
}

/* Find the activity around the call: 1 if it is ordinary, -1 with an exception. */
static int look_around(Begun *begun)
{
    if (PyContextVar_Get(current, NULL, &begun->around) < 0)
        return -1;
    PyObject *run = *slot(begun->recorder, of_recorder.run);
    if ((begun->around == NULL || begun->around == Py_None) && run != NULL)
        Py_XSETREF(begun->around, Py_NewRef(run));
    if (begun->around == NULL || !PyType_IsSubtype(Py_TYPE(begun->around), activity_type))
        return 0;
    if (!Py_IS_TYPE(begun->around, activity_type)) {
        PyObject *executes = PyObject_GetAttr(begun->around, executes_name);
        Py_XDECREF(executes);
        if (executes != Py_False)
            return executes ? 0 : -1;
    }
    begun->starter = Py_XNewRef(*slot(begun->around, of_activity.identifier));
    return begun->starter && is_plain(begun->starter);
}

static int is_member(PyObject *thing, PyObject *list)
{
    for (Py_ssize_t at = 0; at < LOOKED_AT && at < PyList_GET_SIZE(list); at++)
        if (PyList_GET_ITEM(list, at) == thing)
            return 1;
    return 0;
}

/* Whether one of the lists holds another one, or both hold the same one: then the one met first is known when the other
   one is met. */
static int are_tangled(const Going *going)
{
    for (int at = 0; at < going->lists; at++) {
        PyObject *list = going->taken[at].thing;
        if (PyList_GET_SIZE(list) == 0 || !PyList_CheckExact(PyList_GET_ITEM(list, 0)))
            continue;
        for (int other = 0; other < going->lists; other++) {
            PyObject *another = going->taken[other].thing;
            if (other == at)
                continue;
            if (is_member(another, list))
                return 1;
            for (Py_ssize_t one = 0; other > at && one < LOOKED_AT && one < PyList_GET_SIZE(list); one++)
                if (is_member(PyList_GET_ITEM(list, one), another))
                    return 1;
        }
    }
    return 0;
}

/* Look at what is known of the lists: 1 if it is ordinary; -1 with an exception. */
static int look_at_known(Begun *begun)
{
    if (begun->going->lists > 1 && are_tangled(begun->going))
        return 0;
    for (int at = 0; at < begun->going->lists; at++) {
        Taken *one = &begun->going->taken[at];
        one->known = known_of(&begun->objects, one->thing, one->address);
        if (one->known == NULL && (PyErr_Occurred() || whole_of(&begun->objects, one->address) || PyErr_Occurred()))
            return PyErr_Occurred() ? -1 : 0;
        PyObject *entity = NULL;
        if (one->known != NULL) {
            entity = Py_IS_TYPE(one->known, known_type) ? *slot(one->known, of_known.entity) : NULL;
            if (entity == NULL || !is_plain(entity))
                return 0;
        }
        int holds = holds_known(&begun->objects, one->thing, entity);
        if (holds)
            return holds < 0 ? -1 : 0;
    }
    return 1;
}

/* Look at all that is said when the call begins: 1 if it is ordinary; -1 with an exception. Nothing is done yet. */
static int look_at_begin(Begun *begun, PyObject *counted)
{
    PyObject *recorder = *slot(process, recorder_of_process), *function = *slot(counted, of_counted.function);
    if (recorder == NULL || !Py_IS_TYPE(recorder, recorder_type) || !PyTuple_Check(function) ||
        PyTuple_GET_SIZE(function) < 5 || !PyTuple_CheckExact(begun->values))
        return 0;
    expect_needed(recorder);
    begun->recorder = recorder;
    begun->parameters = PyTuple_GET_ITEM(function, 4);
    if (!PyTuple_CheckExact(begun->parameters))
        return 0;
    int lists = count_lists(begun);
    if (lists < 0 || (lists && !nobody_refreshes(recorder)))
        return 0;
    int found = find_shapes(recorder, &begun->shapes);
    if (found <= 0)
        return found;
    begun->shape = find_shape(recorder, counted);
    if (begun->shape <= 0)
        return (int)begun->shape;
    begun->label = PyTuple_GET_ITEM(function, 0);
    begun->plan = *slot(counted, of_counted.plan);
    if (begun->plan == NULL || !PyUnicode_CheckExact(begun->plan) || !is_plain(begun->label) || !is_plain(begun->plan))
        return 0;
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL || is_told(frame))
        return 0;
    begun->going = new_going(lists);
    if (begun->going == NULL)
        return -1;
    begun->going->frame = Py_NewRef((PyObject *)frame);
    begun->going->recorder = Py_NewRef(recorder);
    int ordinary = look_around(begun);
    if (ordinary > 0)
        ordinary = find_objects(&begun->objects, recorder);
    if (ordinary > 0)
        ordinary = look_at_values(begun);
    return ordinary > 0 ? look_at_known(begun) : ordinary;
}

static int state_begin(Begun *begun, PyObject *number, int64_t at)
{
    Payload payload;
    Py_ssize_t count = PyTuple_GET_SIZE(begun->values);
    fill_numbered(&payload, begun->shape, 5 + count);
    put_value(&payload, number);
    put_whole(&payload, (uint64_t)at);
    put_value(&payload, begun->starter);
    put_value(&payload, begun->label);
    put_value(&payload, begun->plan);
    for (Py_ssize_t place = 0; place < count; place++) {
        PyObject *value = PyTuple_GET_ITEM(begun->values, place);
        put_value(&payload, PyList_CheckExact(value) ? Py_None : value);
    }
    return state(begun->recorder, &payload);
}

/* State a list that nobody has met, as `steps.meet` does, and that the call used it, which `apart` is done by who calls
   this; -1 with an exception. */
static int meet(Begun *begun, Taken *one, PyObject *number, int64_t at, int apart)
{
    PyObject *recorder = begun->recorder, *entity = next_number(recorder);
    PyObject *generation = entity ? next_number(recorder) : NULL;
    if (!apart)
        one->usage = generation ? next_number(recorder) : NULL;
    int failed = apart ? generation == NULL : one->usage == NULL;
    if (!failed) {
        Payload payload;
        fill_shape(&payload, begun->shapes, apart ? MET : TAKEN, apart ? 4 : 7);
        put_value(&payload, entity);
        put_value(&payload, one->role);
        put_whole(&payload, (uint64_t)PyList_GET_SIZE(one->thing));
        put_value(&payload, generation);
        if (!apart) {
            put_value(&payload, one->usage);
            put_value(&payload, number);
            put_whole(&payload, (uint64_t)at);
        }
        failed = state(recorder, &payload) < 0;
    }
    if (!failed)
        one->known = know(&begun->objects, one, entity, generation);
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    return one->known ? 0 : -1;
}

/* State that the activity used a list; -1 with an exception. */
static int use(Begun *begun, Taken *one, PyObject *number, PyObject *used, int64_t at)
{
    int apart = one->known || is_apart(&begun->objects);
    if (one->known == NULL && meet(begun, one, number, at, apart) < 0)
        return -1;
    PyObject *entity = *slot(one->known, of_known.entity);
    if (!apart)
        return PyDict_SetItem(used, entity, one->usage);
    if (PyDict_GET_SIZE(used)) {
        one->usage = Py_XNewRef(PyDict_GetItemWithError(used, entity));
        if (one->usage != NULL || PyErr_Occurred())
            return one->usage ? 0 : -1;
    }
    one->usage = next_number(begun->recorder);
    if (one->usage == NULL || PyDict_SetItem(used, entity, one->usage) < 0)
        return -1;
    PyObject *values[] = {one->usage, number, entity};
    Payload payload;
    fill_shape(&payload, begun->shapes, USED, 5);
    for (int place = 0; place < 3; place++)
        put_value(&payload, values[place]);
    put_whole(&payload, (uint64_t)at);
    put_value(&payload, one->role);
    return state(begun->recorder, &payload);
}

/* The activity of a call, as `Recorder.begin` makes it; NULL with an exception. */
static PyObject *activity_of(Begun *begun, PyObject *number)
{
    PyObject *blocks = PyDict_New(), *used = PyDict_New();
    PyObject *activity = blocks && used ? activity_type->tp_alloc(activity_type, 0) : NULL;
    if (activity == NULL) {
        Py_XDECREF(blocks);
        Py_XDECREF(used);
        return NULL;
    }
    fill(activity, of_activity.identifier, Py_NewRef(number));
    fill(activity, of_activity.label, Py_NewRef(begun->label));
    fill(activity, of_activity.enclosing, Py_NewRef(begun->around));
    fill(activity, of_activity.blocks, blocks);
    fill(activity, of_activity.used, used);
    return activity;
}

/* State the call and enter it; -1 with an exception. */
static int enter(Begun *begun)
{
    int64_t at = now();
    Going *going = begun->going;
    PyObject *number = next_number(begun->recorder), *activity = number ? activity_of(begun, number) : NULL;
    int failed = activity == NULL || state_begin(begun, number, at) < 0;
    for (int one = 0; !failed && one < going->lists; one++)
        failed = use(begun, &going->taken[one], number, *slot(activity, of_activity.used), at) < 0 && reported() < 0;
    if (!failed)
        failed = (going->reset = PyContextVar_Set(current, activity)) == NULL;
    going->activity = activity;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

/* Begin an ordinary call: 1 if it was one, 0 if not; -1 with an exception. */
static int begin_ordinarily(PyObject *counted, PyObject *values, int within)
{
    Begun begun = {.values = values};
    int ordinary = look_at_begin(&begun, counted);
    if (ordinary > 0) {
        Going *going = begun.going;
        going->is_outer = PyLong_AsUnsignedLong(*slot(counted, of_counted.outer)) == 0;
        going->counted = Py_NewRef(counted);
        going->handled = PyErr_GetHandledException();
        going->kept = Py_NewRef(nothing);
        int failed = add_one(counted, of_counted.calls) < 0 || add_one(counted, of_counted.recorded) < 0 ||
                     (within && add_one(counted, of_counted.within) < 0) || enter(&begun) < 0 ||
                     find_thread() < 0 || PyList_Append(thread.stack, (PyObject *)going) < 0;
        if (!failed && going->is_outer)
            Py_SETREF(*slot(counted, of_counted.outer), Py_NewRef(thread.ident));
        if (failed)
            ordinary = reported() < 0 ? -1 : 1;
    } else if (ordinary < 0)
        ordinary = reported() < 0 ? -1 : 0;
    Py_XDECREF(begun.around);
    Py_XDECREF(begun.starter);
    Py_XDECREF(begun.going);
    return ordinary;
}

/* begin(key, values) */
static PyObject *begin(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    PyObject *counted = count == 2 && PyUnicode_CheckExact(args[0]) ? PyDict_GetItemWithError(functions, args[0]) : NULL;
    if (counted != NULL && Py_IS_TYPE(counted, counted_type)) {
        Py_INCREF(counted);
        int done = find_thread();
        if (done == 0) {
            int within = is_within(counted);
            long calls = count_at(counted, of_counted.calls);
            if (count_at(counted, of_counted.recorded) < most.calls &&
                !(within && count_at(counted, of_counted.within) >= most.within))
                done = begin_ordinarily(counted, args[1], within);
            else if (calls < most.counted)
                done = add_one(counted, of_counted.calls) < 0 || PyList_Append(thread.stack, args[0]) < 0 ? -1 : 1;
        }
        Py_DECREF(counted);
        if (done < 0)
            return NULL;
        if (done)
            Py_RETURN_NONE;
    }
    PyErr_Clear();
    return PyObject_Vectorcall(begin_slowly, args, (size_t)count, NULL);
}

#endif
