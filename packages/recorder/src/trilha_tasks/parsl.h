/* Parsl: what the integration `parsl` calls for each task. */

#ifndef TRILHA_PARSL_H
#define TRILHA_PARSL_H

#include "way.h"

#ifdef _MSC_VER
#define PER_THREAD __declspec(thread)
#else
#define PER_THREAD _Thread_local
#endif

/* What a record of Parsl's has by `name`, borrowed; None where there is nothing. */
static inline PyObject *of_record(PyObject *record, PyObject *name)
{
    PyObject *found = PyDict_GetItemWithError(record, name);
    if (found == NULL)
        PyErr_Clear();
    return found ? found : Py_None;
}

/* What a future is known by, or NULL. It is not asked in the usual way, in which it does something. */
static PyObject *known_by(PyObject *future, PyObject *mark)
{
    PyObject *found = PyObject_GenericGetAttr(future, mark);
    if (found == NULL)
        PyErr_Clear();
    return found;
}

/* The arguments of a call: those that are plain, and the results that tasks will give whose futures the others are. */
typedef struct {
    PyObject *values[MOST], *entities[TOGETHER];
    Py_ssize_t plain, uses;
    uint64_t places; /* a bit for each that is a future */
} Given;

#define MOST_GIVEN (MOST - 8 - 2 * TOGETHER)

static void let_go(Given *given)
{
    while (given->uses > 0)
        Py_DECREF(given->entities[--given->uses]);
}

/* Whether an entity is among those that are used already. */
static int is_given(const Given *given, PyObject *entity)
{
    for (Py_ssize_t i = 0; i < given->uses; i++)
        if (PyObject_RichCompareBool(given->entities[i], entity, Py_EQ) != 0)
            return 1;
    return 0;
}

/* Sort the arguments of a call, whose values go behind the `facts` that are there already; 0 where there is one that is
   neither plain nor a task's future, or a future that is there twice. More: as `promising`. */
static int sort_arguments(Way *way, PyObject *args, Py_ssize_t facts, Given *given)
{
    Tasks *tasks = way->tasks;
    if (PyTuple_GET_SIZE(args) > MOST_GIVEN)
        return 0;
    given->plain = facts;
    given->uses = 0;
    given->places = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *value = PyTuple_GET_ITEM(args, i);
        if (stands_for_itself(value)) {
            given->values[given->plain++] = value;
            continue;
        }
        PyObject *known = (PyObject *)Py_TYPE(value) == way->more[2] ? known_by(value, way->more[0]) : NULL;
        PyObject *entity = known && IS(known, TASK) ? AT(known, TASK_RESULT) : known;
        if (entity == NULL || !PyLong_CheckExact(entity) || given->uses == TOGETHER || is_given(given, entity)) {
            Py_XDECREF(known);
            let_go(given);
            return 0;
        }
        given->entities[given->uses++] = Py_NewRef(entity);
        given->places |= (uint64_t)1 << i;
        Py_DECREF(known);
    }
    return 1;
}

/* By what calls that are told alike are known (`Kernel.submitted`). */
static PyObject *key_of(Tasks *tasks, PyObject *record, Py_ssize_t count, const Given *given)
{
    PyObject *name = of_record(record, N(func_name)), *number = PyLong_FromSsize_t(count), *key = NULL;
    PyObject *places = PyLong_FromUnsignedLongLong(given->places);
    if (number != NULL && places != NULL)
        key = given->uses == 0 ? PyTuple_Pack(3, N(parsl), name, number)
                               : PyTuple_Pack(4, N(parsl), name, number, places);
    Py_XDECREF(number);
    Py_XDECREF(places);
    return key;
}

/* The task that Parsl's `record` tells of, told as others were; NULL where that is not for us. More: as `promising`. */
static PyObject *task_of(Way *way, PyObject *record)
{
    Tasks *tasks = way->tasks;
    PyObject *args = of_record(record, N(args)), *kwargs = of_record(record, N(kwargs)), *key = NULL, *task = NULL;
    Given given;
    given.values[0] = of_record(record, N(id));
    given.values[1] = of_record(record, N(executor));
    if (!PyTuple_CheckExact(args) || !PyDict_CheckExact(kwargs) || PyDict_GET_SIZE(kwargs) > 0 ||
        of_record(record, N(join)) != Py_False || !sort_arguments(way, args, 2, &given))
        return NULL;
    PyObject *last = PyObject_GetAttr(way->more[1], N(last));
    if (refers_to(last, of_record(record, N(dfk))))
        key = key_of(tasks, record, PyTuple_GET_SIZE(args), &given);
    PyObject *alike = key ? alike_of(tasks, way->recorder, of_record(record, N(func)), key) : NULL;
    if (alike != NULL) {
        task = begin_task(tasks, TASK, alike, given.values, given.plain, given.entities, given.uses);
        if (task == NULL)
            count_lost(tasks, way->recorder);
    }
    forget_error();
    let_go(&given);
    Py_XDECREF(last);
    Py_XDECREF(key);
    return task;
}

/* `AppFuture.__init__`; `slow` is called with the future afterwards. More: the mark; the kernel, which has `last`, a
   weak reference to the kernel of Parsl's that submitted last; and `AppFuture`. */
static PyObject *promising(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *result = PyObject_Vectorcall(way->original, args, flags, names);
    if (result == NULL || !ON || count < 1)
        return result;
    PyObject *record = count == 2 && names == NULL ? args[1] : NULL;
    PyObject *task = record && PyDict_CheckExact(record) ? task_of(way, record) : NULL;
    if (task == NULL)
        return result_or_error(result, PyObject_CallOneArg(way->slow, args[0]));
    if (PyObject_SetAttr(args[0], way->more[0], task) < 0)
        count_lost(tasks, way->recorder);
    Py_DECREF(task);
    return result;
}

/* The task whose attempt has ended, as `updating` in this thread was told, which holds it, and Parsl's record of it;
   NULL once `completing` has them. */
static PER_THREAD PyObject *ended_now, *ended_record;

/* Whether this thread has executed an attempt, and not been told yet that it ended, nor launched another one since: who
   waits for a future that is done already is told of it in a thread of its own. */
static PER_THREAD int executed_now;

/* The task that this thread is about to launch, and Parsl's record of it: a tuple, or NULL. */
static PER_THREAD PyObject *launched_now;

/* Tell of an attempt that no thread of this process executes; 0, with nothing done, where that is not for us. */
static int launched_elsewhere(Way *way, PyObject *kernel, PyObject *task, PyObject *record, PyObject *future)
{
    Tasks *tasks = way->tasks;
    PyObject *label = of_record(record, N(executor)), *executors, *executor, *begin;
    if (of_record(record, N(from_memo)) != Py_False || of_record(record, N(join)) != Py_False)
        return 0;
    PyObject *number = PyObject_GetAttr(future, N(parsl_executor_task_id));
    executors = number ? PyObject_GetAttr(kernel, N(executors)) : NULL;
    executor = executors && PyDict_CheckExact(executors) ? PyDict_GetItemWithError(executors, label) : NULL;
    begin = executor ? PyDict_GetItemWithError(way->more[2], executor) : NULL;
    PyObject *values[2] = {label, number};
    int told = begin != NULL && PyLong_CheckExact(number) &&
               begin_elsewhere(tasks, task, begin, number, way->more[3], values);
    if (told)
        PyObject_GenericSetAttr(future, N(_trilha_task), task); /* `updating` is quicker with it */
    forget_error();
    Py_XDECREF(number);
    Py_XDECREF(executors);
    return told;
}

/* `DataFlowKernel.launch_task`; `slow` is f(kernel, task, record, future), which tells of what no thread of this
   process executes. More: the mark; f(record), which tells what is used and gives the task; what the names of
   attempts begin with, by executor; and `ATTEMPT`. */
static PyObject *launching(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *record = count == 2 && names == NULL ? args[1] : NULL;
    if (!ON || record == NULL || !PyDict_CheckExact(record))
        return PyObject_Vectorcall(way->original, args, flags, names);
    executed_now = 0;
    expect_statement(tasks);
    PyObject *task = known_by(of_record(record, N(app_fu)), way->more[0]);
    PyObject *awaited = task && IS(task, TASK) ? AT(task, TASK_AWAITED) : NULL;
    if (awaited == NULL || !PyTuple_CheckExact(awaited) || PyTuple_GET_SIZE(awaited) > 0) {
        Py_XDECREF(task);
        task = PyObject_CallOneArg(way->more[1], record);
        if (task == NULL)
            return NULL;
    }
    PyObject *outer = launched_now, *mine = IS(task, TASK) ? PyTuple_Pack(2, task, record) : NULL;
    if (mine == NULL) {
        PyErr_Clear();
        Py_DECREF(task);
        return PyObject_Vectorcall(way->original, args, flags, names);
    }
    launched_now = Py_NewRef(mine);
    PyObject *future = PyObject_Vectorcall(way->original, args, flags, names);
    int taken = launched_now != mine;
    if (!taken)
        Py_DECREF(mine);
    launched_now = outer;
    if (future != NULL && !taken && !launched_elsewhere(way, args[0], task, record, future))
        future = result_or_error(future,
                                 PyObject_CallFunctionObjArgs(way->slow, args[0], task, record, future, NULL));
    Py_DECREF(mine);
    Py_DECREF(task);
    return future;
}

static int is_failure(PyObject *result);

/* What is told of a task when it ends, but for what others have, too; and the names that are asked for then. */
static const int told_at_end[] = {IDENTIFIER, TASK_RESULT, TASK_GENERATION, TASK_TRYING, TASK_USAGES};
static const int asked_at_end[] = {N__trilha_task, N__exception, N__result, N_hashsum, N_app_fu};

/* The task that an executor's future is for, which `launching` has told it, or NULL; the future forgets it, for the
   program may keep that. What the task's end tells is fetched ahead. */
static PyObject *task_of_attempt(Way *way, PyObject *future)
{
    Tasks *tasks = way->tasks;
    PyObject *task = known_by(future, N(_trilha_task));
    if (task == NULL || !IS(task, TASK) || AT(task, TASK_RECORDER) != way->recorder) {
        Py_XDECREF(task);
        return NULL;
    }
    for (int i = 0; i < (int)(sizeof told_at_end / sizeof *told_at_end); i++)
        expect(AT(task, told_at_end[i]), sizeof(PyLongObject));
    if (PyObject_GenericSetAttr(future, N(_trilha_task), Py_None) < 0)
        PyErr_Clear();
    return task;
}

/* `DataFlowKernel.handle_exec_update`; `slow` is f(record, future), which tells of an attempt that may have failed, or
   that a task does not end with. Of any other, the task's end tells. */
static PyObject *updating(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *record = count == 3 && names == NULL ? args[1] : NULL;
    if (!ON || record == NULL || !PyDict_CheckExact(record))
        return PyObject_Vectorcall(way->original, args, flags, names);
    PyObject *task = NULL;
    if (!executed_now) { /* else nothing is as far away, and the executor's future was told of no task */
        expect_statement(tasks);
        for (int i = 0; i < (int)(sizeof asked_at_end / sizeof *asked_at_end); i++)
            expect(tasks->names[asked_at_end[i]], sizeof(PyASCIIObject));
        task = task_of_attempt(way, args[2]);
    }
    executed_now = 0;
    PyObject *error = PyObject_GetAttr(args[2], N(_exception)), *result = PyObject_GetAttr(args[2], N(_result));
    int ends = error == Py_None && result != NULL && !is_failure(result) &&
               (task != NULL || of_record(record, N(join)) == Py_False);
    forget_error();
    Py_XDECREF(error);
    Py_XDECREF(result);
    PyObject *done = ends ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(way->slow, record, args[2], NULL);
    if (done == NULL) {
        Py_XDECREF(task);
        return NULL;
    }
    Py_DECREF(done);
    PyObject *outer = ended_now, *outer_record = ended_record;
    ended_now = ends ? task : NULL;
    ended_record = record;
    PyObject *found = PyObject_Vectorcall(way->original, args, flags, names);
    ended_now = outer;
    ended_record = outer_record;
    if (task != NULL)
        let_go_of(tasks, task);
    return found;
}

/* A function that a thread of this process calls as an attempt. Who keeps it calls it soon, so that the collector
   of cycles, which has to go through all that wait, is not given these. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Way *way; /* that made it */
    PyObject *task, *function, *executor;
    int64_t handed;
    int last;
} Within;

/* Whether `result` is what Parsl hands over where a task raised. */
static int is_failure(PyObject *result)
{
    if (!PyType_HasFeature(Py_TYPE(result), Py_TPFLAGS_HEAPTYPE))
        return 0; /* of no class in Python */
    const char *name = Py_TYPE(result)->tp_name, *end = strrchr(name, '.');
    return strcmp(end ? end + 1 : name, "RemoteExceptionWrapper") == 0;
}

static PyObject *within_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Within *within = (Within *)self;
    Way *way = within->way;
    Tasks *tasks = way->tasks;
    PyObject *attempt = NULL;
    Py_INCREF(self);
    if (ON) {
        PyObject *values = PyTuple_Pack(1, within->executor);
        if (values != NULL)
            attempt = begin_attempt(tasks, within->task, within->handed, way->more[1], values);
        if (attempt == NULL)
            count_lost(tasks, way->recorder);
        Py_XDECREF(values);
    }
    PyObject *result = PyObject_Vectorcall(within->function, args, flags, names);
    executed_now = 1;
    if (attempt == NULL)
        ;
    else if (result == NULL) {
        PyObject *error = take_error();
        error_again(error, PyObject_CallFunctionObjArgs(way->slow, attempt, error, NULL));
    } else if (within->last && !is_failure(result))
        end_attempt(tasks, attempt);
    else
        result = result_or_error(result, PyObject_CallFunctionObjArgs(way->more[0], attempt, result, NULL));
    Py_XDECREF(attempt);
    Py_DECREF(self);
    return result;
}

/* `submit` of Parsl's pool of threads; `slow` is f(attempt, error), which tells of an attempt that failed. More:
   f(attempt, result), of one that may have; `EXECUTOR`; and the type `Within`. */
static PyObject *executing(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *known = launched_now, *result = NULL;
    Py_ssize_t all = count + (names ? PyTuple_GET_SIZE(names) : 0);
    PyObject *record = known ? PyTuple_GET_ITEM(known, 1) : NULL;
    if (!ON || known == NULL || count < 2 || all > MOST || args[1] != of_record(record, N(func)))
        return PyObject_Vectorcall(way->original, args, flags, names);
    launched_now = NULL; /* `known` is ours now */
    PyTypeObject *type = (PyTypeObject *)way->more[2];
    Within *within = (Within *)type->tp_alloc(type, 0);
    if (within != NULL) {
        within->call = within_call;
        within->way = (Way *)Py_NewRef(self);
        within->task = Py_NewRef(PyTuple_GET_ITEM(known, 0));
        within->function = Py_NewRef(args[1]);
        within->executor = Py_NewRef(of_record(record, N(executor)));
        within->last = of_record(record, N(join)) == Py_False;
        within->handed = now();
        result = instead(way, args, count, names, 1, (PyObject *)within);
    } else {
        count_lost(tasks, way->recorder);
        result = PyObject_Vectorcall(way->original, args, flags, names);
    }
    Py_XDECREF(within);
    Py_DECREF(known);
    return result;
}

/* What Parsl calls the state that a task ends with, borrowed; NULL with an exception. */
static PyObject *name_of_state(Tasks *tasks, PyObject *state)
{
    if (state == tasks->state)
        return tasks->state_name;
    PyObject *name = PyObject_GetAttr(state, N(_name_));
    if (name != NULL) {
        Py_XSETREF(tasks->state, Py_NewRef(state));
        Py_XSETREF(tasks->state_name, name);
    }
    return name;
}

/* `DataFlowKernel._complete_task_result`; `slow` is f(record, state, result). More: the mark. */
static PyObject *completing(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *record = count == 4 && names == NULL ? args[1] : NULL, *done = NULL;
    if (!ON || record == NULL || !PyDict_CheckExact(record))
        return PyObject_Vectorcall(way->original, args, flags, names);
    int launched = ended_now != NULL && ended_record == record; /* by `launching`, which no join is */
    PyObject *task = launched ? Py_NewRef(ended_now) : known_by(of_record(record, N(app_fu)), way->more[0]);
    ended_now = NULL;
    int ended = 0;
    if (task != NULL && IS(task, TASK) && (launched || of_record(record, N(joins)) == Py_None) &&
        of_record(record, N(hashsum)) == Py_None && AT(task, TASK_AWAITED) == tasks->nothing &&
        AT(task, TASK_OUTPUTS) == tasks->nothing) {
        PyObject *state = name_of_state(tasks, args[2]);
        ended = state ? end_task(tasks, task, state, args[3]) : -1;
        if (ended < 0)
            count_lost(tasks, way->recorder);
    }
    if (!ended) {
        Py_XDECREF(task);
        done = PyObject_CallFunctionObjArgs(way->slow, record, args[2], args[3], NULL);
        if (done == NULL)
            return NULL;
        Py_DECREF(done);
        return PyObject_Vectorcall(way->original, args, flags, names);
    }
    /* Whoever asks for what the task gave is told the same by either. Afterwards the future is in the caches. */
    PyObject *future = Py_NewRef(of_record(record, N(app_fu)));
    PyObject *found = PyObject_Vectorcall(way->original, args, flags, names), *error = found ? NULL : take_error();
    if (PyObject_SetAttr(future, way->more[0], AT(task, TASK_RESULT)) < 0)
        count_lost(tasks, way->recorder);
    let_go_of(tasks, task);
    Py_DECREF(future);
    if (error != NULL)
        raise_again(error);
    return found;
}

#endif
