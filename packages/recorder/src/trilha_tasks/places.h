/* What `trilha_tasks` knows of the classes in Python whose objects it fills, and the names that it asks for. */

#ifndef TRILHA_PLACES_H
#define TRILHA_PLACES_H

#include "../journal.h"
#include "packing.h"

#define LONG_TEXT 200
#define OVER 32 /* tasks that are over and still here, at most */

/* -- the classes, and where their objects have what --------------------------------------------------------- */

enum { PROCESS, RECORDER, SHAPE, ALIKE, CALLEE, TASK, HANDED, ATTEMPT, INSIDE, CLASSES };

enum {
    PROCESS_RECORDER,
    FILE_OF, SHAPES, NUMBERS, RUN, BEGUN, WAITS, FILES, CALLEES,
    SHAPE_RECORDER, SHAPE_NUMBER, SHAPE_WITHIN,
    ALIKE_RECORDER, ALIKE_LABEL, ALIKE_BEGINS, ALIKE_ENDS, ALIKE_RECENT, ALIKE_TRIES,
    CALLEE_CALLED, CALLEE_TOLD,
    IDENTIFIER, LABEL, ENCLOSING, BLOCKS, USED, /* of tasks and attempts alike */
    TASK_ALIKE, TASK_RECORDER, TASK_AT, TASK_RESULT, TASK_ATTEMPTS, TASK_OVER, TASK_AWAITED, TASK_OUTPUTS,
    TASK_LAST, TASK_USAGES, TASK_TRYING, TASK_NAMED, TASK_GENERATION,
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
    {ALIKE, "tries"},
    {CALLEE, "called"}, {CALLEE, "told"},
    {TASK, "identifier"}, {TASK, "label"}, {TASK, "enclosing"}, {TASK, "_blocks"}, {TASK, "_used"},
    {TASK, "alike"}, {TASK, "recorder"}, {TASK, "at"}, {TASK, "result"}, {TASK, "attempts"}, {TASK, "over"},
    {TASK, "awaited"}, {TASK, "outputs"}, {TASK, "last"}, {TASK, "_usages"}, {TASK, "trying"}, {TASK, "named"},
    {TASK, "generation"},
    {HANDED, "_futures"}, {HANDED, "function"}, {HANDED, "has_result"},
    {ATTEMPT, "at"}, {ATTEMPT, "ran"}, {ATTEMPT, "task"}, {INSIDE, "_began"}, {INSIDE, "_count"}, {INSIDE, "_keys"},
    {INSIDE, "_reset"}, {INSIDE, "_spent"}, {INSIDE, "_values"}, {INSIDE, "_waited"}};

#define NAMES(_)                                                                                              \
    _(_writing) _(lost) _(state) _(state_begun) _(settle) _(over) _(gave) _(cancelled) _(identifier) _(_name) _(_trilha_handed)  \
    _(_trilha_task)                                                                                           \
    _(_name_) _(app_fu) _(func) _(func_name) _(args) _(kwargs) _(join) _(joins) _(hashsum) _(executor) _(id)  \
    _(dfk) _(from_memo) _(executors) _(parsl_executor_task_id) _(_exception)    \
    _(_result) _(last) _(finished) _(parsl) _(stands_for) _(_state) _(PENDING) _(RUNNING) _(logdir) _(tid)      \
    _(attempt) _(__name__)

enum {
#define NAME(name) N_##name,
    NAMES(NAME)
#undef NAME
    COUNT_OF_NAMES
};

/* Addresses of what was looked at when a task was last told of, to be fetched ahead for the next. Nothing is read there,
   for what it was may be gone.

   A task that ends comes after the process has waited, with nothing of ours in the caches: one thing is found by way of
   the other, and each is waited for, 100 ns or more. What stays the same from task to task can be fetched all at once. */
enum { A_ALIKE, A_RECENT, A_SHAPE, A_NUMBER, A_RECORDER, A_FILE_OF, A_SHAPES, A_FILE, A_LIMIT, A_AT, A_PAGES,
       A_FILES, A_WRITING, A_KNOWN, AHEAD };

typedef struct {
    const void *read[AHEAD];
    unsigned char *written; /* where the journal goes on */
} Ahead;

/* Code that sends or receives messages, and whose it is. */
typedef struct {
    PyObject *code;
    int whose;
} Caller;

#define CALLERS 64

typedef struct {
    PyObject_HEAD
    PyTypeObject *classes[CLASSES];
    PyObject *process, *variable; /* what is recorded into, and the current activity */
    PyObject *told, *measured, *given; /* `attempts._TOLD`, `_MEASURED` and `_GIVEN` */
    PyObject *nothing;            /* () */
    PyObject *names[COUNT_OF_NAMES];
    PyObject *state, *state_name; /* of Parsl's, and what it calls it, as the last task ended with */
    PyObject *how; /* the key of an attempt whose begin is told with its end, as the last one had it */
    Mapped mapped;
    uint16_t places[PLACES]; /* few lines of the processor's cache */
    int over_count;
    PyObject *over[OVER]; /* tasks that nobody knows any more. To let go of one is to look at all that its classes tell
                             of how, which is in no cache when tasks end seldom: so that is done once for many */
    Ahead ahead;
    Caller callers[CALLERS]; /* each at a place that follows from its address */
    int64_t engines_asked;   /* of which process it was last asked whether an engine started it, */
    int engines;             /* and what was said */
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

#endif
