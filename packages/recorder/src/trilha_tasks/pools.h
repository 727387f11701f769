/* Pools of `concurrent.futures`: what `trilha.capture.handed` and the integration `executors` call for each task. */

#ifndef TRILHA_POOLS_H
#define TRILHA_POOLS_H

#include "way.h"

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
    PyObject *task = begin_task(tasks, HANDED, alike, args + 2, count - 2, NULL, 0);
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

#endif
