/* A task's begin, its attempt and its end, as `trilha.capture.tasks` and `attempts` have them: the same objects,
   whose slots are filled here as they are there.

   Here is what is ordinary: a call with plain arguments, executed by a thread of this process, that gives a plain
   result. What is not says so before anything is done. */

#ifndef TRILHA_TASKS_H
#define TRILHA_TASKS_H

#include "shapes.h"

#define TOGETHER 8 /* usages that are said together with their task, as `tasks.TOGETHER` */

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
   on, by a tuple of each entity and its usage (`Task._usages`). 0, or -1 with an exception. */
static int use_entities(Tasks *tasks, PyObject *task, PyObject *const *entities, Py_ssize_t uses, Cell *cells)
{
    PyObject *usages = AT(task, TASK_USAGES) = PyTuple_New(2 * uses);
    if (usages == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < uses; i++) {
        PyObject *usage = next_number(tasks, AT(task, TASK_RECORDER));
        if (usage == NULL)
            return -1;
        PyTuple_SET_ITEM(usages, 2 * i, Py_NewRef(entities[i]));
        PyTuple_SET_ITEM(usages, 2 * i + 1, usage);
        cells[2 * i] = value_cell(usage);
        cells[2 * i + 1] = value_cell(entities[i]);
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
    int64_t at = now();
    AT(task, TASK_AT) = PyLong_FromLongLong(at);
    AT(task, IDENTIFIER) = next_number(tasks, recorder);
    AT(task, ENCLOSING) = AT(task, IDENTIFIER) ? current(tasks, recorder) : NULL;
    AT(task, TASK_RESULT) = AT(task, ENCLOSING) ? next_number(tasks, recorder) : NULL;
    AT(task, TASK_GENERATION) = AT(task, TASK_RESULT) ? next_number(tasks, recorder) : NULL;
    PyObject *place = AT(task, TASK_GENERATION) ? PyObject_GetAttr(AT(task, ENCLOSING), N(identifier)) : NULL;
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
    AT(task, TASK_TRYING) = Py_NewRef(Py_None);
    AT(task, USED) = Py_NewRef(Py_None);
    Cell cells[MOST], *told = cells;
    *told++ = value_cell(AT(task, IDENTIFIER));
    *told++ = whole_cell(at);
    *told++ = value_cell(place);
    for (Py_ssize_t i = 0; i < count; i++)
        *told++ = value_cell(values[i]);
    int wrong = 0;
    if (uses > 0)
        wrong = use_entities(tasks, task, entities, uses, told) < 0;
    else
        AT(task, TASK_USAGES) = Py_NewRef(Py_None);
    PyObject_GC_UnTrack(task);
    if (wrong || state(tasks, AT(alike, ALIKE_BEGINS), cells, told - cells + 2 * uses) < 0)
        Py_CLEAR(task);
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
    tasks->ahead.read[A_FILES] = files;
    tasks->ahead.read[A_WRITING] = writing;
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

/* The shape of what is said when attempt number `count` of a task begins, with facts of these keys; borrowed, NULL if
   there is none yet. */
static PyObject *shape_of_try(Tasks *tasks, PyObject *task, PyObject *count, PyObject *keys)
{
    PyObject *alike = AT(task, TASK_ALIKE), *tries = AT(alike, ALIKE_TRIES);
    int first = PyLong_AsLong(count) == 1;
    if (first && tries != NULL && PyTuple_CheckExact(tries) && PyTuple_GET_ITEM(tries, 0) == keys)
        return PyTuple_GET_ITEM(tries, 1);
    PyObject *shapes = AT(AT(task, TASK_RECORDER), SHAPES), *key = PyTuple_Pack(3, alike, count, keys);
    PyObject *shape = key && shapes && PyDict_CheckExact(shapes) ? PyDict_GetItemWithError(shapes, key) : NULL;
    if (first && shape != NULL && (tries = PyTuple_Pack(2, keys, shape)) != NULL)
        Py_XSETREF(AT(alike, ALIKE_TRIES), tries);
    Py_XDECREF(key);
    forget_error();
    return shape;
}

/* An attempt begins, as `Attempt(task, *facts, name=name)`, whose name is of `begin` and `number`; there is no object
   of it unless Python asks (`Task.tried`). 0, with nothing done, where that is not for us; `keys` and `values` are of
   its facts. */
static int begin_elsewhere(Tasks *tasks, PyObject *task, PyObject *begin, PyObject *number, PyObject *keys,
                           PyObject *const *values)
{
    long before = PyLong_AsLong(AT(task, TASK_ATTEMPTS));
    PyObject *count = before < 0 ? NULL : PyLong_FromLong(before + 1);
    PyObject *shape = count ? shape_of_try(tasks, task, count, keys) : NULL;
    if (shape == NULL) {
        Py_XDECREF(count);
        forget_error();
        return 0;
    }
    Py_INCREF(shape);
    Py_XSETREF(AT(task, TASK_ATTEMPTS), count);
    Py_XSETREF(AT(task, TASK_TRYING), Py_NewRef(number));
    Py_XSETREF(AT(task, TASK_NAMED), Py_NewRef(begin));
    Cell cells[MOST], *told = cells;
    *told++ = name_cell(begin, number);
    *told++ = whole_cell(now());
    *told++ = value_cell(AT(task, IDENTIFIER));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); i++)
        *told++ = value_cell(values[i]);
    if (state(tasks, shape, cells, told - cells) < 0)
        count_lost(tasks, AT(task, TASK_RECORDER));
    Py_DECREF(shape);
    return 1;
}

#endif
