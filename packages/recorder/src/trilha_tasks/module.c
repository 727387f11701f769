/* What a parallel engine calls for each task, in C.

   A `Tasks` knows the classes whose objects it works on (tasks.h), and makes ways: callables that stand in the
   places of functions and methods of Trilha and of the engines. Each does what is ordinary, and has the rest done
   by the function in Python that it is made with. */

#include "tasks.h"

#ifdef _MSC_VER
#define PER_THREAD __declspec(thread)
#else
#define PER_THREAD _Thread_local
#endif

#define MORE 6

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Tasks *tasks;
    PyObject *original, *slow; /* what it stands for, and what does what is not ordinary */
    PyObject *recorder;
    PyObject *more[MORE]; /* by its kind */
    PyObject *dict, *weak;
} Way;

#define SELF                                                                                                  \
    Way *way = (Way *)self;                                                                                   \
    Tasks *tasks = way->tasks;                                                                                \
    Py_ssize_t count = PyVectorcall_NARGS(flags)
#define ON (recorder_now(tasks) == way->recorder)

/* What the program gets, and an error of ours that must be passed on comes before it. */
static PyObject *result_or_error(PyObject *result, PyObject *done)
{
    if (done == NULL)
        Py_CLEAR(result);
    Py_XDECREF(done);
    return result;
}

/* The same for an error that is to be raised again. */
static PyObject *error_again(PyObject *error, PyObject *done)
{
    if (done == NULL)
        Py_DECREF(error);
    else
        raise_again(error);
    Py_XDECREF(done);
    return NULL;
}

/* -- `Shape.state` ------------------------------------------------------------------------------------------- */

static PyObject *stating(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    if (names == NULL && count > 0 && append_shape(tasks, args[0], args + 1, count - 1))
        Py_RETURN_NONE;
    return PyObject_Vectorcall(way->slow, args, flags, names);
}

/* -- pools of threads ---------------------------------------------------------------------------------------- */

/* The name of the thread that this is, in a tuple: more[0] is `threading._active`. */
static PyObject *thread_of(Way *way)
{
    Tasks *tasks = way->tasks;
    PyObject *number = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *thread = number ? PyDict_GetItemWithError(way->more[0], number) : NULL;
    Py_XDECREF(number);
    if (thread == NULL)
        return NULL;
    Py_INCREF(thread);
    PyObject *name = PyObject_GetAttr(thread, N(_name));
    Py_DECREF(thread);
    PyObject *found = name ? PyTuple_Pack(1, name) : NULL;
    Py_XDECREF(name);
    return found;
}

/* `Handed.gave`, whose attempt is over. */
static PyObject *gave(Way *way, PyObject *task, PyObject *result)
{
    Tasks *tasks = way->tasks;
    PyObject *futures = AT(task, HANDED_FUTURES);
    if (AT(task, TASK_OVER) == Py_False && recorder_now(tasks) == AT(task, TASK_RECORDER) && futures != NULL &&
        PyTuple_CheckExact(futures) && PyTuple_GET_SIZE(futures) == 0) {
        int done = end_task(tasks, task, N(finished), result);
        if (done > 0)
            Py_XSETREF(AT(task, HANDED_HAS_RESULT), Py_NewRef(Py_True));
        else if (done < 0)
            count_lost(tasks, AT(task, TASK_RECORDER));
        if (done)
            Py_RETURN_NONE;
    }
    return PyObject_CallMethodOneArg(task, N(gave), result);
}

/* `Handed.__call__`. More: `threading._active`, `THREAD`, and what tells of an attempt that was not the last or
   that failed: f(task, attempt, error). */
static PyObject *calling(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *task = count > 0 ? args[0] : NULL;
    PyObject *recorder = recorder_now(tasks);
    PyObject *name = NULL;
    if (task != NULL && IS(task, HANDED) && AT(task, HANDED_FUNCTION) != NULL && AT(task, TASK_OVER) == Py_False &&
        recorder != NULL && recorder == AT(task, TASK_RECORDER) && (name = thread_of(way)) == NULL)
        PyErr_Clear();
    if (name == NULL)
        return PyObject_Vectorcall(way->slow, args, flags, names);
    Py_INCREF(task);
    /* A program may keep the future, and that would keep the function. */
    PyObject *function = AT(task, HANDED_FUNCTION), *done, *result;
    AT(task, HANDED_FUNCTION) = Py_NewRef(Py_None);
    PyObject *attempt = begin_attempt(tasks, task, PyLong_AsLongLong(AT(task, TASK_AT)), way->more[1], name);
    if (attempt == NULL)
        count_lost(tasks, AT(task, TASK_RECORDER));
    result = PyObject_Vectorcall(function, args + 1, (size_t)(count - 1), names);
    PyObject *error = result ? NULL : take_error();
    if (result != NULL && attempt != NULL && AT(task, TASK_OVER) == Py_False) {
        end_attempt(tasks, attempt);
        done = Py_NewRef(Py_None);
    } else
        done = PyObject_CallFunctionObjArgs(way->more[2], task, attempt ? attempt : Py_None,
                                            error ? error : Py_None, NULL);
    if (error != NULL)
        error_again(error, done);
    else {
        if (done != NULL)
            Py_SETREF(done, gave(way, task, result));
        result = result_or_error(result, done);
    }
    Py_DECREF(function);
    Py_XDECREF(attempt);
    Py_DECREF(name);
    Py_DECREF(task);
    return result;
}

/* Call the original with `function` in the place of argument `place`. */
static PyObject *instead(Way *way, PyObject *const *args, Py_ssize_t count, PyObject *names, Py_ssize_t place,
                         PyObject *function)
{
    PyObject *given[MOST];
    size_t all = (size_t)(count + (names ? PyTuple_GET_SIZE(names) : 0));
    memcpy(given, args, all * sizeof *given);
    given[place] = function;
    return PyObject_Vectorcall(way->original, given, (size_t)count, names);
}

/* Whether what is traced down to the variable is joined to what the run records. */
static int is_joined(Tasks *tasks, PyObject *recorder)
{
    PyObject *join = PyObject_GetAttr(recorder, N(join));
    Py_XDECREF(join);
    forget_error();
    return join != Py_None;
}

/* Whether a future has no result yet. */
static int is_undecided(Tasks *tasks, PyObject *future)
{
    PyObject *state = PyObject_GetAttr(future, N(_state));
    int found = state == N(PENDING) || state == N(RUNNING);
    Py_XDECREF(state);
    forget_error();
    return found;
}

/* `ThreadPoolExecutor.submit`. More: `whose.engines`. What is known of calls is told in Python, by the type of the
   pool and the number of arguments; what is traced down to the variable is joined there, too (`Recorder.join`). */
static PyObject *submitting(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    if (count < 2 || count > MOST)
        return PyObject_Vectorcall(way->slow, args, flags, names);
    PyObject *function = args[1];
    PyObject *kind = PyMethod_Check(function) ? PyMethod_GET_FUNCTION(function) : (PyObject *)Py_TYPE(function);
    int engines = PySet_Contains(way->more[0], kind), joined = is_joined(tasks, way->recorder);
    if (engines > 0 && !joined)
        return PyObject_Vectorcall(way->original, args, flags, names);
    forget_error();
    if (!ON || names != NULL || !all_plain(args + 2, count - 2) || joined)
        return PyObject_Vectorcall(way->slow, args, flags, names);
    PyObject *number = PyLong_FromSsize_t(count - 2);
    PyObject *key = number ? PyTuple_Pack(2, (PyObject *)Py_TYPE(args[0]), number) : NULL;
    PyObject *alike = key ? alike_of(tasks, way->recorder, function, key) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(key);
    forget_error();
    if (alike == NULL)
        return PyObject_Vectorcall(way->slow, args, flags, names);
    PyObject *task = begin_task(tasks, HANDED, alike, args + 2, count - 2);
    if (task == NULL) {
        count_lost(tasks, way->recorder);
        return PyObject_Vectorcall(way->original, args, flags, names);
    }
    AT(task, HANDED_HAS_RESULT) = Py_NewRef(Py_False);
    AT(task, HANDED_FUNCTION) = Py_NewRef(function);
    AT(task, HANDED_FUTURES) = Py_NewRef(tasks->nothing);
    PyObject *future = instead(way, args, count, NULL, 1, task);
    if (future == NULL) {
        PyObject *error = take_error();
        error_again(error, PyObject_CallMethodNoArgs(task, N(cancelled)));
    } else if (PyObject_SetAttr(future, N(_trilha_handed), task) < 0)
        count_lost(tasks, way->recorder);
    else if (AT(task, TASK_OVER) == Py_False && !is_undecided(tasks, future))
        future = result_or_error(future, PyObject_CallMethodOneArg(task, N(stands_for), future));
    Py_DECREF(task);
    return future;
}

/* -- Parsl --------------------------------------------------------------------------------------------------- */

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

/* The task that Parsl's `record` tells of, told as others were; NULL where that is not for us. `kernel` has `last`,
   a weak reference to the kernel that submitted last. */
static PyObject *task_of(Way *way, PyObject *record, PyObject *kernel)
{
    Tasks *tasks = way->tasks;
    PyObject *args = of_record(record, N(args)), *kwargs = of_record(record, N(kwargs)), *key = NULL, *task = NULL;
    PyObject *id = of_record(record, N(id)), *executor = of_record(record, N(executor));
    if (!PyTuple_CheckExact(args) || !PyDict_CheckExact(kwargs) || PyDict_GET_SIZE(kwargs) > 0 ||
        of_record(record, N(join)) != Py_False || !all_plain(&PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args)))
        return NULL;
    PyObject *last = PyObject_GetAttr(kernel, N(last)), *number = PyLong_FromSsize_t(PyTuple_GET_SIZE(args));
    if (refers_to(last, of_record(record, N(dfk))) && number != NULL)
        key = PyTuple_Pack(3, N(parsl), of_record(record, N(func_name)), number);
    PyObject *alike = key ? alike_of(tasks, way->recorder, of_record(record, N(func)), key) : NULL;
    if (alike != NULL) {
        PyObject *values[MOST] = {id, executor};
        memcpy(values + 2, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args) * sizeof *values);
        task = begin_task(tasks, TASK, alike, values, 2 + PyTuple_GET_SIZE(args));
        if (task == NULL)
            count_lost(tasks, way->recorder);
    }
    forget_error();
    Py_XDECREF(last);
    Py_XDECREF(number);
    Py_XDECREF(key);
    return task;
}

/* `AppFuture.__init__`; `slow` is called with the future afterwards. More: the mark, and the kernel. */
static PyObject *promising(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *result = PyObject_Vectorcall(way->original, args, flags, names);
    if (result == NULL || !ON || count < 1)
        return result;
    PyObject *record = count == 2 && names == NULL ? args[1] : NULL;
    PyObject *task = record && PyDict_CheckExact(record) ? task_of(way, record, way->more[1]) : NULL;
    if (task == NULL)
        return result_or_error(result, PyObject_CallOneArg(way->slow, args[0]));
    if (PyObject_SetAttr(args[0], way->more[0], task) < 0)
        count_lost(tasks, way->recorder);
    Py_DECREF(task);
    return result;
}

/* The task that this thread is about to launch, and Parsl's record of it: a tuple, or NULL. */
static PER_THREAD PyObject *launched_now;

/* Told when an executor's future is done: an attempt that no thread of this process executed is over. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Way *way; /* that made it */
    PyObject *attempt;
} Done;

static int is_failure(PyObject *result);

static PyObject *done_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Done *done = (Done *)self;
    Way *way = done->way;
    Tasks *tasks = way->tasks;
    PyObject *attempt = done->attempt;
    if (PyVectorcall_NARGS(flags) != 1 || names != NULL || attempt == NULL || !ON)
        Py_RETURN_NONE;
    done->attempt = NULL; /* ours now: the future may be kept for long */
    PyObject *future = args[0], *told = NULL;
    PyObject *state = PyObject_GetAttr(future, N(_state)), *error = PyObject_GetAttr(future, N(_exception));
    PyObject *result = PyObject_GetAttr(future, N(_result));
    forget_error();
    if (state == N(FINISHED) && error == Py_None && result != NULL && !is_failure(result)) {
        if (give_result(tasks, attempt) < 0)
            count_lost(tasks, way->recorder);
        told = Py_NewRef(Py_None);
    } else
        told = PyObject_CallFunctionObjArgs(way->more[3], attempt, future, NULL);
    Py_XDECREF(state);
    Py_XDECREF(error);
    Py_XDECREF(result);
    Py_DECREF(attempt);
    return told;
}

/* Tell of an attempt that no thread of this process executes; 0, with nothing done, where that is not for us. */
static int launched_elsewhere(Way *way, PyObject *kernel, PyObject *task, PyObject *record, PyObject *future)
{
    Tasks *tasks = way->tasks;
    PyObject *label = of_record(record, N(executor)), *executors, *executor, *begin, *attempt = NULL;
    if (of_record(record, N(from_memo)) != Py_False || of_record(record, N(join)) != Py_False)
        return 0;
    PyObject *number = PyObject_GetAttr(future, N(parsl_executor_task_id));
    executors = number ? PyObject_GetAttr(kernel, N(executors)) : NULL;
    executor = executors && PyDict_CheckExact(executors) ? PyDict_GetItemWithError(executors, label) : NULL;
    begin = executor ? PyDict_GetItemWithError(way->more[2], executor) : NULL;
    if (begin != NULL && PyLong_CheckExact(number)) {
        PyObject *name = PyUnicode_FromFormat("%U%S", begin, number), *values[2] = {label, number};
        attempt = name ? begin_elsewhere(tasks, task, name, way->more[4], values) : NULL;
        Py_XDECREF(name);
    }
    forget_error();
    Py_XDECREF(number);
    Py_XDECREF(executors);
    if (attempt == NULL)
        return 0;
    PyTypeObject *type = (PyTypeObject *)way->more[5];
    Done *done = (Done *)type->tp_alloc(type, 0);
    PyObject *added = NULL;
    if (done != NULL) {
        done->call = done_call;
        done->way = (Way *)Py_NewRef((PyObject *)way);
        done->attempt = Py_NewRef(attempt);
        added = PyObject_CallMethodOneArg(future, N(add_done_callback), (PyObject *)done);
    }
    if (added == NULL)
        count_lost(tasks, way->recorder);
    Py_XDECREF(added);
    Py_XDECREF(done);
    Py_DECREF(attempt);
    return 1;
}

/* `DataFlowKernel.launch_task`; `slow` is f(kernel, task, record, future), which tells of what no thread of this
   process executes. More: the mark; f(record), which tells what is used and gives the task; what the names of
   attempts begin with, by executor; f(attempt, future), which tells of one that is over; `FACTS`; and `Done`. */
static PyObject *launching(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *record = count == 2 && names == NULL ? args[1] : NULL;
    if (!ON || record == NULL || !PyDict_CheckExact(record))
        return PyObject_Vectorcall(way->original, args, flags, names);
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

/* `DataFlowKernel._complete_task_result`; `slow` is f(record, state, result). More: the mark. */
static PyObject *completing(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *record = count == 4 && names == NULL ? args[1] : NULL, *done = NULL;
    if (!ON || record == NULL || !PyDict_CheckExact(record))
        return PyObject_Vectorcall(way->original, args, flags, names);
    PyObject *future = of_record(record, N(app_fu)), *task = known_by(future, way->more[0]);
    int ended = 0;
    if (task != NULL && IS(task, TASK) && of_record(record, N(joins)) == Py_None &&
        of_record(record, N(hashsum)) == Py_None && AT(task, TASK_AWAITED) == tasks->nothing &&
        AT(task, TASK_OUTPUTS) == tasks->nothing) {
        PyObject *state = PyObject_GetAttr(args[2], N(_name_));
        ended = state ? end_task(tasks, task, state, args[3]) : -1;
        Py_XDECREF(state);
        if (ended > 0 && PyObject_SetAttr(future, way->more[0], AT(task, TASK_RESULT)) < 0)
            ended = -1;
        if (ended < 0)
            count_lost(tasks, way->recorder);
    }
    Py_XDECREF(task);
    if (!ended) {
        done = PyObject_CallFunctionObjArgs(way->slow, record, args[2], args[3], NULL);
        if (done == NULL)
            return NULL;
        Py_DECREF(done);
    }
    return PyObject_Vectorcall(way->original, args, flags, names);
}

/* Anything: `slow` is f(error), called with what the original raises. */
static PyObject *watching(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Way *way = (Way *)self;
    Tasks *tasks = way->tasks;
    PyObject *result = PyObject_Vectorcall(way->original, args, flags, names);
    if (result == NULL && ON) {
        PyObject *error = take_error();
        error_again(error, PyObject_CallOneArg(way->slow, error));
    }
    return result;
}

/* -- the types ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    vectorcallfunc call;
    int more;
} kinds[] = {{"stating", stating, 0},     {"calling", calling, 3},     {"submitting", submitting, 1},
             {"promising", promising, 2}, {"launching", launching, 6}, {"executing", executing, 3},
             {"completing", completing, 1}, {"watching", watching, 0}, {NULL, NULL, 0}};

typedef struct {
    PyTypeObject *way, *within, *done;
} State;

static int way_traverse(PyObject *self, visitproc visit, void *arg)
{
    Way *way = (Way *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(way->tasks);
    Py_VISIT(way->original);
    Py_VISIT(way->slow);
    Py_VISIT(way->recorder);
    for (int i = 0; i < MORE; i++)
        Py_VISIT(way->more[i]);
    Py_VISIT(way->dict);
    return 0;
}

/* What it is called with stays: it may be called while that which it belongs to is taken apart. */
static int way_clear(PyObject *self)
{
    Py_CLEAR(((Way *)self)->dict);
    return 0;
}

static void way_deallocate(PyObject *self)
{
    Way *way = (Way *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (way->weak != NULL)
        PyObject_ClearWeakRefs(self);
    Py_CLEAR(way->dict);
    Py_CLEAR(way->original);
    Py_CLEAR(way->slow);
    Py_CLEAR(way->recorder);
    for (int i = 0; i < MORE; i++)
        Py_CLEAR(way->more[i]);
    Py_CLEAR(way->tasks);
    type->tp_free(self);
    Py_DECREF(type);
}

/* On a class it is a method. */
static PyObject *way_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

/* It is pickled as a function is: by its name. */
static PyObject *way_reduce(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyMethodDef way_methods[] = {{"__reduce__", way_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyMemberDef way_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Way, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Way, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Way, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef way_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot way_slots[] = {
    {Py_tp_doc, "Stands in the place of a function that is called for each task."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, way_get},
    {Py_tp_traverse, way_traverse},
    {Py_tp_clear, way_clear},
    {Py_tp_dealloc, way_deallocate},
    {Py_tp_methods, way_methods},
    {Py_tp_members, way_members},
    {Py_tp_getset, way_attributes},
    {0, NULL}};

static PyType_Spec way_spec = {"trilha_tasks.Way", sizeof(Way), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                   Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               way_slots};

static void within_deallocate(PyObject *self)
{
    Within *within = (Within *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(within->task);
    Py_CLEAR(within->function);
    Py_CLEAR(within->executor);
    Py_CLEAR(within->way);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef within_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Within, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot within_slots[] = {
    {Py_tp_doc, "A function that a thread of this process calls as an attempt."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, within_deallocate},
    {Py_tp_members, within_members},
    {0, NULL}};

static PyType_Spec within_spec = {"trilha_tasks.Within", sizeof(Within), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                                      Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  within_slots};

static void done_deallocate(PyObject *self)
{
    Done *done = (Done *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(done->attempt);
    Py_CLEAR(done->way);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef done_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Done, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot done_slots[] = {
    {Py_tp_doc, "Told when an executor's future is done."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, done_deallocate},
    {Py_tp_members, done_members},
    {0, NULL}};

static PyType_Spec done_spec = {"trilha_tasks.Done", sizeof(Done), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                done_slots};

/* way(kind, original, slow, recorder, *more) */
static PyObject *tasks_way(PyObject *self, PyTypeObject *class, PyObject *const *args, Py_ssize_t count,
                           PyObject *names)
{
    State *state = PyType_GetModuleState(class);
    const char *kind = count > 0 && PyUnicode_Check(args[0]) ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (PyErr_Occurred())
        return NULL;
    vectorcallfunc call = NULL;
    for (int i = 0; kind != NULL && kinds[i].name != NULL; i++)
        if (strcmp(kinds[i].name, kind) == 0 && count == 4 + kinds[i].more)
            call = kinds[i].call;
    if (call == NULL || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "way(kind, original, slow, recorder, *more): no such kind");
        return NULL;
    }
    Way *way = (Way *)state->way->tp_alloc(state->way, 0);
    if (way == NULL)
        return NULL;
    way->call = call;
    way->tasks = (Tasks *)Py_NewRef(self);
    way->original = Py_NewRef(args[1]);
    way->slow = Py_NewRef(args[2]);
    way->recorder = Py_NewRef(args[3]);
    for (Py_ssize_t i = 4; i < count; i++)
        way->more[i - 4] = Py_NewRef(args[i]);
    return (PyObject *)way;
}

static PyObject *tasks_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *process, *variable, *classes, *mapped, *told, *measured, *given;
    if (!PyArg_ParseTuple(args, "OOO!O!O!O!O!", &process, &variable, &PyTuple_Type, &classes, &PyType_Type, &mapped,
                          &PyTuple_Type, &told, &PyTuple_Type, &measured, &PyTuple_Type, &given))
        return NULL;
    if (!PyContextVar_CheckExact(variable) || PyTuple_GET_SIZE(classes) != CLASSES - 1) {
        PyErr_SetString(PyExc_TypeError, "a context variable and the classes of tasks are expected");
        return NULL;
    }
    Tasks *tasks = (Tasks *)type->tp_alloc(type, 0);
    if (tasks == NULL)
        return NULL;
    tasks->classes[PROCESS] = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(process));
    int wrong = 0;
    for (int i = 1; i < CLASSES; i++) {
        PyObject *class = PyTuple_GET_ITEM(classes, i - 1);
        wrong = wrong || !PyType_Check(class);
        tasks->classes[i] = (PyTypeObject *)Py_NewRef(class);
    }
    for (int i = 0; i < PLACES && !wrong; i++)
        wrong = (tasks->places[i] = place_of((PyObject *)tasks->classes[slots_of[i].of], slots_of[i].name)) < 0;
    if (!wrong) {
        wrong = find_mapped(&tasks->mapped, (PyTypeObject *)mapped) < 0;
        Py_INCREF(mapped);
    }
    const char *names[] = {
#define NAME(name) #name,
        NAMES(NAME)
#undef NAME
    };
    for (int i = 0; i < COUNT_OF_NAMES && !wrong; i++)
        wrong = (tasks->names[i] = PyUnicode_InternFromString(names[i])) == NULL;
    tasks->process = Py_NewRef(process);
    tasks->variable = Py_NewRef(variable);
    tasks->told = Py_NewRef(told);
    tasks->measured = Py_NewRef(measured);
    tasks->given = Py_NewRef(given);
    tasks->nothing = PyTuple_New(0);
    if (wrong || tasks->nothing == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "the classes of tasks are expected");
        Py_CLEAR(tasks);
    }
    return (PyObject *)tasks;
}

static int tasks_traverse(PyObject *self, visitproc visit, void *arg)
{
    Tasks *tasks = (Tasks *)self;
    Py_VISIT(Py_TYPE(self));
    for (int i = 0; i < CLASSES; i++)
        Py_VISIT(tasks->classes[i]);
    Py_VISIT(tasks->process);
    Py_VISIT(tasks->variable);
    return 0;
}

static void tasks_deallocate(PyObject *self)
{
    Tasks *tasks = (Tasks *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    for (int i = 0; i < CLASSES; i++)
        Py_CLEAR(tasks->classes[i]);
    for (int i = 0; i < COUNT_OF_NAMES; i++)
        Py_CLEAR(tasks->names[i]);
    Py_CLEAR(tasks->process);
    Py_CLEAR(tasks->variable);
    Py_CLEAR(tasks->told);
    Py_CLEAR(tasks->measured);
    Py_CLEAR(tasks->given);
    Py_CLEAR(tasks->nothing);
    Py_CLEAR(tasks->how);
    Py_CLEAR(tasks->mapped.type);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef tasks_methods[] = {
    {"way", (PyCFunction)(void (*)(void))tasks_way, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "way(kind, original, slow, recorder, *more): what stands in the place of `original`."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot tasks_slots[] = {
    {Py_tp_doc, "Tasks(process, variable, classes, mapped, told, measured, given)\n--\n\nMakes ways; knows the classes."},
    {Py_tp_new, tasks_new},
    {Py_tp_traverse, tasks_traverse},
    {Py_tp_dealloc, tasks_deallocate},
    {Py_tp_methods, tasks_methods},
    {0, NULL}};

static PyType_Spec tasks_spec = {
    "trilha_tasks.Tasks", sizeof(Tasks), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, tasks_slots};

/* -- the module ---------------------------------------------------------------------------------------------- */

/* pack(values): MessagePack of each plain value, or None. */
static PyObject *pack(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    unsigned char payload[LONGEST], *at = payload;
    for (Py_ssize_t i = 0; i < count && at != NULL; i++)
        at = pack_value(at, payload + LONGEST, args[i]);
    if (at == NULL)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)payload, at - payload);
}

/* checksum(bytes) */
static PyObject *checksum(PyObject *Py_UNUSED(module), PyObject *bytes)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0)
        return NULL;
    return PyLong_FromUnsignedLong(check_of((unsigned char *)data, (size_t)length));
}

static int execute(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "trilha_tasks relies on the interpreter's lock");
    return -1;
#endif
    State *state = PyModule_GetState(module);
    make_check_table();
    PyObject *tasks = PyType_FromModuleAndSpec(module, &tasks_spec, NULL);
    state->way = (PyTypeObject *)PyType_FromModuleAndSpec(module, &way_spec, NULL);
    state->within = (PyTypeObject *)PyType_FromModuleAndSpec(module, &within_spec, NULL);
    state->done = (PyTypeObject *)PyType_FromModuleAndSpec(module, &done_spec, NULL);
    int wrong = !tasks || !state->way || !state->within || !state->done ||
                PyModule_AddType(module, state->done) < 0 || PyModule_AddType(module, (PyTypeObject *)tasks) < 0 ||
                PyModule_AddType(module, state->way) < 0 || PyModule_AddType(module, state->within) < 0;
    Py_XDECREF(tasks);
    return wrong ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->way);
    Py_VISIT(state->within);
    Py_VISIT(state->done);
    return 0;
}

static PyMethodDef methods[] = {
    {"pack", (PyCFunction)(void (*)(void))pack, METH_FASTCALL, "pack(*values): how the journal has plain values."},
    {"checksum", checksum, METH_O, "checksum(bytes): CRC-32."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_tasks", "What a parallel engine calls for each task, in C.", sizeof(State),
    methods, slots, traverse, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_tasks(void)
{
    return PyModuleDef_Init(&definition);
}
