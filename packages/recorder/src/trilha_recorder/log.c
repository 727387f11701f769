/* The records: whole numbers in a buffer, which a function in Python writes out when it is full. */

#include "recorder.h"

unsigned char *buffer;
size_t used, room;
int active;
OF_THREAD uint64_t this_thread;
uint64_t last_thread;
size_t said = SIZE_MAX;
static PyObject *write_function;
static uint64_t log_number, thread_count;

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

static PyObject *late_type, *late_error, *late_trace;

static int raise_late(void *unused)
{
    (void)unused;
    PyErr_Restore(late_type, late_error, late_trace);
    late_type = late_error = late_trace = NULL;
    return PyErr_Occurred() ? -1 : 0;
}

/* Of the errors that came out of our own code one that a signal handler of the program raised is the program's.
   It is raised where the interpreter would have run the handler next: here nobody could say that there is one. */
static void pass_on(void)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    PyObject *asks = PyImport_ImportModule("trilha.capture.interrupts");
    PyObject *answer =
        asks == NULL ? NULL : PyObject_CallMethod(asks, "of_a_signal_handler", "O", trace ? trace : Py_None);
    if (answer == Py_True && late_type == NULL && Py_AddPendingCall(raise_late, NULL) == 0) {
        late_type = type;
        late_error = error;
        late_trace = trace;
        type = error = trace = NULL;
    }
    PyErr_Clear();
    Py_XDECREF(answer);
    Py_XDECREF(asks);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
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
        pass_on();
    Py_XDECREF(done);
    PyErr_Restore(error_type, error, trace);
}

void switch_thread(void)
{
    if (this_thread >> 32 != log_number)
        this_thread = log_number << 32 | thread_count++;
    last_thread = this_thread;
    put(SWITCH);
    put(this_thread & UINT32_MAX);
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
    thread_count = 0;
    last_thread = this_thread = ++log_number << 32 | thread_count++;
    Py_XSETREF(write_function, Py_NewRef(write));
    return 0;
}

void stop_log(int lose)
{
    if (lose)
        used = 0;
    else
        flush();
    active = 0;
}
