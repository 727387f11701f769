/* Calls of a script's functions: what `trilha.capture.script.calls` does when one begins and when it is left, in C,
   where the call is ordinary: it is given numbers, short texts and lists of numbers, and gives one of these or nothing.

   First all is looked at, by types alone; what is not ordinary is left to the hooks in Python, with nothing done yet.
   A program's first call finds nothing of ours in the processor's caches, so that what counts is how much code it goes
   through: some sixty functions in Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>

#include "../lists.h"
#include "statements.h"

#define MOST_VALUES 32 /* parameters of a function: the longest values of so many fit into a statement */
#define MOST_LISTS 8
#define LONGEST_NAME 64
#define HELD ((Py_ssize_t)64 << 20) /* `identity._HELD_BYTES` */

/* -- what Python gave ---------------------------------------------------------------------------------------------- */

static PyObject *functions, *local, *process, *current, *begin_slowly, *leave_slowly, *report, *nothing;
static PyTypeObject *counted_type, *open_type, *call_type, *activity_type, *known_type;
static struct { long calls, counted, within; } most;
static struct { Py_ssize_t function, plan, calls, recorded, outer, within; } of_counted;
static struct { Py_ssize_t frame, call, handled, kept, outer; } of_open;
static struct { Py_ssize_t before, reset, yielded, activity, recorder; } of_call;
static struct { Py_ssize_t identifier, label, enclosing, blocks, used; } of_activity;
static Py_ssize_t entity_of_known, recorder_of_process;
static PyObject *stack_name, *executes_name, *identifier_name, *person_name, *file_name, *files_name, *numbers_name,
    *objects_name, *refreshers_name, *run_name, *itself_name, *put_name, *settle_name, *path_name, *wrapping_name,
    *nobody; /* an empty tuple */

/* The exception that is set is one of ours, which is counted: 0; or the program's, which goes on: -1. */
static int reported(void)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    PyObject *done = PyObject_CallOneArg(report, error ? error : Py_None);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static long count_at(PyObject *object, Py_ssize_t place)
{
    return PyLong_AsLong(*slot(object, place));
}

static int set_count(PyObject *object, Py_ssize_t place, unsigned long count)
{
    PyObject *made = PyLong_FromUnsignedLong(count);
    if (made == NULL)
        return -1;
    Py_XSETREF(*slot(object, place), made);
    return 0;
}

/* Put `value`, which is given away, into a slot that is empty. */
static void fill(PyObject *object, Py_ssize_t place, PyObject *value)
{
    *slot(object, place) = value;
}

/* -- what is ordinary ---------------------------------------------------------------------------------------------- */

/* A list that a call is given. */
typedef struct {
    PyObject *thing, *role;         /* borrowed */
    PyObject *mark, *known, *usage; /* `known` is NULL for a list that nobody has met */
} Taken;

static void let_go(Taken *taken, int count)
{
    for (int at = 0; at < count; at++) {
        Py_CLEAR(taken[at].mark);
        Py_CLEAR(taken[at].known);
        Py_CLEAR(taken[at].usage);
    }
}

/* What tells whether a list of numbers changes; NULL, without an exception, for another thing. */
static PyObject *mark_of(PyObject *thing)
{
    if (!PyList_CheckExact(thing))
        return NULL;
    Py_ssize_t weight = weight_of_list(thing, 1, HELD);
    PyObject *mark = weight >= 0 && weight <= HELD ? token_of_list(thing, 1) : NULL;
    if (mark == NULL)
        PyErr_Clear();
    return mark;
}

/* What is known of a list, by itself: NULL, with an exception or without. */
static PyObject *known_of(PyObject *objects, PyObject *thing)
{
    PyObject *known = PyObject_CallMethodOneArg(objects, itself_name, thing);
    if (known == Py_None)
        Py_CLEAR(known);
    return known;
}

/* Whether nobody but us says what becomes of lists. */
static int nobody_refreshes(PyObject *recorder)
{
    PyObject *refreshers = PyObject_GetAttr(recorder, refreshers_name);
    int none = refreshers != NULL && PyList_CheckExact(refreshers) && PyList_GET_SIZE(refreshers) == 0;
    Py_XDECREF(refreshers);
    PyErr_Clear();
    return none;
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

/* -- a call begins ------------------------------------------------------------------------------------------------- */

/* What a call that begins is stated with. */
typedef struct {
    PyObject *recorder, *file, *numbers, *objects, *person; /* of the run */
    PyObject *run, *around, *starter;                        /* its number; the activity around the call and its number */
    PyObject *label, *plan, *parameters, *values;            /* borrowed */
    Taken taken[MOST_LISTS];
    int lists, told; /* how many are lists, how many attributes */
} Begun;

static void end_with(Begun *begun)
{
    PyObject **held[] = {&begun->recorder, &begun->file, &begun->numbers, &begun->objects,
                         &begun->person,   &begun->run,  &begun->around,  &begun->starter};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++)
        Py_CLEAR(*held[at]);
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
        PyObject *mark = begun->lists < MOST_LISTS ? mark_of(value) : NULL;
        if (mark == NULL || PyUnicode_CompareWithASCIIString(name, "self") == 0)
            goto other;
        for (int one = 0; one < begun->lists; one++)
            if (begun->taken[one].thing == value)
                goto other;
        begun->taken[begun->lists++] = (Taken){.thing = value, .role = name, .mark = mark};
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
    begun->objects = PyObject_GetAttr(recorder, objects_name);
out:
    Py_XDECREF(run);
    Py_XDECREF(executes);
    return begun->objects && begun->numbers && begun->file && begun->person && begun->run && begun->starter &&
           is_plain(begun->starter) && is_plain(begun->run) && is_plain(begun->person) &&
           PyIter_Check(begun->numbers);
}

/* Look at what is known of the lists: 1 if it is ordinary; -1 with an exception. */
static int look_at_known(Begun *begun)
{
    for (int at = 0; at < begun->lists; at++) {
        Taken *one = &begun->taken[at];
        one->known = known_of(begun->objects, one->thing);
        if (one->known == NULL && PyErr_Occurred())
            return -1;
        if (one->known == NULL)
            continue;
        PyObject *entity = Py_IS_TYPE(one->known, known_type) ? *slot(one->known, entity_of_known) : NULL;
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
        one->known = PyObject_CallMethodObjArgs(begun->objects, put_name, one->thing, entity, generation, one->mark,
                                                nobody, NULL);
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
    PyObject *entity = *slot(one->known, entity_of_known);
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

/* The calls that go on in this thread: a new reference; NULL with an exception. */
static PyObject *stack_of_thread(void)
{
    PyObject *stack = PyObject_GetAttr(local, stack_name);
    if (stack == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        stack = PyList_New(0);
        if (stack != NULL && PyObject_SetAttr(local, stack_name, stack) < 0)
            Py_CLEAR(stack);
    }
    return stack;
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

/* -- a call is left ------------------------------------------------------------------------------------------------ */

/* What the end of a call is stated with. */
typedef struct {
    PyObject *recorder, *file, *files, *numbers, *objects; /* `recorder` is borrowed */
    PyObject *activity, *number, *label;                    /* borrowed */
    PyObject *marks[MOST_LISTS];                            /* of the lists as they are now */
    int changed[MOST_LISTS];
    int lists;
} Left;

static void end_left(Left *left)
{
    Py_CLEAR(left->file);
    Py_CLEAR(left->files);
    Py_CLEAR(left->numbers);
    Py_CLEAR(left->objects);
    for (int at = 0; at < left->lists; at++)
        Py_CLEAR(left->marks[at]);
}

/* Look at what became of a list: 1 if that is ordinary, -1 with an exception. */
static int look_at_list(Left *left, PyObject *kept)
{
    PyObject *held = PyTuple_CheckExact(kept) && PyTuple_GET_SIZE(kept) == 5 ? PyTuple_GET_ITEM(kept, 0) : NULL;
    if (held == NULL || !PyCFunction_Check(held) || PyCFunction_GET_FUNCTION(held) != give)
        return 0;
    PyObject *thing = PyCFunction_GET_SELF(held), *mark = mark_of(thing);
    if (mark == NULL)
        return 0;
    left->marks[left->lists] = mark;
    left->changed[left->lists] = PyObject_RichCompareBool(mark, PyTuple_GET_ITEM(kept, 4), Py_NE);
    if (left->changed[left->lists++] < 0)
        return -1;
    PyObject *known = known_of(left->objects, thing);
    if (known == NULL)
        return PyErr_Occurred() ? -1 : 0;
    int same = known == PyTuple_GET_ITEM(kept, 1);
    Py_DECREF(known);
    return same;
}

/* Whether what a call gives is ordinary: a plain value, nothing, or one of the lists that it was given. */
static int is_ordinary(PyObject *result, PyObject *before)
{
    if (result == nothing || is_plain(result))
        return 1;
    for (Py_ssize_t at = 0; PyList_CheckExact(result) && at < PyList_GET_SIZE(before); at++) {
        PyObject *held = PyTuple_GET_ITEM(PyList_GET_ITEM(before, at), 0);
        if (PyCFunction_Check(held) && PyCFunction_GET_SELF(held) == result)
            return 1;
    }
    return 0;
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
    left->objects = PyObject_GetAttr(left->recorder, objects_name);
    if (!left->file || !left->files || !left->numbers || !left->objects)
        return -1;
    if (!is_plain(left->number) || !is_plain(left->label) || !PyIter_Check(left->numbers))
        return 0;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(before); at++) {
        int ordinary = look_at_list(left, PyList_GET_ITEM(before, at));
        if (ordinary <= 0)
            return ordinary;
    }
    return (left->lists == 0 || nobody_refreshes(left->recorder)) && is_ordinary(result, before);
}

/* State that a list has changed, as `Call._change` does; -1 with an exception. */
static int state_change(Left *left, PyObject *before, int at, int64_t when)
{
    PyObject *kept = PyList_GET_ITEM(before, at), *thing = PyCFunction_GET_SELF(PyTuple_GET_ITEM(kept, 0));
    PyObject *was = *slot(PyTuple_GET_ITEM(kept, 1), entity_of_known);
    PyObject *label = PyUnicode_FromFormat("%U after %U", PyTuple_GET_ITEM(kept, 3), left->label), *done = NULL;
    PyObject *entity = PyIter_Next(left->numbers), *generation = PyIter_Next(left->numbers);
    int failed = !label || !entity || !generation ||
                 state_entity(left->file, entity, label, PyList_GET_SIZE(thing)) < 0 ||
                 state_generation(left->file, generation, entity, left->number, when) < 0;
    if (!failed)
        done = PyObject_CallMethodObjArgs(left->objects, put_name, thing, entity, generation, left->marks[at], nobody,
                                          NULL);
    failed = done == NULL || state_derivation(left->file, entity, was, left->number, generation,
                                              PyTuple_GET_ITEM(kept, 2), 1) < 0;
    for (Py_ssize_t other = 0; !failed && other < PyList_GET_SIZE(before); other++) {
        PyObject *one = PyList_GET_ITEM(before, other), *source = *slot(PyTuple_GET_ITEM(one, 1), entity_of_known);
        int again = PyObject_RichCompareBool(source, was, Py_EQ);
        for (Py_ssize_t earlier = 0; !again && earlier < other; earlier++)
            again = PyObject_RichCompareBool(
                *slot(PyTuple_GET_ITEM(PyList_GET_ITEM(before, earlier), 1), entity_of_known), source, Py_EQ);
        failed = again < 0 || (!again && state_derivation(left->file, entity, source, left->number, generation,
                                                          PyTuple_GET_ITEM(one, 2), 0) < 0);
    }
    Py_XDECREF(label);
    Py_XDECREF(entity);
    Py_XDECREF(generation);
    Py_XDECREF(done);
    return failed ? -1 : 0;
}

/* State the end of a call that gave `result`; -1 with an exception. */
static int state_end(Left *left, PyObject *call, PyObject *result)
{
    int64_t at = now();
    PyObject *before = *slot(call, of_call.before), *when = PyLong_FromLongLong(at);
    PyObject *settled =
        when ? PyObject_CallMethodObjArgs(left->files, settle_name, left->activity, when, NULL) : NULL;
    Py_XDECREF(when);
    if (settled == NULL)
        return -1;
    Py_DECREF(settled);
    for (int one = 0; one < left->lists; one++)
        if (left->changed[one] && state_change(left, before, one, at) < 0)
            return -1;
    int gives = result != nothing && result != Py_None && !PyList_CheckExact(result);
    statement(kinds.activity, 5);
    cell(left->number);
    cell(Py_None);
    cell_time(at);
    cell_array(gives ? 2 : 0);
    if (gives) {
        cell_text("trilha:returned");
        cell(result);
    }
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

/* -- what Python has of it ----------------------------------------------------------------------------------------- */

static PyMethodDef hooks[] = {
    {"begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL, "A function of the script begins."},
    {"leave", leave, METH_O, "A function of the script is left."},
};

typedef struct { PyTypeObject *type; const char *name; Py_ssize_t *place; } Slot;

/* Where the classes have their slots; -1 with an exception. */
static int find_slots(PyTypeObject *process_type)
{
    Slot all[] = {
        {counted_type, "function", &of_counted.function}, {counted_type, "plan", &of_counted.plan},
        {counted_type, "calls", &of_counted.calls},       {counted_type, "recorded", &of_counted.recorded},
        {counted_type, "outer", &of_counted.outer},       {counted_type, "within", &of_counted.within},
        {open_type, "frame", &of_open.frame},             {open_type, "call", &of_open.call},
        {open_type, "handled", &of_open.handled},         {open_type, "kept", &of_open.kept},
        {open_type, "outer", &of_open.outer},             {call_type, "_before", &of_call.before},
        {call_type, "_reset", &of_call.reset},            {call_type, "_yielded", &of_call.yielded},
        {call_type, "activity", &of_call.activity},       {call_type, "recorder", &of_call.recorder},
        {activity_type, "identifier", &of_activity.identifier},
        {activity_type, "label", &of_activity.label},     {activity_type, "enclosing", &of_activity.enclosing},
        {activity_type, "blocks", &of_activity.blocks},   {activity_type, "used", &of_activity.used},
        {known_type, "entity", &entity_of_known},         {process_type, "recorder", &recorder_of_process},
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        if ((*all[at].place = place_of((PyObject *)all[at].type, all[at].name)) < 0)
            return -1;
    return 0;
}

/* hooks(process, current, report, nothing, functions, local, begin, leave, classes, most, kinds, words) */
static PyObject *hooks_of(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *given[8], *type[6], *word[3];
    PyTypeObject *mapped_type;
    if (!PyArg_ParseTuple(args, "OOOOO!OOO(O!O!O!O!O!O!)(lll)(lllllll)(SSS)", &given[0], &given[1], &given[2], &given[3],
                          &PyDict_Type, &given[4], &given[5], &given[6], &given[7], &PyType_Type, &type[0],
                          &PyType_Type, &type[1], &PyType_Type, &type[2], &PyType_Type, &type[3], &PyType_Type, &type[4],
                          &PyType_Type, &type[5], &most.calls, &most.counted, &most.within, &kinds.entity,
                          &kinds.activity, &kinds.generation, &kinds.usage, &kinds.derivation, &kinds.start,
                          &kinds.association, &word[0], &word[1], &word[2]))
        return NULL;
    PyObject **places[8] = {&process, &current, &report, &nothing, &functions, &local, &begin_slowly, &leave_slowly};
    for (int at = 0; at < 8; at++)
        Py_XSETREF(*places[at], Py_NewRef(given[at]));
    PyTypeObject **classes[5] = {&counted_type, &open_type, &call_type, &activity_type, &known_type};
    for (int at = 0; at < 5; at++)
        Py_XSETREF(*classes[at], (PyTypeObject *)Py_NewRef(type[at]));
    PyObject **said[3] = {&words.step, &words.object, &words.revision};
    for (int at = 0; at < 3; at++)
        Py_XSETREF(*said[at], Py_NewRef(word[at]));
    mapped_type = (PyTypeObject *)type[5];
    if (find_slots(Py_TYPE(process)) < 0 || find_mapped(&mapped, (PyTypeObject *)Py_NewRef(mapped_type)) < 0)
        return NULL;
    PyObject *first = PyCFunction_New(&hooks[0], NULL), *last = PyCFunction_New(&hooks[1], NULL);
    PyObject *both = first && last ? PyTuple_Pack(2, first, last) : NULL;
    Py_XDECREF(first);
    Py_XDECREF(last);
    return both;
}

static PyMethodDef methods[] = {
    {"hooks", hooks_of, METH_VARARGS, "What is called when a function of the script begins, and when it is left."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_calls", "Calls of a script's functions, in C.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_calls(void)
{
    struct { PyObject **place; const char *text; } names[] = {
        {&stack_name, "stack"},     {&executes_name, "executes"},     {&identifier_name, "identifier"},
        {&person_name, "person"},   {&file_name, "file"},             {&files_name, "files"},
        {&numbers_name, "numbers"}, {&objects_name, "objects"},       {&refreshers_name, "refreshers"},
        {&run_name, "run"},         {&itself_name, "itself"},         {&put_name, "put"},
        {&settle_name, "settle"},   {&path_name, "__file__"},         {&wrapping_name, "trilha.capture.wrapping"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].place = PyUnicode_InternFromString(names[at].text)) == NULL)
            return NULL;
    make_check_table();
    nobody = PyTuple_New(0);
    return nobody == NULL ? NULL : PyModule_Create(&definition);
}
