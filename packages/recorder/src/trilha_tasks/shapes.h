/* Stating shapes (`trilha.capture.shaped`), with contents that need not be objects. */

#ifndef TRILHA_SHAPES_H
#define TRILHA_SHAPES_H

#include "places.h"

#define MOST 64      /* contents of a shape */
#define LONGEST 2048 /* bytes of a payload */

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
    PyObject *recorder = AT(shape, SHAPE_RECORDER), *file = AT(recorder, FILE_OF);
    if (!append_payload(&tasks->mapped, file, payload, length, check_of(payload, length)))
        return 0;
    Ahead *ahead = &tasks->ahead;
    PyObject *end = *slot(file, tasks->mapped.at);
    ahead->read[A_SHAPE] = shape;
    ahead->read[A_NUMBER] = AT(shape, SHAPE_NUMBER);
    ahead->read[A_RECORDER] = recorder;
    ahead->read[A_FILE_OF] = &AT(recorder, FILE_OF);
    ahead->read[A_SHAPES] = &AT(recorder, SHAPES);
    ahead->read[A_FILE] = file;
    ahead->read[A_LIMIT] = *slot(file, tasks->mapped.limit);
    ahead->read[A_AT] = end;
    ahead->read[A_PAGES] = tasks->mapped.pages;
    ahead->written = tasks->mapped.bytes + PyLong_AsSsize_t(end);
    return 1;
}

/* Have fetched what the next statement is made with. */
static inline void expect_statement(const Tasks *tasks)
{
    for (int i = 0; i < AHEAD; i++)
        expect(tasks->ahead.read[i], 1);
    expect_write(tasks->ahead.written, 2 * LINE);
    expect(tasks, offsetof(Tasks, over));
    expect_check();
}

/* State a shape whose number is known, of plain contents; 0, with nothing done, where that is not for us. */
static int append_shape(Tasks *tasks, PyObject *shape, PyObject *const *contents, Py_ssize_t count)
{
    unsigned char payload[LONGEST], *at = begin_shape(tasks, shape, payload, count);
    for (Py_ssize_t i = 0; i < count && at != NULL; i++)
        at = pack_value(at, payload + LONGEST, contents[i]);
    return at != NULL && end_shape(tasks, shape, payload, at);
}

/* What is in a shape: an object; a number that is none yet; or a name, of what it begins with and a number. */
typedef struct {
    enum { VALUE, WHOLE, REAL, NAME } kind;
    PyObject *value; /* borrowed */
    union {
        int64_t whole;
        double real;
        PyObject *number; /* borrowed */
    };
} Cell;

static inline Cell value_cell(PyObject *value)
{
    return (Cell){.kind = VALUE, .value = value};
}

static inline Cell whole_cell(int64_t whole)
{
    return (Cell){.kind = WHOLE, .whole = whole};
}

static inline Cell real_cell(double real)
{
    return (Cell){.kind = REAL, .real = real};
}

static inline Cell name_cell(PyObject *begin, PyObject *number)
{
    return (Cell){.kind = NAME, .value = begin, .number = number};
}

/* A name behind `at`; more: as `pack_value`. */
static unsigned char *pack_name(unsigned char *at, const unsigned char *end, const Cell *cell)
{
    int over;
    long long number = PyLong_AsLongLongAndOverflow(cell->number, &over);
    if (over || number < 0 || !PyUnicode_CheckExact(cell->value) || !PyUnicode_IS_COMPACT_ASCII(cell->value))
        return NULL;
    char digits[20], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    size_t begun = (size_t)PyUnicode_GET_LENGTH(cell->value), more = (size_t)(digits + sizeof digits - first);
    if (begun + more > 0xff || end - at < (Py_ssize_t)(begun + more) + 18)
        return NULL;
    if (begun + more < 0x20)
        *at++ = (unsigned char)(0xa0 | (begun + more));
    else {
        *at++ = 0xd9;
        *at++ = (unsigned char)(begun + more);
    }
    memcpy(at, PyUnicode_DATA(cell->value), begun);
    memcpy(at + begun, first, more);
    return at + begun + more;
}

/* Likewise, of any cell. */
static inline unsigned char *pack_cell(unsigned char *at, const unsigned char *end, const Cell *cell)
{
    if (cell->kind == VALUE)
        return pack_value(at, end, cell->value);
    if (cell->kind == NAME)
        return pack_name(at, end, cell);
    if (end - at < 18)
        return NULL;
    return cell->kind == REAL ? pack_float(at, cell->real) : pack_unsigned(at, (uint64_t)cell->whole);
}

/* `Shape.state`, in Python. 0; or -1 with an exception. */
static int state_slowly(Tasks *tasks, PyObject *shape, const Cell *cells, Py_ssize_t count)
{
    PyObject *given[MOST + 1] = {shape}, *done = NULL;
    Py_ssize_t made = 0;
    for (; made < count && made < MOST; made++) {
        const Cell *cell = &cells[made];
        PyObject *one = cell->kind == VALUE   ? Py_NewRef(cell->value)
                        : cell->kind == WHOLE ? PyLong_FromLongLong(cell->whole)
                        : cell->kind == REAL  ? PyFloat_FromDouble(cell->real)
                                              : PyUnicode_FromFormat("%U%S", cell->value, cell->number);
        if (one == NULL)
            break;
        given[made + 1] = one;
    }
    if (made == count)
        done = PyObject_VectorcallMethod(N(state), given, (size_t)count + 1, NULL);
    while (made > 0)
        Py_DECREF(given[made--]);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* State a shape. 0; or -1 with an exception. No number in `cells` that is none yet is negative. */
static int state(Tasks *tasks, PyObject *shape, const Cell *cells, Py_ssize_t count)
{
    unsigned char payload[LONGEST], *at = begin_shape(tasks, shape, payload, count);
    for (Py_ssize_t i = 0; i < count && at != NULL; i++)
        at = pack_cell(at, payload + LONGEST, &cells[i]);
    return at != NULL && end_shape(tasks, shape, payload, at) ? 0 : state_slowly(tasks, shape, cells, count);
}

#endif
