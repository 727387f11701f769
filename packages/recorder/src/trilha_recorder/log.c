/* The records: whole numbers in a buffer, which a function in Python writes out when it is full. */

#include "recorder.h"

#ifdef _WIN32
#include <process.h>
#define getpid _getpid
#else
#include <unistd.h>
#endif

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

static void write_out(void)
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

/* Pieces are written out in the order in which they were filled: one thread writes, and what runs meanwhile, of others
   or of its own (a finalizer, a signal handler), fills the buffer further. */
static PyThread_type_lock turn;
static unsigned long writer;
static long turn_process;

static int take_turn(long long microseconds)
{
    if (turn == NULL || turn_process != getpid()) {
        /* That of the process that forked this one may be another thread's, which is not here. */
        turn = PyThread_allocate_lock();
        turn_process = getpid();
        writer = 0;
    }
    if (turn == NULL)
        return 0;
    if (PyThread_acquire_lock(turn, NOWAIT_LOCK))
        return 1;
    if (microseconds == 0 || writer == PyThread_get_thread_ident())
        return 0;
    int taken;
    Py_BEGIN_ALLOW_THREADS
    taken = PyThread_acquire_lock_timed(turn, microseconds, 0) == PY_LOCK_ACQUIRED;
    Py_END_ALLOW_THREADS
    return taken;
}

static void write_in_turn(void)
{
    writer = PyThread_get_thread_ident();
    do
        write_out();
    while (used > CAPACITY && write_function != NULL);
    writer = 0;
    PyThread_release_lock(turn);
}

#define PATIENCE 2000000 /* microseconds that a process waits at most for what another thread writes */

void flush(void)
{
    if (used == 0 && writer == 0)
        return;
    if (take_turn(PATIENCE))
        write_in_turn();
    else
        write_out();
}

void make_way(void)
{
    if (used + SLACK > room || writer == 0) {
        if (take_turn(0)) {
            write_in_turn();
        } else if (used + SLACK > room && make_more_room(SLACK) < 0) {
            /* There is no memory: nothing more is logged. */
            active = 0;
            used = 0;
        }
    }
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
    active = 0;
    if (lose)
        used = 0;
    else
        flush();
}
