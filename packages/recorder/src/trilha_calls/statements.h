/* Statements as `Recorder.statement` appends them, built of plain cells. */

#ifndef TRILHA_STATEMENTS_H
#define TRILHA_STATEMENTS_H

#include "../journal.h"
#include "../trilha_tasks/packing.h"

#define ROOM (1 << 14)
#define LONGEST 200 /* signs of a text, `values._LONG_TEXT` */

/* What a statement begins with: `trilha.prov.Kind`. */
static struct { long entity, activity, generation, usage, derivation, start, association; } kinds;

/* Values that are always the same, as the journal has them: bytes. */
static struct { PyObject *step, *object, *revision; } words;

static Mapped mapped;

/* The one that is being built: from its begin to its end nothing here runs code in Python. */
static unsigned char built[ROOM];
static unsigned char *built_to;

/* Whether a value is one that a statement takes as it is. */
static int is_plain(PyObject *value)
{
    if (PyLong_CheckExact(value)) {
        int over;
        (void)PyLong_AsLongLongAndOverflow(value, &over);
        return !over;
    }
    if (PyUnicode_CheckExact(value))
        return PyUnicode_IS_COMPACT_ASCII(value) && PyUnicode_GET_LENGTH(value) <= LONGEST;
    return PyFloat_CheckExact(value) || PyBool_Check(value) || value == Py_None;
}

static void statement(long kind, int cells)
{
    built_to = pack_unsigned(pack_array(built, cells), (uint64_t)kind);
}

/* The cells of a statement: values that are plain, and no more of them than there is room for (`MOST_VALUES`). */
static void cell(PyObject *value)
{
    unsigned char *after = built_to ? pack_value(built_to, built + ROOM, value) : NULL;
    built_to = after;
}

static void cell_time(int64_t at)
{
    if (built_to)
        built_to = pack_unsigned(built_to, (uint64_t)at);
}

static void cell_array(Py_ssize_t count)
{
    if (built_to)
        built_to = pack_array(built_to, count);
}

static void cell_bytes(const void *bytes, size_t length)
{
    if (built_to == NULL || length > (size_t)(built + ROOM - built_to) - 18) {
        built_to = NULL;
        return;
    }
    memcpy(built_to, bytes, length);
    built_to += length;
}

static void cell_word(PyObject *word)
{
    cell_bytes(PyBytes_AS_STRING(word), (size_t)PyBytes_GET_SIZE(word));
}

/* A text of at most 31 signs. */
static void cell_text(const char *text)
{
    unsigned char length = (unsigned char)(0xa0 | strlen(text));
    cell_bytes(&length, 1);
    cell_bytes(text, strlen(text));
}

/* A key of an attribute: what all such keys begin with, and a name. */
static void cell_key(const char *prefix, PyObject *name)
{
    size_t first = strlen(prefix), second = (size_t)PyUnicode_GET_LENGTH(name);
    unsigned char head[2] = {0xd9, (unsigned char)(first + second)};
    if (first + second < 0x20)
        head[1] |= 0xa0;
    cell_bytes(first + second < 0x20 ? head + 1 : head, first + second < 0x20 ? 1 : 2);
    cell_bytes(prefix, first);
    cell_bytes(PyUnicode_DATA(name), second);
}

/* Append the statement to a journal; -1 with an exception. */
static int state(PyObject *file)
{
    if (built_to == NULL) {
        PyErr_SetString(PyExc_ValueError, "a statement that is not plain");
        return -1;
    }
    size_t length = (size_t)(built_to - built);
    if (append_payload(&mapped, file, built, length, check_of(built, length)))
        return 0;
    PyObject *done = PyObject_CallMethod(file, "append", "y#", (char *)built, (Py_ssize_t)length);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* -- what is said of calls, as `Recorder` says it ------------------------------------------------------------------ */

static int state_entity(PyObject *file, PyObject *entity, PyObject *label, Py_ssize_t length)
{
    statement(kinds.entity, 3);
    cell(entity);
    cell_array(8);
    cell_text("prov:type");
    cell_word(words.object);
    cell_text("prov:label");
    cell(label);
    cell_text("trilha:python_type");
    cell_text("list");
    cell_text("trilha:length");
    cell_time(length);
    return state(file);
}

/* `at`: 0 if it is not known. */
static int state_generation(PyObject *file, PyObject *number, PyObject *entity, PyObject *activity, int64_t at)
{
    statement(kinds.generation, 6);
    cell(number);
    cell(entity);
    cell(activity);
    if (at)
        cell_time(at);
    else
        cell(Py_None);
    cell_array(0);
    return state(file);
}

static int state_usage(PyObject *file, PyObject *number, PyObject *activity, PyObject *entity, int64_t at,
                       PyObject *role)
{
    statement(kinds.usage, 6);
    cell(number);
    cell(activity);
    cell(entity);
    cell_time(at);
    cell_array(2);
    cell_text("prov:role");
    cell(role);
    return state(file);
}

/* `revised`: the one is a revision of the other. */
static int state_derivation(PyObject *file, PyObject *generated, PyObject *used, PyObject *activity,
                            PyObject *generation, PyObject *usage, int revised)
{
    statement(kinds.derivation, 8);
    cell(Py_None);
    cell(generated);
    cell(used);
    cell(activity);
    cell(generation);
    cell(usage);
    cell_array(revised ? 2 : 0);
    if (revised) {
        cell_text("prov:type");
        cell_word(words.revision);
    }
    return state(file);
}

static int state_start(PyObject *file, PyObject *activity, PyObject *starter, int64_t at)
{
    statement(kinds.start, 7);
    cell(Py_None);
    cell(activity);
    cell(Py_None);
    cell(starter);
    cell_time(at);
    cell_array(0);
    return state(file);
}

static int state_association(PyObject *file, PyObject *activity, PyObject *person, PyObject *plan)
{
    statement(kinds.association, 6);
    cell(Py_None);
    cell(activity);
    cell(person);
    cell(plan);
    cell_array(0);
    return state(file);
}

#endif
