/* What a worker process of Parsl does for each task: `trilha.capture.integrations.parsl.worker`. */

#ifndef TRILHA_WORKER_H
#define TRILHA_WORKER_H

#include "way.h"

#ifndef _WIN32
#if PY_VERSION_HEX < 0x030c0000 /* later there is `PyFrame_GetVar` */
#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif
#include <sys/resource.h>
#include <unistd.h>

#ifdef __APPLE__
#define RSS_UNIT 1
#else
#define RSS_UNIT 1024
#endif

/* What a process has spent and moved so far. */
typedef struct {
    int64_t at;      /* nanoseconds since 1970-01-01 UTC */
    int64_t spent;   /* CPU time of it and of its children, in microseconds */
    int64_t peak;    /* bytes of memory */
    int64_t read, written; /* bytes; -1 where that is not told */
} Measured;

/* The number behind `name` in `text`, which ends with a zero; -1 if it does not begin with it. `rest` is behind it. */
static int64_t number_behind(const char *text, const char *name, const char **rest)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0)
        return -1;
    int64_t found = 0;
    for (text += length; *text >= '0' && *text <= '9'; text++)
        found = 10 * found + (*text - '0');
    *rest = *text == '\n' ? text + 1 : text;
    return found;
}

/* What the descriptor of `/proc/self/io` tells, which a program may have closed and used again by now. */
static void read_moved(int descriptor, Measured *measured)
{
    char text[256];
    const char *rest = text;
    measured->read = measured->written = -1;
    ssize_t length = descriptor < 0 ? -1 : pread(descriptor, text, sizeof text - 1, 0);
    if (length <= 0)
        return;
    text[length] = 0;
    int64_t read = number_behind(text, "rchar: ", &rest);
    int64_t written = read < 0 ? -1 : number_behind(rest, "wchar: ", &rest);
    if (written >= 0)
        measured->read = read, measured->written = written;
}

/* `_Counters`: the descriptor that was last given, and the process that it is of. */
static int moved_descriptor = -1;
static pid_t moved_of;

/* What was moved so far; `reopen` gives a new descriptor, or -1. */
static void measure_moved(PyObject *reopen, Measured *measured)
{
    read_moved(moved_of == getpid() ? moved_descriptor : -1, measured);
    if (measured->read >= 0)
        return;
    PyObject *number = PyObject_CallNoArgs(reopen);
    moved_descriptor = number && PyLong_CheckExact(number) ? (int)PyLong_AsLong(number) : -1;
    moved_of = getpid();
    Py_XDECREF(number);
    forget_error();
    read_moved(moved_descriptor, measured);
}

static int64_t microseconds(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void measure_usage(Measured *measured)
{
    struct rusage own, children;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    measured->spent = microseconds(&own.ru_utime) + microseconds(&own.ru_stime) + microseconds(&children.ru_utime) +
                      microseconds(&children.ru_stime);
    measured->peak = (own.ru_maxrss > children.ru_maxrss ? own.ru_maxrss : children.ru_maxrss) * (int64_t)RSS_UNIT;
}

/* What the caller, a worker, has under `name`, or NULL. To ask its frame for all that it has would take 15 us. */
static PyObject *of_caller(PyFrameObject *frame, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyObject *found = PyFrame_GetVar(frame, name);
    forget_error();
    return found;
#else
    _PyInterpreterFrame *inner = frame->f_frame;
    PyObject *all = inner->f_code->co_localsplusnames;
    for (Py_ssize_t i = 0; i < inner->f_code->co_nlocals; i++)
        if (PyTuple_GET_ITEM(all, i) == name) /* both are interned */
            return Py_XNewRef(inner->localsplus[i]);
    return NULL;
#endif
}

/* The IRI of the attempt that the calling worker executes, or NULL. `prefixes` are what they begin with, by the
   executor's folder of logs. */
static PyObject *name_of_attempt(Tasks *tasks, PyObject *prefixes)
{
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed: what is in C has none of its own */
    PyObject *folder = frame ? of_caller(frame, N(logdir)) : NULL, *number = folder ? of_caller(frame, N(tid)) : NULL;
    PyObject *prefix = number && PyUnicode_CheckExact(folder) ? PyDict_GetItemWithError(prefixes, folder) : NULL;
    PyObject *name = NULL;
    if (prefix != NULL && PyLong_CheckExact(number))
        name = PyUnicode_FromFormat("%U%S", prefix, number);
    forget_error();
    Py_XDECREF(folder);
    Py_XDECREF(number);
    return name;
}

/* `_Executing(name)`. */
static PyObject *executing_of(Tasks *tasks, PyTypeObject *class, PyObject *name)
{
    PyObject *made = class->tp_alloc(class, 0);
    if (made == NULL)
        return NULL;
    AT(made, IDENTIFIER) = Py_NewRef(name);
    AT(made, LABEL) = Py_NewRef(N(attempt));
    AT(made, ENCLOSING) = Py_NewRef(Py_None);
    AT(made, BLOCKS) = Py_NewRef(Py_None);
    AT(made, USED) = Py_NewRef(Py_None);
    return made;
}

/* A moment as MessagePack has it, to the microsecond, as of a `datetime`. */
static unsigned char *pack_when(unsigned char *at, int64_t when)
{
    uint64_t seconds = (uint64_t)(when / 1000000000), rest = (uint64_t)(when % 1000000000) / 1000 * 1000;
    if (rest == 0 && seconds <= 0xffffffff) {
        *at++ = 0xd6;
        return pack_big(at, 0xff, seconds, 4);
    }
    *at++ = 0xd7;
    return pack_big(at, 0xff, rest << 34 | seconds, 8);
}

/* State what was measured in the shape that is kept for this process; 0, with nothing done, where that is not for us. */
static int append_measured(Tasks *tasks, PyObject *shapes, PyObject *name, const Measured *began, const Measured *over)
{
    PyObject *pid = PyLong_FromLong((long)getpid());
    PyObject *shape = pid ? PyDict_GetItemWithError(shapes, pid) : NULL;
    Py_XDECREF(pid);
    forget_error();
    unsigned char payload[LONGEST], *end = payload + LONGEST - 64; /* what follows the name has room in any case */
    unsigned char *at = shape == NULL || began->at < 0 ? NULL : begin_shape(tasks, shape, payload, 7);
    at = at ? pack_value(at, end, name) : NULL;
    if (at == NULL)
        return 0;
    at = pack_when(at, began->at);
    at = pack_float(at, (double)(over->at - began->at) / 1e9);
    at = pack_float(at, (double)(over->spent - began->spent) / 1e6);
    at = pack_unsigned(at, (uint64_t)over->peak);
    at = pack_unsigned(at, (uint64_t)(over->read - began->read));
    at = pack_unsigned(at, (uint64_t)(over->written - began->written));
    return end_shape(tasks, shape, payload, at);
}

/* An attempt is over: what cannot be said of it here, Python says. 0; or -1 with an exception that is the program's. */
static int tell_measured(Way *way, PyObject *activity, const Measured *began, const Measured *over)
{
    Tasks *tasks = way->tasks;
    int moved = began->read >= 0 && over->read >= 0;
    if (moved && !writes_files(tasks, way->recorder) &&
        append_measured(tasks, way->more[2], AT(activity, IDENTIFIER), began, over))
        return 0;
    PyObject *done = PyObject_CallFunction(way->more[4], "OLLLLLL", activity, (long long)over->at,
                                           (long long)began->at, (long long)(over->spent - began->spent),
                                           (long long)over->peak, (long long)(moved ? over->read - began->read : -1),
                                           (long long)(moved ? over->written - began->written : -1));
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* `execute_task`, which a worker calls; `slow` does the same in Python, where that is not for us. More: what the
   names of attempts begin with, by folder; the class `_Executing`; the shapes of what is measured, by process; f(),
   which opens what tells of bytes moved and gives the descriptor; and f(executing, at, began, spent, peak, read,
   written), which states what was written and measured. */
static PyObject *attempting(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    SELF;
    PyObject *name = ON && count == 1 && names == NULL ? name_of_attempt(tasks, way->more[0]) : NULL;
    PyObject *activity = name ? executing_of(tasks, (PyTypeObject *)way->more[1], name) : NULL, *entered = NULL;
    Measured began, over;
    tasks->ahead.read[A_KNOWN] = way->more[2];
    if (activity != NULL) {
        began.at = now();
        measure_usage(&began);
        measure_moved(way->more[3], &began);
        entered = PyContextVar_Set(tasks->variable, activity);
    }
    Py_XDECREF(name);
    if (entered == NULL) {
        forget_error();
        Py_XDECREF(activity);
        return PyObject_Vectorcall(way->slow, args, flags, names);
    }
    PyObject *result = PyObject_Vectorcall(way->original, args, flags, names);
    PyObject *error = result ? NULL : take_error();
    over.at = now();
    expect_statement(tasks); /* it is there when the system has answered */
    expect(AT(activity, IDENTIFIER), 2 * LINE);
    measure_usage(&over);
    measure_moved(way->more[3], &over);
    if (PyContextVar_Reset(tasks->variable, entered) < 0)
        PyErr_Clear();
    if (ON && tell_measured(way, activity, &began, &over) < 0) {
        Py_CLEAR(result);
        Py_CLEAR(error);
    }
    Py_DECREF(entered);
    Py_DECREF(activity);
    if (error != NULL)
        raise_again(error);
    return result;
}
#endif

#endif
