/* Appending to a journal in mapped pages, as `trilha.capture.journal.mapped` does it.

   Between the question whether there is room and the bytes that are put there, nothing here runs code in Python
   or lets another thread run, which is what that module asks of whoever appends. */

#ifndef TRILHA_JOURNAL_H
#define TRILHA_JOURNAL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#ifdef _MSC_VER
#define IN_THIS_ORDER
#else
#include <stdatomic.h>
#define IN_THIS_ORDER atomic_signal_fence(memory_order_release)
#endif

#define FRAME 8 /* bytes before a payload: its length, its checksum */

/* -- slots, time, bytes ------------------------------------------------------------------------------------ */

/* Where the objects of a class have the slot `name`; -1 with an exception if they have none. */
static inline Py_ssize_t place_of(PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    if (member == NULL)
        return -1;
    Py_ssize_t place = -1;
    if (Py_IS_TYPE(member, &PyMemberDescr_Type) && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX)
        place = ((PyMemberDescrObject *)member)->d_member->offset;
    else
        PyErr_Format(PyExc_TypeError, "%R has no slot %s", type, name);
    Py_DECREF(member);
    return place;
}

static inline PyObject **slot(PyObject *object, Py_ssize_t place)
{
    return (PyObject **)((char *)object + place);
}

/* Nanoseconds since 1970-01-01 UTC. */
static inline int64_t now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void put(unsigned char *target, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        target[i] = (unsigned char)(number >> (8 * i));
}

/* -- the file ---------------------------------------------------------------------------------------------- */

/* The class of journals in mapped pages, and where its objects have what. */
typedef struct {
    PyTypeObject *type;
    Py_ssize_t at, limit, buffer;
    PyObject *pages; /* a weak reference to those that were last appended to, so that no others are taken for them */
    unsigned char *bytes; /* of them */
    Py_ssize_t length;
} Mapped;

/* Find the slots of the class `type`, which is borrowed; -1 with an exception if it has not all of them. */
static inline int find_mapped(Mapped *mapped, PyTypeObject *type)
{
    mapped->type = type;
    mapped->pages = NULL;
    mapped->at = place_of((PyObject *)type, "_at");
    mapped->limit = mapped->at < 0 ? -1 : place_of((PyObject *)type, "_limit");
    mapped->buffer = mapped->limit < 0 ? -1 : place_of((PyObject *)type, "_buffer");
    return mapped->buffer < 0 ? -1 : 0;
}

/* Know where `pages` lie; -1, without an exception, if that is not told. */
static int find_pages(Mapped *mapped, PyObject *pages)
{
    Py_buffer found;
    PyObject *known = PyWeakref_NewRef(pages, NULL);
    if (known == NULL || PyObject_GetBuffer(pages, &found, PyBUF_WRITABLE) < 0) {
        Py_XDECREF(known);
        PyErr_Clear();
        return -1;
    }
    mapped->bytes = found.buf;
    mapped->length = found.len;
    PyBuffer_Release(&found);
    Py_XSETREF(mapped->pages, known);
    return 0;
}

/* Whether it is known where `pages` lie. */
static inline int knows_pages(const Mapped *mapped, PyObject *pages)
{
    if (mapped->pages == NULL)
        return 0;
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *found = NULL;
    if (PyWeakref_GetRef(mapped->pages, &found) < 0)
        PyErr_Clear();
    Py_XDECREF(found);
    return found == pages;
#else
    return PyWeakref_GET_OBJECT(mapped->pages) == pages;
#endif
}

/* Append a payload and its checksum to `file`; 0, with nothing done and no exception, where that is not for us.

   Pages that a journal may append to (`_limit`) stay where they are. To be told where each time, by way of the module
   that maps them, would be a third of what it takes to append where little of us is in the caches. */
static inline int append_payload(Mapped *mapped, PyObject *file, const unsigned char *payload, size_t length,
                                 uint32_t check)
{
    if (!Py_IS_TYPE(file, mapped->type))
        return 0;
    PyObject **at_slot = slot(file, mapped->at);
    PyObject *limit = *slot(file, mapped->limit), *buffer = *slot(file, mapped->buffer);
    if (*at_slot == NULL || limit == NULL || buffer == NULL)
        return 0;
    Py_ssize_t at = PyLong_AsSsize_t(*at_slot), end = at + FRAME + (Py_ssize_t)length;
    if (at < 0 || end > PyLong_AsSsize_t(limit) || (!knows_pages(mapped, buffer) && find_pages(mapped, buffer) < 0)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *after = end <= mapped->length ? PyLong_FromSsize_t(end) : NULL;
    if (after == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_SETREF(*at_slot, after);
    unsigned char *frame = mapped->bytes + at;
    memcpy(frame + FRAME, payload, length);
    /* The head of the frame last: without it, what follows is a hole, which the reader passes over. */
    unsigned char head[FRAME];
    put(head, (uint64_t)check << 32 | (uint32_t)length, FRAME);
    IN_THIS_ORDER;
    memcpy(frame, head, FRAME);
    return 1;
}

#endif
