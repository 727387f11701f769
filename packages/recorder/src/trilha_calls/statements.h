/* What is said of calls, as the shapes have it that `fast_calls` defines: their contents, one after the other. */

#ifndef TRILHA_STATEMENTS_H
#define TRILHA_STATEMENTS_H

#include "calls.h"

#define ROOM (1 << 13)

/* The shapes for all calls of a run, `fast_calls.shapes_of`. */
enum { MET, MADE, USED, REVISED, CAME, ENDED, GAVE, TAKEN, CHANGED, LEFT, SHAPES };

typedef struct { long numbers[SHAPES]; } Shapes;

/* A filled shape that is being built. */
typedef struct { unsigned char *to, built[ROOM]; } Payload;

/* The number of a shape in the journal of a run; 0, without an exception, where it cannot be used. */
static long number_of_shape(PyObject *recorder, PyObject *shape)
{
    if (!Py_IS_TYPE(shape, shape_type) || *slot(shape, of_shape.within) != *slot(recorder, of_recorder.shapes))
        return 0;
    long number = PyLong_AsLong(*slot(shape, of_shape.number));
    return number > 0 ? number : 0;
}

/* What `find_shapes` found last, and where. */
static Shapes shapes_last;
static PyObject *shapes_in;

/* Know the numbers of the shapes for all calls, which `found` has: 1; 0 if they are none. */
static int read_shapes(PyObject *found)
{
    int told = PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == SHAPES + 1;
    Py_CLEAR(shapes_in);
    for (int at = 0; told && at < SHAPES; at++)
        told = (shapes_last.numbers[at] = PyLong_AsLong(PyTuple_GET_ITEM(found, at))) > 0;
    if (told)
        shapes_in = Py_NewRef(found);
    PyErr_Clear();
    return told;
}

/* Find the numbers of the shapes for all calls, which are defined if they are not: 1; 0 if there are none; -1 with an
   exception. */
static int find_shapes(PyObject *recorder, const Shapes **shapes)
{
    PyObject *found = *slot(recorder, of_recorder.calls);
    *shapes = &shapes_last;
    /* What they say of the activity that this process is ends them: their last is that. */
    if (found != NULL && found == shapes_in && PyTuple_GET_ITEM(found, SHAPES) == *slot(recorder, of_recorder.run))
        return 1;
    found = PyObject_CallOneArg(shapes_of_run, recorder);
    int told = found ? read_shapes(found) : -1;
    Py_XDECREF(found);
    return told;
}

/* Begin to fill a shape with `count` contents. */
static inline void fill_numbered(Payload *payload, long number, Py_ssize_t count)
{
    payload->to = pack_array(payload->built, count + 2);
    *payload->to++ = 0;
    payload->to = pack_unsigned(payload->to, (uint64_t)number);
}

/* Likewise, one of those for all calls. */
static inline void fill_shape(Payload *payload, const Shapes *shapes, int shape, Py_ssize_t count)
{
    fill_numbered(payload, shapes->numbers[shape], count);
}

/* The contents: values that are plain, and no more of them than there is room for (`MOST_VALUES`). */
static inline void put_value(Payload *payload, PyObject *value)
{
    if (payload->to)
        payload->to = pack_value(payload->to, payload->built + ROOM, value);
}

static inline void put_whole(Payload *payload, uint64_t number)
{
    if (payload->to)
        payload->to = pack_unsigned(payload->to, number);
}

/* A text of three, which are ASCII and have at most 65,535 signs in all. */
static void put_text(Payload *payload, PyObject *first, const char *second, PyObject *third)
{
    Py_ssize_t one = first ? PyUnicode_GET_LENGTH(first) : 0, two = (Py_ssize_t)strlen(second);
    Py_ssize_t three = third ? PyUnicode_GET_LENGTH(third) : 0, all = one + two + three;
    unsigned char *to = payload->to;
    if (to == NULL || payload->built + ROOM - to < all + 18 || all > 0xffff) {
        payload->to = NULL;
        return;
    }
    if (all < 0x20)
        *to++ = (unsigned char)(0xa0 | all);
    else
        to = all <= 0xff ? pack_big(to, 0xd9, (uint64_t)all, 1) : pack_big(to, 0xda, (uint64_t)all, 2);
    if (first)
        memcpy(to, PyUnicode_DATA(first), (size_t)one);
    memcpy(to + one, second, (size_t)two);
    if (third)
        memcpy(to + one + two, PyUnicode_DATA(third), (size_t)three);
    payload->to = to + all;
}

/* Append it to the journal of a run; -1 with an exception. */
static int state(PyObject *recorder, const Payload *payload)
{
    PyObject *file = *slot(recorder, of_recorder.file);
    if (payload->to == NULL || file == NULL) {
        PyErr_SetString(PyExc_ValueError, "a statement that is not plain");
        return -1;
    }
    size_t length = (size_t)(payload->to - payload->built);
    if (rehearsing) {
        PyObject *pages = Py_IS_TYPE(file, mapped.type) ? *slot(file, mapped.buffer) : NULL;
        if (pages != NULL && !knows_pages(&mapped, pages))
            (void)find_pages(&mapped, pages);
        (void)check_of(payload->built, length);
        return 0;
    }
    if (append_payload(&mapped, file, payload->built, length, check_of(payload->built, length)))
        return 0;
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)payload->built, (Py_ssize_t)length);
    PyObject *done = bytes ? PyObject_CallMethodOneArg(file, append_name, bytes) : NULL;
    Py_XDECREF(bytes);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* State a shape of plain values alone; -1 with an exception. */
static int state_values(PyObject *recorder, const Shapes *shapes, int shape, PyObject *const *values, Py_ssize_t count)
{
    Payload payload;
    fill_shape(&payload, shapes, shape, count);
    for (Py_ssize_t at = 0; at < count; at++)
        put_value(&payload, values[at]);
    return state(recorder, &payload);
}

#endif
