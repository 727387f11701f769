/* Messages between processes: what `trilha.capture.integrations.executors.messages` has called for each.

   An engine that hands its tasks to processes by queues and pipes of `multiprocessing` sends and receives a dozen
   messages of its own for each task, of which nothing is recorded. Here those are told from the program's. */

#ifndef TRILHA_MESSAGES_H
#define TRILHA_MESSAGES_H

#include "way.h"

#ifndef _WIN32
#include <unistd.h>

/* By whose code something is sent or received: perhaps the program's; another's in any case; or that of managers, for
   whoever called it. As `messages._whose` gives it. */
enum { PERHAPS_THE_PROGRAMS, ANOTHERS, OF_MANAGERS };

/* Whose the code of `frame` is, as `more[0]`, f(code), says; -1 with an exception. It is asked once for each code. */
static int whose(Way *way, PyFrameObject *frame)
{
    Tasks *tasks = way->tasks;
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    Caller *caller = &tasks->callers[((uintptr_t)code >> 5) % CALLERS];
    int found = caller->whose;
    if (caller->code != code) {
        PyObject *told = PyObject_CallOneArg(way->more[0], code);
        found = told ? (int)PyLong_AsLong(told) : -1;
        Py_XDECREF(told);
        if (found >= 0) {
            caller->whose = found;
            Py_XSETREF(caller->code, Py_NewRef(code));
        }
    }
    Py_DECREF(code);
    return found;
}

/* Whether a frame is of managers, or of what they make from texts, which is in no module. */
static int is_of_managers(Way *way, PyFrameObject *frame)
{
    Tasks *tasks = way->tasks;
    PyObject *globals = PyFrame_GetGlobals(frame), *name = PyDict_GetItemWithError(globals, N(__name__));
    int found = name == NULL || name == Py_None || PyObject_RichCompareBool(name, way->more[2], Py_EQ) > 0;
    Py_DECREF(globals);
    forget_error();
    return found;
}

/* Whether an engine's own program started this process, as `more[1]`, f(), says; -1 with an exception. */
static int is_engines(Way *way)
{
    Tasks *tasks = way->tasks;
    pid_t process = getpid();
    if (tasks->engines_asked == process)
        return tasks->engines;
    PyObject *told = PyObject_CallNoArgs(way->more[1]);
    int found = told ? PyObject_IsTrue(told) : -1;
    Py_XDECREF(told);
    if (found >= 0) {
        tasks->engines = found;
        tasks->engines_asked = process;
    }
    return found;
}

/* Whether it is not the program that sends or receives, which `frame` does, as `_is_programs` has it; 0 also where that
   is not for us, -1 with an exception. */
static int is_anothers(Way *way, PyFrameObject *frame)
{
    int found = whose(way, frame), engines = found == OF_MANAGERS ? is_engines(way) : 0;
    if (found != OF_MANAGERS || engines <= 0)
        return found < 0 || engines < 0 ? -1 : found == ANOTHERS;
    Py_INCREF(frame);
    while (frame != NULL && is_of_managers(way, frame)) {
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    found = frame ? whose(way, frame) : ANOTHERS;
    Py_XDECREF(frame);
    return found < 0 ? -1 : found == ANOTHERS;
}

/* What sends or receives; `slow` does so, too, and records it. More: f(code); f(); and the name of the module of
   managers. */
static PyObject *messaging(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Way *way = (Way *)self;
    Tasks *tasks = way->tasks;
    PyFrameObject *frame = ON ? PyEval_GetFrame() : NULL; /* borrowed: what is in C has none of its own */
    int anothers = ON ? frame && is_anothers(way, frame) : 1;
    if (anothers < 0)
        return NULL;
    return PyObject_Vectorcall(anothers ? way->original : way->slow, args, flags, names);
}

/* What pickles or unpickles what may be a message of the program's; `slow` does so, too, and records it. More: a
   dictionary of those that are on their way. */
static PyObject *pickling(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Way *way = (Way *)self;
    int expected = !PyDict_CheckExact(way->more[0]) || PyDict_GET_SIZE(way->more[0]) > 0;
    return PyObject_Vectorcall(expected ? way->slow : way->original, args, flags, names);
}
#endif

#endif
