/* What the parts of `trilha_recorder` share; and, since a program waits for it at every statement, what of it is to
   stand where it is used.

   State is one a process, as is the log. All runs under the interpreter's lock.

   log.c         the records: numbers in a buffer, which is written out when it is full
   tokens.c      the table of tokens: which object has which number
   deaths.c      how it is known that an object with a token has died
   references.c  the numbers that stand for an object or a key in a record
   accesses.c    the hooks of blocks, loops and accesses
   calls.c       the hooks of functions, generators, exceptions
   values.c      the hook of values: numbers and short texts, as they were
   joins.c       objects that become entities of the run
   module.c      what Python has of all this: begin, end, and the names of the hooks */

#ifndef TRILHA_RECORDER_H
#define TRILHA_RECORDER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(hidden) /* the parts reach each other's state without a detour */
#endif

/* A hook: the first argument is the number of its record. Rewritten code gives it what it needs; but the program may
   call it, too. */
#define HOOK(name) PyObject *name(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
#define NEEDS(least)                                                                                          \
    if (count < (least))                                                                                      \
    return too_few(count, least)
PyObject *too_few(Py_ssize_t count, Py_ssize_t least);

/* -- log.c ----------------------------------------------------------------------------------------------------- */

#define CAPACITY (1 << 16)
#define SLACK 4096
enum { PAD, DEAD, SWITCH, KEYTEXT, MODULE, GAP, OVER, JOINED = 13 };

extern unsigned char *buffer;
extern size_t used, room;
extern int active;
extern size_t said; /* how much was in the buffer when text that is not traced told that it runs */

int start_log(PyObject *write); /* -1 with an exception */
void stop_log(int lose);
void flush(void);    /* all that was logged is written out when it returns */
void make_way(void); /* the buffer is full */
int make_more_room(size_t more); /* -1 without an exception */

/* Which thread runs: the number of the log, times 2^32, and that of the thread in it. A thread that begins has 0, and
   which thread logged last is never that. To ask Python is a call, and from 3.12 on, where Python is a shared library,
   a second one, that looks for the thread's own memory. Where ours is, the loader knows, if it has room for so little
   that is found by itself. */
#if defined(_MSC_VER)
#define OF_THREAD __declspec(thread)
#elif defined(__GLIBC__)
#define OF_THREAD __thread __attribute__((tls_model("initial-exec")))
#else
#define OF_THREAD __thread
#endif
extern OF_THREAD uint64_t this_thread;
extern uint64_t last_thread;
void switch_thread(void);

static inline int make_room(size_t more)
{
    return used + more <= room ? 0 : make_more_room(more);
}

/* LEB128: seven bits a byte, the lowest first, the eighth saying that more follow. */
static inline void put(uint64_t number)
{
    while (number > 127) {
        buffer[used++] = (unsigned char)(number & 127) | 128;
        number >>= 7;
    }
    buffer[used++] = (unsigned char)number;
}

/* Of an object that the log has not told of yet three numbers stand in a record. While the record waits to be logged,
   another thread, or a finalizer, may log one that has the object, too: which is the first is known when it is logged. */
#define NEW (UINT64_C(1) << 62)
void put_new(const uint64_t numbers[3]);

static inline void put_all(const uint64_t *numbers, int count)
{
    for (int at = 0; at < count; at++) {
        if (numbers[at] & NEW) {
            put_new(numbers + at);
            at += 2;
        } else {
            put(numbers[at]);
        }
    }
}

/* What stands for one object: one number, if the log has told of it. */
static inline void put_reference(const uint64_t *numbers, int count)
{
    if (count == 1)
        put(numbers[0]);
    else
        put_all(numbers, count);
}

/* Bytes, for which there is room. */
static inline void put_bytes(const char *bytes, size_t length)
{
    memcpy(buffer + used, bytes, length);
    used += length;
}

#define MOST_DIGITS 24

/* The decimal digits of a number, which end where `end` is: where they begin. The C library's own way is more code than
   all else that a record takes, which is in no cache when the first is logged. */
static inline char *put_digits(char *end, unsigned long long number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

/* A part of a text, by its lines and columns; 0 for what is not known. */
static inline void put_place(int line, int end_line, int column, int end_column)
{
    const int place[] = {line, end_line, column, end_column};
    for (size_t at = 0; at < sizeof place / sizeof *place; at++)
        put(place[at] > 0 ? (uint64_t)place[at] : 0);
}

/* Before a record: room for it (`SLACK` at least, since the buffer has more than `CAPACITY`), and whose it is. */
static inline void begin_record(void)
{
    if (used > CAPACITY)
        make_way();
    if (this_thread != last_thread)
        switch_thread();
}

/* Whether a record can be logged at once, before which no code of anybody runs. */
static inline int is_ready(void)
{
    return used <= CAPACITY && this_thread == last_thread;
}

/* -- tokens.c -------------------------------------------------------------------------------------------------- */

#define FIRST_TOKEN 2

typedef struct {
    PyObject *object;
    PyObject *holder; /* a weak reference; NULL if its type tells */
    PyTypeObject *type; /* compared, never used: that of an instance can change; NULL while the log does not tell of it */
    uint32_t token;
} Entry;

extern Entry *table;
extern size_t table_size, table_used;
extern PyObject **by_token; /* who has a token now */
extern size_t by_token_room;

int start_tokens(void); /* -1 with an exception */
int add_token(PyObject *object, uint32_t *token); /* to an object that has none; -1 if it can have none */
void forget(PyObject *object);

static inline size_t slot_of(PyObject *object)
{
    return (((uintptr_t)object >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> 20 & (table_size - 1);
}

static inline Entry *find(PyObject *object)
{
    for (size_t at = slot_of(object);; at = (at + 1) & (table_size - 1)) {
        if (table[at].object == object)
            return &table[at];
        if (table[at].object == NULL)
            return NULL;
    }
}

/* -- deaths.c -------------------------------------------------------------------------------------------------- */

int learn_classes(void); /* -1 with an exception */
int start_deaths(void);  /* -1 with an exception */
/* Have the death of an object told to `forget`: 0, and in `holder` a weak reference or NULL; -1 if it cannot be. */
int watch(PyObject *object, PyObject **holder);
void unwatch(PyObject *holder); /* what `watch` gave is not needed any more */

/* -- references.c ---------------------------------------------------------------------------------------------- */

extern int untold_count;

int start_references(PyObject *key, PyObject *array); /* -1 with an exception */
void forget_keys(void);
int refer_to(PyObject *object, uint64_t out[3]);
uint64_t other_key_number(PyObject *key, PyObject *container);
uint64_t other_head(PyObject *number);
void tell_arrays(void);

/* Whether an object is an `int` of one digit, and its value. */
static inline int is_small(PyObject *object, Py_ssize_t *value)
{
    if (!PyLong_CheckExact(object))
        return 0;
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)object))
        return 0;
    *value = PyUnstable_Long_CompactValue((PyLongObject *)object);
#else
    Py_ssize_t size = Py_SIZE(object);
    if (size < -1 || size > 1)
        return 0;
    *value = size * (Py_ssize_t)((PyLongObject *)object)->ob_digit[0];
#endif
    return 1;
}

/* The number of a hook's record. */
static inline uint64_t head_of(PyObject *number)
{
    Py_ssize_t value;
    return is_small(number, &value) ? (uint64_t)value : other_head(number);
}

/* Whether objects of a type have no identity that matters. */
static inline int is_atom(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type || type == &PyBool_Type ||
           type == &PyTuple_Type || type == Py_TYPE(Py_None) || type == &PyBytes_Type || type == &PyRange_Type ||
           type == &PySlice_Type || type == &PyComplex_Type || type == &PyFrozenSet_Type ||
           type == Py_TYPE(Py_Ellipsis) || type == Py_TYPE(Py_NotImplemented);
}

/* The numbers that stand for an object; gives how many, at most three. */
static inline int refer(PyObject *object, uint64_t out[3])
{
    PyTypeObject *type = Py_TYPE(object);
    if (type != &PyList_Type && type != &PyDict_Type && is_atom(type)) {
        out[0] = 0;
        return 1;
    }
    Entry *entry = find(object);
    if (entry != NULL && entry->type == type) {
        out[0] = (uint64_t)entry->token + FIRST_TOKEN;
        return 1;
    }
    return refer_to(object, out);
}

/* The number that stands for a key: even ones are whole numbers, odd ones texts told before. May log a record. */
static inline uint64_t key_number(PyObject *key, PyObject *container)
{
    Py_ssize_t value;
    if (!is_small(key, &value))
        return other_key_number(key, container);
    if (value < 0 && container != NULL && (PyList_CheckExact(container) || PyTuple_CheckExact(container)))
        value += Py_SIZE(container);
    return 2 * (uint64_t)(value >= 0 ? 2 * value : -2 * value - 1);
}

/* A record is logged. */
static inline void end_record(void)
{
    if (untold_count)
        tell_arrays();
}

/* Log a record: its head, one more number if it has one, and what stands for objects. */
static inline void tell_numbers(PyObject *head, const uint64_t *extra, const uint64_t *numbers, int count)
{
    begin_record();
    put(head_of(head));
    if (extra != NULL)
        put(*extra);
    put_all(numbers, count);
    end_record();
}

/* -- accesses.c, calls.c, values.c, joins.c ---------------------------------------------------------------------- */

extern PyTypeObject each_type;
void start_accesses(void);
int start_calls(void);                                       /* -1 with an exception */
void know_texts(PyObject *bases);
int start_values(PyObject *text_of, PyObject *surroundings); /* -1 with an exception */
void tell(PyObject *const *args, Py_ssize_t count, const uint64_t *extra);

HOOK(hook_block);
HOOK(hook_item);
HOOK(hook_each);
HOOK(hook_through);
HOOK(hook_getitem);
HOOK(hook_getattr);
HOOK(hook_key);
HOOK(hook_place);
HOOK(hook_called);
HOOK(hook_enter);
HOOK(hook_begin);
HOOK(hook_resume);
HOOK(hook_next);
HOOK(hook_raised);
HOOK(hook_outside);
HOOK(hook_value);
HOOK(hook_known);
PyObject *hook_over(PyObject *self, PyObject *none);

#endif
