/* The records: whole numbers in a buffer, which a function in Python writes out when it is full. */

#include "recorder.h"

unsigned char *buffer;
size_t used, room;
int active;
PyThreadState *last_thread;
size_t said = SIZE_MAX;
static PyObject *write_function;
static PyObject *threads; /* number of a thread in Python -> number in the log */

int make_more_room(size_t more)
{
    size_t wanted = room * 2 + more;
    unsigned char *made = PyMem_RawRealloc(buffer, wanted);
    if (made == NULL)
        return -1;
    buffer = made;
    room = wanted;
    return 0;
}

void flush(void)
{
    if (used == 0 || write_function == NULL)
        return;
    while (used % 8)
        buffer[used++] = PAD;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *data = PyBytes_FromStringAndSize((char *)buffer, (Py_ssize_t)used);
    used = 0;
    said = SIZE_MAX;
    PyObject *done = data ? PyObject_CallOneArg(write_function, data) : NULL;
    Py_XDECREF(data);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    PyErr_Restore(error_type, error, trace);
}

void switch_thread(PyThreadState *now)
{
    last_thread = now;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *key = PyLong_FromUnsignedLongLong(PyThreadState_GetID(now));
    PyObject *known = key ? PyDict_GetItemWithError(threads, key) : NULL;
    long number = 0;
    if (known != NULL) {
        number = PyLong_AsLong(known);
    } else if (key != NULL) {
        number = (long)PyDict_GET_SIZE(threads);
        PyObject *value = PyLong_FromLong(number);
        if (value != NULL)
            PyDict_SetItem(threads, key, value);
        Py_XDECREF(value);
    }
    Py_XDECREF(key);
    PyErr_Restore(error_type, error, trace);
    put(SWITCH);
    put((uint64_t)number);
}

int start_log(PyObject *write)
{
    if (buffer == NULL) {
        room = CAPACITY + 2 * SLACK;
        buffer = PyMem_RawMalloc(room);
        if (buffer == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    used = 0;
    said = SIZE_MAX;
    Py_XSETREF(threads, PyDict_New());
    if (threads == NULL)
        return -1;
    last_thread = PyThreadState_Get();
    PyObject *first = PyLong_FromUnsignedLongLong(PyThreadState_GetID(last_thread)), *zero = PyLong_FromLong(0);
    int failed = !first || !zero || PyDict_SetItem(threads, first, zero) < 0;
    Py_XDECREF(first);
    Py_XDECREF(zero);
    Py_XSETREF(write_function, Py_NewRef(write));
    return failed ? -1 : 0;
}

void stop_log(int lose)
{
    if (lose)
        used = 0;
    else
        flush();
    active = 0;
}
