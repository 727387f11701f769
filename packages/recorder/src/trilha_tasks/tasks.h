/* A task's begin, its attempt and its end, and the shapes that state them, as `trilha.capture.tasks`, `attempts`
   and `shaped` have them: the same objects, whose slots are filled here as they are there.

   Here is what is ordinary: a call with plain arguments, executed by a thread of this process, that gives a plain
   result. What is not says so before anything is done. */

#ifndef TRILHA_TASKS_H
#define TRILHA_TASKS_H

#include "../journal.h"
#include "packing.h"

#define MOST 64      /* contents of a shape */
#define LONGEST 2048 /* bytes of a payload */
#define LONG_TEXT 200
#define TOGETHER 8   /* usages that are said together with their task, as `tasks.TOGETHER` */

/* -- the classes, and where their objects have what --------------------------------------------------------- */

enum { PROCESS, RECORDER, SHAPE, ALIKE, CALLEE, TASK, HANDED, ATTEMPT, INSIDE, CLASSES };

enum {
    PROCESS_RECORDER,
    FILE_OF, SHAPES, NUMBERS, RUN, BEGUN, WAITS, FILES, CALLEES,
    SHAPE_RECORDER, SHAPE_NUMBER, SHAPE_WITHIN,
    ALIKE_RECORDER, ALIKE_LABEL, ALIKE_BEGINS, ALIKE_ENDS, ALIKE_RECENT,
    CALLEE_CALLED, CALLEE_TOLD,
    IDENTIFIER, LABEL, ENCLOSING, BLOCKS, USED, /* of tasks and attempts alike */
    TASK_ALIKE, TASK_RECORDER, TASK_AT, TASK_RESULT, TASK_ATTEMPTS, TASK_OVER, TASK_AWAITED, TASK_OUTPUTS,
    TASK_LAST, TASK_USAGES,
    HANDED_FUTURES, HANDED_FUNCTION, HANDED_HAS_RESULT,
    ATTEMPT_AT, ATTEMPT_RAN, ATTEMPT_TASK, INSIDE_BEGAN, INSIDE_COUNT, INSIDE_KEYS, INSIDE_RESET, INSIDE_SPENT,
    INSIDE_VALUES, INSIDE_WAITED,
    PLACES
};

static const struct { int of; const char *name; } slots_of[PLACES] = {
    {PROCESS, "recorder"},
    {RECORDER, "file"}, {RECORDER, "shapes"}, {RECORDER, "numbers"}, {RECORDER, "run"}, {RECORDER, "begun"},
    {RECORDER, "waits"}, {RECORDER, "files"}, {RECORDER, "callees"},
    {SHAPE, "_recorder"}, {SHAPE, "_number"}, {SHAPE, "_within"},
    {ALIKE, "recorder"}, {ALIKE, "label"}, {ALIKE, "begins"}, {ALIKE, "ends"}, {ALIKE, "recent"},
    {CALLEE, "called"}, {CALLEE, "told"},
    {TASK, "identifier"}, {TASK, "label"}, {TASK, "enclosing"}, {TASK, "_blocks"}, {TASK, "_used"},
    {TASK, "alike"}, {TASK, "recorder"}, {TASK, "at"}, {TASK, "result"}, {TASK, "attempts"}, {TASK, "over"},
    {TASK, "awaited"}, {TASK, "outputs"}, {TASK, "last"}, {TASK, "_usages"},
    {HANDED, "_futures"}, {HANDED, "function"}, {HANDED, "has_result"},
    {ATTEMPT, "at"}, {ATTEMPT, "ran"}, {ATTEMPT, "task"}, {INSIDE, "_began"}, {INSIDE, "_count"}, {INSIDE, "_keys"},
    {INSIDE, "_reset"}, {INSIDE, "_spent"}, {INSIDE, "_values"}, {INSIDE, "_waited"}};

#define NAMES(_)                                                                                              \
    _(_writing) _(lost) _(state) _(state_begun) _(settle) _(over) _(gave) _(cancelled) _(identifier) _(_name) _(_trilha_handed)  \
    _(_name_) _(app_fu) _(func) _(func_name) _(args) _(kwargs) _(join) _(joins) _(hashsum) _(executor) _(id)  \
    _(dfk) _(from_memo) _(executors) _(parsl_executor_task_id) _(add_done_callback) _(FINISHED) _(_exception)    \
    _(_result) _(last) _(finished) _(parsl) _(stands_for) _(_state) _(PENDING) _(RUNNING) _(f_locals) _(logdir)      \
    _(tid) _(attempt)

enum {
#define NAME(name) N_##name,
    NAMES(NAME)
#undef NAME
    COUNT_OF_NAMES
};

typedef struct {
    PyObject_HEAD
    PyTypeObject *classes[CLASSES];
    PyObject *process, *variable; /* what is recorded into, and the current activity */
    PyObject *told, *measured, *given; /* `attempts._TOLD`, `_MEASURED` and `_GIVEN` */
    PyObject *nothing;            /* () */
    PyObject *names[COUNT_OF_NAMES];
    PyObject *how; /* the key of an attempt whose begin is told with its end, as the last one had it */
    Mapped mapped;
    Py_ssize_t places[PLACES];
} Tasks;

#define AT(object, place) (*slot((PyObject *)(object), tasks->places[place]))
#define N(name) (tasks->names[N_##name])
#define IS(object, class) Py_IS_TYPE((PyObject *)(object), tasks->classes[class])

/* The exception that there is: taken, to be raised again or let go of. */
static PyObject *take_error(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace != NULL && error != NULL)
        PyException_SetTraceback(error, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return error;
#endif
}

static void raise_again(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

/* An error of our own is counted, and the program never sees it. */
static void count_lost(Tasks *tasks, PyObject *recorder)
{
    PyErr_Clear();
    PyObject *lost = PyObject_GetAttr(recorder, N(lost)), *one = PyLong_FromLong(1);
    PyObject *sum = lost && one ? PyNumber_Add(lost, one) : NULL;
    if (sum == NULL || PyObject_SetAttr(recorder, N(lost), sum) < 0)
        PyErr_Clear();
    Py_XDECREF(lost);
    Py_XDECREF(one);
    Py_XDECREF(sum);
}

/* The recorder of this process, borrowed; NULL for none. */
static inline PyObject *recorder_now(Tasks *tasks)
{
    PyObject *found = AT(tasks->process, PROCESS_RECORDER);
    return found == Py_None ? NULL : found;
}

/* Let go of an exception, if there is one. */
static inline void forget_error(void)
{
    if (PyErr_Occurred())
        PyErr_Clear();
}

/* What a weak reference is to, whether it is `thing`. */
static inline int refers_to(PyObject *reference, PyObject *thing)
{
    if (reference == NULL || !PyWeakref_CheckRefExact(reference))
        return 0;
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *found = NULL;
    if (PyWeakref_GetRef(reference, &found) < 0)
        PyErr_Clear();
    Py_XDECREF(found);
    return found == thing;
#else
    return PyWeakref_GET_OBJECT(reference) == thing;
#endif
}

/* `values.stands_for_itself`: None, or a plain value that the journal has as it is. */
static int stands_for_itself(PyObject *value)
{
    if (PyLong_CheckExact(value)) {
        int over;
        PyLong_AsLongLongAndOverflow(value, &over);
        return !over;
    }
    if (PyUnicode_CheckExact(value))
        return PyUnicode_GET_LENGTH(value) <= LONG_TEXT;
    return value == Py_None || PyBool_Check(value) || PyFloat_CheckExact(value);
}

static int64_t cpu_time(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
#else
    return 0;
#endif
}

/* -- shapes -------------------------------------------------------------------------------------------------- */

/* The head of what states a shape whose number is known, with `count` contents, in `payload`, of `LONGEST` bytes;
   gives where it ends, or NULL, without an exception, where that is not for us. */
static unsigned char *begin_shape(Tasks *tasks, PyObject *shape, unsigned char *payload, Py_ssize_t count)
{
    if (!IS(shape, SHAPE) || count > MOST)
        return NULL;
    PyObject *recorder = AT(shape, SHAPE_RECORDER), *number = AT(shape, SHAPE_NUMBER);
    if (recorder == NULL || !IS(recorder, RECORDER) || number == NULL || !PyLong_CheckExact(number) ||
        AT(recorder, SHAPES) != AT(shape, SHAPE_WITHIN) || AT(recorder, FILE_OF) == NULL)
        return NULL;
    unsigned char *at = pack_array(payload, count + 2);
    *at++ = 0;
    unsigned char *numbered = at;
    at = pack_value(at, payload + LONGEST, number);
    return at == NULL || *numbered == 0 ? NULL : at;
}

/* Append what `begin_shape` began, which ends at `at`; 0, with nothing done, where that is not for us. */
static int end_shape(Tasks *tasks, PyObject *shape, const unsigned char *payload, const unsigned char *at)
{
    size_t length = (size_t)(at - payload);
    PyObject *file = AT(AT(shape, SHAPE_RECORDER), FILE_OF);
    return append_payload(&tasks->mapped, file, payload, length, check_of(payload, length));
}

/* State a shape whose number is known, of plain contents; 0, with nothing done, where that is not for us. */
static int append_shape(Tasks *tasks, PyObject *shape, PyObject *const *contents, Py_ssize_t count)
{
    unsigned char payload[LONGEST], *at = begin_shape(tasks, shape, payload, count);
    for (Py_ssize_t i = 0; i < count && at != NULL; i++)
        at = pack_value(at, payload + LONGEST, contents[i]);
    return at != NULL && end_shape(tasks, shape, payload, at);
}

/* State a shape: `cells` are itself and the contents. 0; or -1 with an exception. */
static int state(Tasks *tasks, PyObject *const *cells, Py_ssize_t count)
{
    if (append_shape(tasks, cells[0], cells + 1, count - 1))
        return 0;
    PyObject *done = PyObject_VectorcallMethod(N(state), cells, (size_t)count, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* -- a task's begin -------------------------------------------------------------------------------------------- */

/* The next number of the run. */
static inline PyObject *next_number(Tasks *tasks, PyObject *recorder)
{
    PyObject *numbers = AT(recorder, NUMBERS);
    PyObject *found = numbers && PyIter_Check(numbers) ? Py_TYPE(numbers)->tp_iternext(numbers) : NULL;
    if (found == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "no numbers are left");
    return found;
}

/* The activity that this thread is in. */
static PyObject *current(Tasks *tasks, PyObject *recorder)
{
    PyObject *found = NULL;
    if (PyContextVar_Get(tasks->variable, NULL, &found) < 0)
        return NULL;
    if (found != NULL && found != Py_None)
        return found;
    Py_XDECREF(found);
    return Py_XNewRef(AT(recorder, RUN));
}

/* Number the usages of `uses` entities, of which `cells` gets usage and entity in turn; the task knows them from then
   on, as `Task._begin` has it. The numbers belong to what the task holds. 0, or -1 with an exception. */
static int use_entities(Tasks *tasks, PyObject *task, PyObject *const *entities, Py_ssize_t uses, PyObject **cells)
{
    PyObject *recorder = AT(task, TASK_RECORDER), *used = PyDict_New(), *usages = PyDict_New();
    AT(task, USED) = used;
    AT(task, TASK_USAGES) = usages;
    if (used == NULL || usages == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < uses; i++) {
        PyObject *usage = next_number(tasks, recorder);
        cells[2 * i] = usage; /* the caller's */
        cells[2 * i + 1] = entities[i];
        if (usage == NULL || PyDict_SetItem(used, entities[i], usage) < 0 ||
            PyDict_SetItem(usages, entities[i], usage) < 0)
            return -1;
    }
    return 0;
}

/* `Task._begin`: a task of the class `type` that is handed over now, with `count` values, which uses `uses` entities.

   It holds nothing of the program's that could lead back to it, so the collector of cycles need not look at it,
   of which there are as many as the program keeps futures. */
static PyObject *begin_task(Tasks *tasks, int type, PyObject *alike, PyObject *const *values, Py_ssize_t count,
                            PyObject *const *entities, Py_ssize_t uses)
{
    PyTypeObject *class = tasks->classes[type];
    PyObject *recorder = AT(alike, ALIKE_RECORDER);
    PyObject *task = class->tp_alloc(class, 0);
    if (task == NULL)
        return NULL;
    AT(task, TASK_AT) = PyLong_FromLongLong(now());
    AT(task, IDENTIFIER) = next_number(tasks, recorder);
    AT(task, ENCLOSING) = AT(task, IDENTIFIER) ? current(tasks, recorder) : NULL;
    AT(task, TASK_RESULT) = AT(task, ENCLOSING) ? next_number(tasks, recorder) : NULL;
    PyObject *place = AT(task, TASK_RESULT) ? PyObject_GetAttr(AT(task, ENCLOSING), N(identifier)) : NULL;
    AT(task, TASK_ATTEMPTS) = PyLong_FromLong(0);
    if (place == NULL || AT(task, TASK_AT) == NULL) {
        Py_XDECREF(place);
        Py_DECREF(task);
        return NULL;
    }
    AT(task, LABEL) = Py_NewRef(AT(alike, ALIKE_LABEL));
    AT(task, BLOCKS) = Py_NewRef(Py_None);
    AT(task, TASK_ALIKE) = Py_NewRef(alike);
    AT(task, TASK_RECORDER) = Py_NewRef(recorder);
    AT(task, TASK_OVER) = Py_NewRef(Py_False);
    AT(task, TASK_AWAITED) = Py_NewRef(tasks->nothing);
    AT(task, TASK_OUTPUTS) = Py_NewRef(tasks->nothing);
    AT(task, TASK_LAST) = Py_NewRef(Py_None);
    PyObject *cells[MOST + 1] = {AT(alike, ALIKE_BEGINS), AT(task, IDENTIFIER), AT(task, TASK_AT), place};
    memcpy(cells + 4, values, (size_t)count * sizeof *values);
    PyObject **used = cells + 4 + count;
    int wrong = 0;
    if (uses > 0)
        wrong = use_entities(tasks, task, entities, uses, used) < 0;
    else {
        AT(task, USED) = Py_NewRef(Py_None);
        AT(task, TASK_USAGES) = Py_NewRef(Py_None);
    }
    PyObject_GC_UnTrack(task);
    if (wrong || state(tasks, cells, 4 + count + 2 * uses) < 0)
        Py_CLEAR(task);
    for (Py_ssize_t i = 0; i < uses; i++)
        Py_XDECREF(used[2 * i]);
    Py_DECREF(place);
    return task;
}

/* What is known of calls of `function` that are told alike, by `key`; borrowed, NULL for nothing. */
static PyObject *alike_of(Tasks *tasks, PyObject *recorder, PyObject *function, PyObject *key)
{
    PyObject *callees = AT(recorder, CALLEES), *id = PyLong_FromVoidPtr(function), *found = NULL;
    if (callees != NULL && id != NULL && PyDict_CheckExact(callees)) {
        PyObject *callee = PyDict_GetItemWithError(callees, id);
        if (callee != NULL && IS(callee, CALLEE) && refers_to(AT(callee, CALLEE_CALLED), function)) {
            PyObject *told = AT(callee, CALLEE_TOLD);
            found = told != NULL && PyDict_CheckExact(told) ? PyDict_GetItemWithError(told, key) : NULL;
        }
    }
    Py_XDECREF(id);
    forget_error();
    return found != NULL && IS(found, ALIKE) ? found : NULL;
}

static int all_plain(PyObject *const *values, Py_ssize_t count)
{
    if (count > MOST - 8)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!stands_for_itself(values[i]))
            return 0;
    return 1;
}

/* -- an attempt of it in this thread ------------------------------------------------------------------------- */

/* `Inside(task, handed, keys, values)`. */
static PyObject *begin_attempt(Tasks *tasks, PyObject *task, int64_t handed, PyObject *keys, PyObject *values)
{
    PyObject *recorder = AT(task, TASK_RECORDER);
    PyTypeObject *class = tasks->classes[INSIDE];
    long before = PyLong_AsLong(AT(task, TASK_ATTEMPTS));
    if (before < 0)
        return NULL;
    PyObject *attempt = class->tp_alloc(class, 0), *begun = AT(recorder, BEGUN);
    if (attempt == NULL)
        return NULL;
    int64_t began = now();
    AT(attempt, INSIDE_COUNT) = PyLong_FromLong(before + 1);
    AT(attempt, INSIDE_BEGAN) = PyLong_FromLongLong(began);
    AT(attempt, INSIDE_WAITED) = PyFloat_FromDouble((double)(began - handed) / 1e9);
    AT(attempt, IDENTIFIER) = next_number(tasks, recorder);
    if (!AT(attempt, INSIDE_COUNT) || !AT(attempt, INSIDE_BEGAN) || !AT(attempt, INSIDE_WAITED) ||
        !AT(attempt, IDENTIFIER))
        goto wrong;
    Py_XSETREF(AT(task, TASK_ATTEMPTS), Py_NewRef(AT(attempt, INSIDE_COUNT)));
    AT(attempt, ATTEMPT_TASK) = Py_NewRef(task);
    AT(attempt, ENCLOSING) = Py_NewRef(task);
    AT(attempt, LABEL) = Py_NewRef(AT(task, LABEL));
    AT(attempt, ATTEMPT_AT) = Py_NewRef(AT(attempt, INSIDE_BEGAN));
    AT(attempt, ATTEMPT_RAN) = Py_NewRef(tasks->nothing);
    AT(attempt, BLOCKS) = Py_NewRef(Py_None);
    AT(attempt, USED) = Py_NewRef(Py_None);
    AT(attempt, INSIDE_KEYS) = Py_NewRef(keys);
    AT(attempt, INSIDE_VALUES) = Py_NewRef(values);
    if (begun == NULL || !PyDict_CheckExact(begun) || PyDict_SetItem(begun, attempt, Py_None) < 0)
        goto wrong;
    if (AT(recorder, WAITS) != Py_True) {
        PyObject *done = PyObject_CallMethodNoArgs(recorder, N(state_begun));
        if (done == NULL)
            goto wrong;
        Py_DECREF(done);
    }
    AT(attempt, INSIDE_SPENT) = PyLong_FromLongLong(cpu_time());
    AT(attempt, INSIDE_RESET) = AT(attempt, INSIDE_SPENT) ? PyContextVar_Set(tasks->variable, attempt) : NULL;
    if (AT(attempt, INSIDE_RESET) == NULL)
        goto wrong;
    return attempt;
wrong:
    Py_DECREF(attempt);
    return NULL;
}

/* Whether files that the program writes are to be looked at when an attempt ends. */
static int writes_files(Tasks *tasks, PyObject *recorder)
{
    PyObject *files = AT(recorder, FILES), *writing = files ? PyObject_GetAttr(files, N(_writing)) : NULL;
    int found = writing == NULL || !PyDict_CheckExact(writing) || PyDict_GET_SIZE(writing) > 0;
    Py_XDECREF(writing);
    forget_error();
    return found;
}

/* What `attempt_ends` is to be given for an attempt whose begin is told along. */
static PyObject *how_of(Tasks *tasks, PyObject *attempt)
{
    PyObject *count = AT(attempt, INSIDE_COUNT), *keys = AT(attempt, INSIDE_KEYS), *how = tasks->how;
    if (how == NULL || PyTuple_GET_ITEM(how, 0) != count || PyTuple_GET_ITEM(how, 1) != keys) {
        how = PyTuple_Pack(3, count, keys, tasks->measured);
        if (how == NULL)
            return NULL;
        Py_XSETREF(tasks->how, how);
    }
    return Py_NewRef(how);
}

/* The contents of the attempt's part of its task's end. */
static PyObject *contents_of(Tasks *tasks, PyObject *attempt, int64_t at, int64_t spent, int told)
{
    PyObject *values = AT(attempt, INSIDE_VALUES);
    Py_ssize_t more = told ? 0 : 1 + PyTuple_GET_SIZE(values);
    long long began = PyLong_AsLongLong(AT(attempt, INSIDE_BEGAN));
    PyObject *contents = PyTuple_New(5 + more);
    PyObject *took = PyFloat_FromDouble((double)(at - began) / 1e9), *cpu = PyFloat_FromDouble((double)spent / 1e9);
    if (contents == NULL || took == NULL || cpu == NULL) {
        Py_XDECREF(contents);
        Py_XDECREF(took);
        Py_XDECREF(cpu);
        return NULL;
    }
    PyTuple_SET_ITEM(contents, 0, Py_NewRef(AT(attempt, IDENTIFIER)));
    PyTuple_SET_ITEM(contents, 1, Py_NewRef(AT(attempt, ATTEMPT_AT)));
    PyTuple_SET_ITEM(contents, 2, Py_NewRef(AT(attempt, INSIDE_WAITED)));
    PyTuple_SET_ITEM(contents, 3, took);
    PyTuple_SET_ITEM(contents, 4, cpu);
    if (!told) {
        PyTuple_SET_ITEM(contents, 5, Py_NewRef(AT(attempt, INSIDE_BEGAN)));
        for (Py_ssize_t i = 0; i < more - 1; i++)
            PyTuple_SET_ITEM(contents, 6 + i, Py_NewRef(PyTuple_GET_ITEM(values, i)));
    }
    return contents;
}

/* `Inside.over(None, last=True)`. */
static void end_attempt(Tasks *tasks, PyObject *attempt)
{
    int64_t spent = cpu_time() - PyLong_AsLongLong(AT(attempt, INSIDE_SPENT));
    PyObject *task = AT(attempt, ATTEMPT_TASK), *recorder = AT(task, TASK_RECORDER);
    if (PyContextVar_Reset(tasks->variable, AT(attempt, INSIDE_RESET)) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            count_lost(tasks, recorder);
            return;
        }
        PyErr_Clear();
    }
    if (recorder_now(tasks) != recorder)
        return;
    int64_t at = now();
    PyObject *when = PyLong_FromLongLong(at), *how = NULL, *contents = NULL, *last = NULL;
    if (when == NULL)
        goto out;
    Py_XSETREF(AT(attempt, ATTEMPT_AT), when);
    if (writes_files(tasks, recorder)) {
        PyObject *files = Py_XNewRef(AT(recorder, FILES));
        PyObject *done = files ? PyObject_CallMethodObjArgs(files, N(settle), attempt, when, NULL) : NULL;
        Py_XDECREF(files);
        if (done == NULL)
            goto out;
        Py_DECREF(done);
    }
    PyObject *begun = AT(recorder, BEGUN);
    if (begun == NULL || !PyDict_CheckExact(begun))
        goto out;
    int told = PyDict_GetItemWithError(begun, attempt) == NULL;
    if (PyErr_Occurred() || (!told && PyDict_DelItem(begun, attempt) < 0))
        goto out;
    contents = contents_of(tasks, attempt, at, spent, told);
    how = told ? Py_NewRef(tasks->told) : how_of(tasks, attempt);
    last = contents && how ? PyTuple_Pack(3, attempt, how, contents) : NULL;
    if (last != NULL)
        Py_XSETREF(AT(task, TASK_LAST), Py_NewRef(last));
out:
    if (last == NULL)
        count_lost(tasks, recorder);
    Py_XDECREF(how);
    Py_XDECREF(contents);
    Py_XDECREF(last);
}

/* -- an attempt of it elsewhere ------------------------------------------------------------------------------ */

/* `Attempt(task, *facts, name=name)`, whose begin others have been told alike with; NULL without an exception where
   that is not for us. `keys` and `values` are of its facts. */
static PyObject *begin_elsewhere(Tasks *tasks, PyObject *task, PyObject *name, PyObject *keys,
                                 PyObject *const *values)
{
    PyObject *recorder = AT(task, TASK_RECORDER), *shapes = AT(recorder, SHAPES);
    PyTypeObject *class = tasks->classes[ATTEMPT];
    long before = PyLong_AsLong(AT(task, TASK_ATTEMPTS));
    PyObject *count = before < 0 ? NULL : PyLong_FromLong(before + 1);
    PyObject *key = count ? PyTuple_Pack(3, AT(task, TASK_ALIKE), count, keys) : NULL;
    PyObject *shape = key && PyDict_CheckExact(shapes) ? Py_XNewRef(PyDict_GetItemWithError(shapes, key)) : NULL;
    PyObject *attempt = shape ? class->tp_alloc(class, 0) : NULL, *at = attempt ? PyLong_FromLongLong(now()) : NULL;
    Py_XDECREF(key);
    if (at == NULL) {
        Py_XDECREF(count);
        Py_XDECREF(shape);
        Py_XDECREF(attempt);
        forget_error();
        return NULL;
    }
    Py_XSETREF(AT(task, TASK_ATTEMPTS), count);
    AT(attempt, IDENTIFIER) = Py_NewRef(name);
    AT(attempt, ATTEMPT_TASK) = Py_NewRef(task);
    AT(attempt, ENCLOSING) = Py_NewRef(task);
    AT(attempt, LABEL) = Py_NewRef(AT(task, LABEL));
    AT(attempt, ATTEMPT_AT) = at;
    AT(attempt, ATTEMPT_RAN) = Py_NewRef(tasks->nothing);
    AT(attempt, BLOCKS) = Py_NewRef(Py_None);
    AT(attempt, USED) = Py_NewRef(Py_None);
    PyObject_GC_UnTrack(attempt); /* as `begin_task` */
    PyObject *cells[MOST] = {shape, name, at, AT(task, IDENTIFIER)};
    Py_ssize_t more = PyTuple_GET_SIZE(keys);
    memcpy(cells + 4, values, (size_t)more * sizeof *values);
    if (state(tasks, cells, 4 + more) < 0)
        count_lost(tasks, recorder);
    Py_DECREF(shape);
    return attempt;
}

/* `Attempt.gave_result`; 0, or -1 with an exception. */
static int give_result(Tasks *tasks, PyObject *attempt)
{
    PyObject *at = PyLong_FromLongLong(now());
    PyObject *contents = at ? PyTuple_Pack(2, AT(attempt, IDENTIFIER), at) : NULL;
    PyObject *last = contents ? PyTuple_Pack(3, attempt, tasks->given, contents) : NULL;
    Py_XDECREF(contents);
    if (last == NULL) {
        Py_XDECREF(at);
        return -1;
    }
    Py_XSETREF(AT(attempt, ATTEMPT_AT), at);
    Py_XSETREF(AT(AT(attempt, ATTEMPT_TASK), TASK_LAST), last);
    return 0;
}

#endif
