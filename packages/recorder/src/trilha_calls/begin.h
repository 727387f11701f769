/* A call of a script's function begins. */

#ifndef TRILHA_BEGIN_H
#define TRILHA_BEGIN_H

#include "objects.h"

/* A list that a call is given. */
typedef struct {
    PyObject *thing, *role;         /* borrowed */
    PyObject *mark, *known, *usage; /* `known` is NULL for a list that nobody has met */
    Py_ssize_t weight;
} Taken;

static void let_go(Taken *taken, int count)
{
    for (int at = 0; at < count; at++) {
        Py_CLEAR(taken[at].mark);
        Py_CLEAR(taken[at].known);
        Py_CLEAR(taken[at].usage);
    }
}

/* Whether a caller is what makes steps of functions because the script says so (`calls._is_told`). */
static int is_told(PyFrameObject *caller)
{
    PyObject *steps = PyImport_GetModule(wrapping_name);
    if (steps == NULL || caller == NULL) {
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
    return same;
}

/* What a call that begins is stated with. */
typedef struct {
    PyObject *recorder, *file, *numbers, *person; /* of the run */
    Objects objects;
    PyObject *run, *around, *starter;                        /* its number; the activity around the call and its number */
    PyObject *label, *plan, *parameters, *values;            /* borrowed */
    Taken taken[MOST_LISTS];
    int lists, told; /* how many are lists, how many attributes */
} Begun;

static void end_with(Begun *begun)
{
    PyObject **held[] = {&begun->recorder, &begun->file,   &begun->numbers, &begun->person,
                         &begun->run,      &begun->around, &begun->starter};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++)
        Py_CLEAR(*held[at]);
    close_objects(&begun->objects);
    let_go(begun->taken, begun->lists);
}

/* Look at the values of the parameters: 1 if they are ordinary. */
static int look_at_values(Begun *begun)
{
    Py_ssize_t count = PyTuple_GET_SIZE(begun->values);
    if (count > MOST_VALUES || PyTuple_GET_SIZE(begun->parameters) != count)
        return 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *name = PyTuple_GET_ITEM(begun->parameters, at), *value = PyTuple_GET_ITEM(begun->values, at);
        if (!is_plain(name) || !PyUnicode_CheckExact(name) || PyUnicode_GET_LENGTH(name) > LONGEST_NAME)
            return 0;
        if (is_plain(value)) {
            begun->told += value != Py_None;
            continue;
        }
        Py_ssize_t weight;
        PyObject *mark = begun->lists < MOST_LISTS ? mark_of(value, &weight) : NULL;
        if (mark == NULL || PyUnicode_CompareWithASCIIString(name, "self") == 0)
            goto other;
        for (int one = 0; one < begun->lists; one++)
            if (begun->taken[one].thing == value)
                goto other;
        begun->taken[begun->lists++] = (Taken){.thing = value, .role = name, .mark = mark, .weight = weight};
        continue;
    other:
        Py_XDECREF(mark);
        return 0;
    }
    return 1;
}

/* Look at what the run knows: 1 if the call is ordinary. */
static int look_around(Begun *begun, PyObject *counted)
{
    PyObject *recorder = *slot(process, recorder_of_process), *function = *slot(counted, of_counted.function);
    begun->plan = *slot(counted, of_counted.plan);
    if (recorder == NULL || recorder == Py_None || !PyTuple_Check(function) || PyTuple_GET_SIZE(function) < 5)
        return 0;
    begun->label = PyTuple_GET_ITEM(function, 0);
    begun->parameters = PyTuple_GET_ITEM(function, 4);
    if (!PyTuple_CheckExact(begun->parameters) || !PyTuple_CheckExact(begun->values) || !is_plain(begun->label) ||
        !PyUnicode_CheckExact(begun->plan) || !is_plain(begun->plan) || PyUnicode_GET_LENGTH(begun->plan) == 0 ||
        !look_at_values(begun) || (begun->lists && !nobody_refreshes(recorder)))
        return 0;
    begun->recorder = Py_NewRef(recorder);
    PyFrameObject *frame = PyEval_GetFrame(), *caller = frame ? PyFrame_GetBack(frame) : NULL;
    int told = frame == NULL || is_told(caller);
    Py_XDECREF(caller);
    PyObject *run = told ? NULL : PyObject_GetAttr(recorder, run_name), *executes = NULL;
    if (run == NULL || PyContextVar_Get(current, NULL, &begun->around) < 0)
        goto out;
    if (begun->around == NULL || begun->around == Py_None)
        Py_XSETREF(begun->around, Py_NewRef(run));
    executes = PyObject_GetAttr(begun->around, executes_name);
    if (executes != Py_False)
        goto out;
    begun->starter = PyObject_GetAttr(begun->around, identifier_name);
    begun->run = PyObject_GetAttr(run, identifier_name);
    begun->person = PyObject_GetAttr(recorder, person_name);
    begun->file = PyObject_GetAttr(recorder, file_name);
    begun->numbers = PyObject_GetAttr(recorder, numbers_name);
    if (open_objects(&begun->objects, recorder) < 0)
        Py_CLEAR(begun->file);
out:
    Py_XDECREF(run);
    Py_XDECREF(executes);
    return begun->numbers && begun->file && begun->person && begun->run && begun->starter &&
           is_plain(begun->starter) && is_plain(begun->run) && is_plain(begun->person) &&
           PyIter_Check(begun->numbers);
}

/* Whether a list of lists holds one that the run knows: what came of that is stated in Python. */
static int holds_known(Begun *begun, PyObject *list)
{
    for (Py_ssize_t at = 0; at < LOOKED_AT && at < PyList_GET_SIZE(list); at++) {
        PyObject *member = PyList_GET_ITEM(list, at), *known;
        if (!PyList_CheckExact(member))
            return 0; /* then it holds plain values alone */
        Py_INCREF(member);
        known = known_of(&begun->objects, member);
        PyErr_Clear();
        Py_DECREF(member);
        Py_XDECREF(known);
        if (known != NULL)
            return 1;
    }
    return 0;
}

/* Look at what is known of the lists: 1 if it is ordinary; -1 with an exception. */
static int look_at_known(Begun *begun)
{
    for (int at = 0; at < begun->lists; at++) {
        Taken *one = &begun->taken[at];
        one->known = known_of(&begun->objects, one->thing);
        if (one->known == NULL && PyErr_Occurred())
            return -1;
        if (one->known == NULL) {
            if (holds_known(begun, one->thing))
                return 0;
            continue;
        }
        PyObject *entity = Py_IS_TYPE(one->known, known_type) ? *slot(one->known, of_known.entity) : NULL;
        if (entity == NULL || !is_plain(entity))
            return 0;
    }
    return 1;
}

static int state_begin(Begun *begun, PyObject *number, int64_t at)
{
    statement(kinds.activity, 5);
    cell(number);
    cell_time(at);
    cell(Py_None);
    cell_array(4 + 2 * begun->told);
    cell_text("prov:type");
    cell_word(words.step);
    cell_text("prov:label");
    cell(begun->label);
    for (Py_ssize_t place = 0; place < PyTuple_GET_SIZE(begun->values); place++) {
        PyObject *value = PyTuple_GET_ITEM(begun->values, place);
        if (value != Py_None && !PyList_CheckExact(value)) {
            cell_key("trilha:arg.", PyTuple_GET_ITEM(begun->parameters, place));
            cell(value);
        }
    }
    if (state(begun->file) < 0 || state_start(begun->file, number, begun->starter, at) < 0)
        return -1;
    return state_association(begun->file, number, begun->person, begun->plan);
}

/* State a list that nobody has met, as `steps.meet` does; -1 with an exception. */
static int meet(Begun *begun, Taken *one)
{
    PyObject *entity = PyIter_Next(begun->numbers), *generation = PyIter_Next(begun->numbers);
    int failed = !entity || !generation ||
                 state_entity(begun->file, entity, one->role, PyList_GET_SIZE(one->thing)) < 0 ||
                 state_generation(begun->file, generation, entity, begun->run, 0) < 0;
    if (!failed)
        one->known = know(&begun->objects, one->thing, entity, generation, one->mark, one->weight);
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    return one->known == NULL ? -1 : 0;
}

/* A function that gives its list, as `steps._let_go` does. */
static PyObject *give(PyObject *thing, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(thing);
}

static PyMethodDef giving = {"held", give, METH_NOARGS, NULL};

/* State that the activity used a list; gives what the call keeps of it, NULL with an exception. */
static PyObject *use(Begun *begun, Taken *one, PyObject *number, PyObject *used, int64_t at)
{
    if (one->known == NULL && meet(begun, one) < 0)
        return NULL;
    PyObject *entity = *slot(one->known, of_known.entity);
    one->usage = Py_XNewRef(PyDict_GetItemWithError(used, entity));
    if (one->usage == NULL) {
        one->usage = PyErr_Occurred() ? NULL : PyIter_Next(begun->numbers);
        if (one->usage == NULL || PyDict_SetItem(used, entity, one->usage) < 0 ||
            state_usage(begun->file, one->usage, number, entity, at, one->role) < 0)
            return NULL;
    }
    PyObject *held = PyCFunction_New(&giving, one->thing);
    PyObject *kept = held ? PyTuple_Pack(5, held, one->known, one->usage, one->role, one->mark) : NULL;
    Py_XDECREF(held);
    return kept;
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

/* The call as `steps.Call` has it, stated and entered; NULL with an exception. */
static PyObject *call_of(Begun *begun)
{
    int64_t at = now();
    PyObject *number = PyIter_Next(begun->numbers), *activity = number ? activity_of(begun, number) : NULL;
    PyObject *before = activity ? PyList_New(0) : NULL, *reset = NULL, *call = NULL, *none = PyLong_FromLong(0);
    if (before == NULL || none == NULL || state_begin(begun, number, at) < 0)
        goto out;
    for (int one = 0; one < begun->lists; one++) {
        PyObject *kept = use(begun, &begun->taken[one], number, *slot(activity, of_activity.used), at);
        int failed = kept == NULL || PyList_Append(before, kept) < 0;
        Py_XDECREF(kept);
        if (failed && reported() < 0)
            goto out;
    }
    call = call_type->tp_alloc(call_type, 0);
    reset = call ? PyContextVar_Set(current, activity) : NULL;
    if (reset == NULL) {
        Py_CLEAR(call);
        goto out;
    }
    fill(call, of_call.before, Py_NewRef(before));
    fill(call, of_call.reset, Py_NewRef(reset));
    fill(call, of_call.yielded, Py_NewRef(none));
    fill(call, of_call.activity, Py_NewRef(activity));
    fill(call, of_call.recorder, Py_NewRef(begun->recorder));
out:
    Py_XDECREF(number);
    Py_XDECREF(activity);
    Py_XDECREF(before);
    Py_XDECREF(reset);
    Py_XDECREF(none);
    return call;
}

/* Begin an ordinary call: 1 if it was one, 0 if not; -1 with an exception. */
static int begin_ordinarily(PyObject *counted, PyObject *values, int within)
{
    Begun begun = {.values = values};
    int ordinary = look_around(&begun, counted);
    if (ordinary)
        ordinary = look_at_known(&begun);
    else
        PyErr_Clear();
    if (ordinary <= 0) {
        end_with(&begun);
        return ordinary < 0 ? (reported() < 0 ? -1 : 1) : 0;
    }
    PyObject *stack = NULL, *call = NULL, *open = NULL;
    int is_outer = PyLong_AsUnsignedLong(*slot(counted, of_counted.outer)) == 0;
    int failed = set_count(counted, of_counted.calls, (unsigned long)count_at(counted, of_counted.calls) + 1) < 0 ||
                 set_count(counted, of_counted.recorded,
                           (unsigned long)count_at(counted, of_counted.recorded) + 1) < 0 ||
                 (within && set_count(counted, of_counted.within,
                                      (unsigned long)count_at(counted, of_counted.within) + 1) < 0) ||
                 (call = call_of(&begun)) == NULL || (open = open_type->tp_alloc(open_type, 0)) == NULL ||
                 (is_outer && set_count(counted, of_counted.outer, PyThread_get_thread_ident()) < 0);
    if (!failed) {
        PyObject *handled = PyErr_GetHandledException();
        fill(open, of_open.frame, Py_NewRef((PyObject *)PyEval_GetFrame()));
        fill(open, of_open.call, Py_NewRef(call));
        fill(open, of_open.handled, handled ? handled : Py_NewRef(Py_None));
        fill(open, of_open.kept, Py_NewRef(nothing));
        fill(open, of_open.outer, Py_NewRef(is_outer ? counted : Py_None));
        stack = stack_of_thread();
        failed = stack == NULL || PyList_Append(stack, open) < 0;
    }
    Py_XDECREF(stack);
    Py_XDECREF(call);
    Py_XDECREF(open);
    end_with(&begun);
    return failed && reported() < 0 ? -1 : 1;
}

/* begin(key, values) */
static PyObject *begin(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    PyObject *counted = count == 2 && PyUnicode_CheckExact(args[0]) ? PyDict_GetItemWithError(functions, args[0]) : NULL;
    if (counted != NULL && Py_IS_TYPE(counted, counted_type)) {
        unsigned long outer = PyLong_AsUnsignedLong(*slot(counted, of_counted.outer));
        int within = outer == PyThread_get_thread_ident();
        long calls = count_at(counted, of_counted.calls);
        if (count_at(counted, of_counted.recorded) < most.calls &&
            !(within && count_at(counted, of_counted.within) >= most.within)) {
            Py_INCREF(counted);
            int done = begin_ordinarily(counted, args[1], within);
            Py_DECREF(counted);
            if (done < 0)
                return NULL;
            if (done)
                Py_RETURN_NONE;
        } else if (calls < most.counted) {
            PyObject *stack = stack_of_thread();
            int failed = stack == NULL || set_count(counted, of_counted.calls, (unsigned long)calls + 1) < 0 ||
                         PyList_Append(stack, args[0]) < 0;
            Py_XDECREF(stack);
            if (failed)
                return NULL;
            Py_RETURN_NONE;
        }
    }
    PyErr_Clear();
    return PyObject_Vectorcall(begin_slowly, args, (size_t)count, NULL);
}

#endif
