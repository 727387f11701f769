/* Rows of numbers of a series that is known, and `trilha.log`, which appends them. */

#ifndef TRILHA_ROWS_H
#define TRILHA_ROWS_H

#include "training.h"

#define MOST 64 /* numbers in a row */
#define HEAD 5  /* bytes of a payload before its rows: what it is, and the number of its block */

/* CRC-32 as zlib has it. By half bytes: one line of the processor's cache, where a table by bytes has sixteen,
   which are not there any more when a batch was computed since the last row. */
static inline uint32_t check_more(uint32_t check, const unsigned char *data, size_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    while (length--) {
        check ^= *data++;
        check = (check >> 4) ^ table[check & 15];
        check = (check >> 4) ^ table[check & 15];
    }
    return check;
}

/* -- rows -------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *recorder, *slow, *file_name;
    Mapped mapped;
    Py_ssize_t count;
    uint32_t head_check;
    unsigned char head[HEAD];
    char codes[MOST];
} Rows;

/* The numbers of a row as the journal has them; 0 if one is no plain number. */
static int pack_row(Rows *rows, unsigned char *target, PyObject *const *values)
{
    for (Py_ssize_t i = 0; i < rows->count; i++, target += 8) {
        PyObject *value = values[i];
        int whole = PyLong_CheckExact(value) || PyBool_Check(value);
        if (rows->codes[i] == 'q') {
            int over = 0;
            long long number = whole ? PyLong_AsLongLongAndOverflow(value, &over) : 0;
            if (!whole || over)
                return 0;
            put(target, (uint64_t)number, 8);
            continue;
        }
        double number;
        if (PyFloat_Check(value))
            number = PyFloat_AS_DOUBLE(value);
        else if (!whole)
            return 0;
        else if ((number = PyLong_AsDouble(value)) == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
        uint64_t bits;
        memcpy(&bits, &number, 8);
        put(target, bits, 8);
    }
    return 1;
}

/* Append a row to the journal; 0, with nothing done, where that is not for us. */
static int append_row(Rows *rows, PyObject *const *values)
{
    unsigned char payload[HEAD + 8 + 8 * MOST];
    size_t length = HEAD + 8 + 8 * (size_t)rows->count;
    memcpy(payload, rows->head, HEAD);
    if (!pack_row(rows, payload + HEAD + 8, values))
        return 0;
    PyObject *file = PyObject_GetAttr(rows->recorder, rows->file_name);
    if (file == NULL) {
        PyErr_Clear();
        return 0;
    }
    put(payload + HEAD, (uint64_t)now(), 8);
    uint32_t check = ~check_more(rows->head_check, payload + HEAD, length - HEAD);
    int done = append_payload(&rows->mapped, file, payload, length, check);
    Py_DECREF(file);
    return done;
}

static PyObject *rows_call(PyObject *self, PyObject *const *values, size_t count, PyObject *names)
{
    Rows *rows = (Rows *)self;
    if (names == NULL && PyVectorcall_NARGS(count) == rows->count && rows->slow != NULL &&
        append_row(rows, values))
        Py_RETURN_NONE;
    if (rows->slow == NULL)
        Py_RETURN_NONE; /* taken apart already */
    return PyObject_Vectorcall(rows->slow, values, count, names);
}

static PyObject *rows_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    static char *names[] = {"slow", "recorder", "mapped", "head", "codes", NULL};
    PyObject *slow, *recorder, *mapped;
    const char *head, *codes;
    Py_ssize_t head_length, count;
    if (!PyArg_ParseTupleAndKeywords(args, named, "OOO!y#s#", names, &slow, &recorder, &PyType_Type, &mapped,
                                     &head, &head_length, &codes, &count))
        return NULL;
    if (head_length != HEAD || count < 1 || count > MOST) {
        PyErr_Format(PyExc_ValueError, "a head of %d bytes and 1 to %d numbers are expected", HEAD, MOST);
        return NULL;
    }
    Mapped found;
    if (find_mapped(&found, (PyTypeObject *)mapped) < 0)
        return NULL;
    Rows *rows = (Rows *)type->tp_alloc(type, 0);
    if (rows == NULL)
        return NULL;
    rows->call = rows_call;
    rows->slow = Py_NewRef(slow);
    rows->recorder = Py_NewRef(recorder);
    rows->file_name = PyUnicode_InternFromString("file");
    rows->mapped = found;
    Py_INCREF(mapped);
    rows->count = count;
    memcpy(rows->head, head, HEAD);
    memcpy(rows->codes, codes, (size_t)count);
    rows->head_check = check_more(0xffffffff, rows->head, HEAD);
    if (rows->file_name == NULL)
        Py_CLEAR(rows);
    return (PyObject *)rows;
}

static int rows_traverse(PyObject *self, visitproc visit, void *arg)
{
    Rows *rows = (Rows *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(rows->recorder);
    Py_VISIT(rows->slow);
    Py_VISIT(rows->mapped.type);
    return 0;
}

static int rows_clear(PyObject *self)
{
    Rows *rows = (Rows *)self;
    Py_CLEAR(rows->recorder);
    Py_CLEAR(rows->slow);
    Py_CLEAR(rows->mapped.type);
    Py_CLEAR(rows->mapped.pages);
    Py_CLEAR(rows->file_name);
    return 0;
}

static PyMemberDef rows_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Rows, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, "Rows(slow, recorder, mapped, head, codes)\n--\n\n"
                "Appends a row of numbers to the journal of a recorder; by `slow` what is not ordinary."},
    {Py_tp_new, rows_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, rows_traverse},
    {Py_tp_clear, rows_clear},
    {Py_tp_dealloc, deallocate},
    {Py_tp_members, rows_members},
    {0, NULL}};

static PyType_Spec rows_spec = {
    "trilha_training.Rows", sizeof(Rows), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE, rows_slots};

/* -- trilha.log -------------------------------------------------------------------------------------------- */

/* The appender of the series that a row belongs to, if all about it is ordinary; NULL without an exception. */
static PyObject *series_of(State *state, PyObject *recorder, PyObject *names)
{
    PyObject *activity = NULL, *append = NULL;
    if (PyContextVar_Get(state->activity_variable, NULL, &activity) < 0)
        return NULL;
    if (activity == NULL || activity == Py_None)
        Py_XSETREF(activity, PyObject_GetAttr(recorder, state->run));
    if (activity != NULL && Py_IS_TYPE(activity, state->activity_type)) {
        PyObject *blocks = *slot(activity, state->blocks_place);
        PyObject *key = PyTuple_GET_SIZE(names) == 1 ? PyTuple_GET_ITEM(names, 0) : names;
        PyObject *series = blocks != NULL && PyDict_CheckExact(blocks) ? PyDict_GetItemWithError(blocks, key) : NULL;
        if (series != NULL) {
            Py_INCREF(series);
            append = PyObject_GetAttr(series, state->append);
            Py_DECREF(series);
        }
    }
    Py_XDECREF(activity);
    return append;
}

static PyObject *fast_log(PyObject *module, PyObject *const *values, Py_ssize_t count, PyObject *names)
{
    State *state = PyModule_GetState(module);
    PyObject *recorder = *slot(state->process, state->recorder_place);
    if (count == 0 && names != NULL && PyTuple_GET_SIZE(names) > 0) {
        if (recorder == Py_None && *slot(state->process, state->invited_place) == Py_False)
            Py_RETURN_NONE;
        if (recorder != NULL && recorder != Py_None) {
            Py_INCREF(recorder);
            PyObject *append = series_of(state, recorder, names);
            Py_DECREF(recorder);
            int done = 0;
            if (append != NULL) {
                done = Py_IS_TYPE(append, state->rows_type) &&
                       ((Rows *)append)->count == PyTuple_GET_SIZE(names) && ((Rows *)append)->slow != NULL &&
                       append_row((Rows *)append, values);
                Py_DECREF(append);
            }
            if (done)
                Py_RETURN_NONE;
            PyErr_Clear();
        }
    }
    return PyObject_Vectorcall(state->slow_log, values, (size_t)count, names);
}

/* log_of(slow, process, variable, activity_type): the function, with the name and words of `slow`. */
static PyObject *log_of(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *slow, *process, *variable, *type;
    if (!PyArg_ParseTuple(args, "OOOO!", &slow, &process, &variable, &PyType_Type, &type))
        return NULL;
    if (!PyContextVar_CheckExact(variable)) {
        PyErr_SetString(PyExc_TypeError, "the current activity must be a context variable");
        return NULL;
    }
    Py_ssize_t recorder = place_of((PyObject *)Py_TYPE(process), "recorder"), invited, blocks;
    if (recorder < 0 || (invited = place_of((PyObject *)Py_TYPE(process), "invited")) < 0 ||
        (blocks = place_of(type, "blocks")) < 0)
        return NULL;
    PyObject *words = PyObject_GetAttrString(slow, "__doc__"), *where = PyObject_GetAttrString(slow, "__module__");
    PyObject *text = words && where ? PyUnicode_FromFormat("log($module, /, **metrics)\n--\n\n%S", words) : NULL;
    const char *characters = text ? PyUnicode_AsUTF8(text) : NULL;
    Py_XDECREF(words);
    /* A function's definition must outlive it: this one, and its text, are kept for good. */
    PyMethodDef *definition = characters ? PyMem_RawCalloc(1, sizeof(PyMethodDef)) : NULL;
    PyObject *made = NULL;
    if (definition != NULL) {
        definition->ml_name = "log";
        definition->ml_meth = (PyCFunction)(void (*)(void))fast_log;
        definition->ml_flags = METH_FASTCALL | METH_KEYWORDS;
        definition->ml_doc = characters;
        made = PyCFunction_NewEx(definition, module, where);
    } else {
        Py_XDECREF(text);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
    }
    Py_XDECREF(where);
    if (made == NULL)
        return NULL;
    state->recorder_place = recorder;
    state->invited_place = invited;
    state->blocks_place = blocks;
    Py_XSETREF(state->slow_log, Py_NewRef(slow));
    Py_XSETREF(state->process, Py_NewRef(process));
    Py_XSETREF(state->activity_variable, Py_NewRef(variable));
    Py_XSETREF(state->activity_type, (PyTypeObject *)Py_NewRef(type));
    return made;
}

#endif
