/* What joins a trace to the rest of a run: an object is an entity from now on. `trilha.capture.script.joined` does the
   same in Python, and what is not as it mostly is. */

#include "recorder.h"

enum { KNOWN };
static PyObject *bases_name; /* of an attribute of a recorder */

/* A part of a text that is evaluated. */
typedef struct {
    PyObject *path; /* of the text; NULL for none */
    int line, column, end_line, end_column;
} Evaluated;

/* -- places of instructions ---------------------------------------------------------------------------------------- */

#if PY_VERSION_HEX < 0x030F0000
/* The table of places that code has (CPython, Objects/locations.md) is of entries, one behind the other, each for one to
   eight instructions. A first byte alone has its highest bit set; it has the kind of the entry, too. */
enum { FIRST_OF_LINES = 10, NO_COLUMNS = 13, LONG, NO_PLACE };
#define UNIT 2 /* bytes of an instruction without its arguments, the same in each version; only some tell its C type */
static const unsigned char behind[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2}; /* bytes behind the first, by kind */
static const unsigned char lines_on[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2};

/* A number of six bits a byte, the lowest first, the seventh saying that more follow. */
static unsigned read_number(const unsigned char **at)
{
    unsigned number = 0;
    int shift = 0;
    do
        number |= (unsigned)(**at & 63) << shift;
    while (shift += 6, *(*at)++ & 64);
    return number;
}

static int read_signed(const unsigned char **at)
{
    unsigned number = read_number(at);
    return number & 1 ? -(int)(number >> 1) : (int)(number >> 1);
}

/* The place of the instruction at `at`: what `PyCode_Addr2Location` tells, which takes some thirty instructions of the
   processor for each entry before. */
static void find_place(PyCodeObject *code, int at, Evaluated *found)
{
    const unsigned char *entry = (const unsigned char *)PyBytes_AS_STRING(code->co_linetable);
    const unsigned char *end = entry + PyBytes_GET_SIZE(code->co_linetable);
    int line = code->co_firstlineno, left = at / UNIT;
    while (entry < end) {
        int kind = *entry >> 3 & 15;
        left -= (*entry++ & 7) + 1;
        if (kind < NO_COLUMNS)
            line += lines_on[kind];
        else if (kind != NO_PLACE)
            line += read_signed(&entry);
        if (left < 0) {
            if (kind == NO_PLACE)
                return;
            found->line = found->end_line = line;
            if (kind < FIRST_OF_LINES) {
                found->column = kind << 3 | *entry >> 4;
                found->end_column = found->column + (*entry & 15);
            } else if (kind < NO_COLUMNS) {
                found->column = entry[0];
                found->end_column = entry[1];
            } else if (kind == LONG) {
                found->end_line = line + (int)read_number(&entry);
                found->column = (int)read_number(&entry) - 1;
                found->end_column = (int)read_number(&entry) - 1;
            }
            return;
        }
        if (kind < NO_COLUMNS)
            entry += behind[kind];
        else
            while (entry < end && *entry < 128)
                entry++;
    }
}
#else
static void find_place(PyCodeObject *code, int at, Evaluated *found)
{
    PyCode_Addr2Location(code, at, &found->line, &found->column, &found->end_line, &found->end_column);
}
#endif

/* -- what is evaluated --------------------------------------------------------------------------------------------- */

/* Which one this thread evaluates, of the texts that are called so, by the files that their code names. */
static Evaluated evaluated(PyObject *paths)
{
    Evaluated found = {.path = NULL};
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    while (frame != NULL) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        found.path = Py_XNewRef(PyDict_GetItemWithError(paths, code->co_filename));
        if (found.path != NULL)
            find_place(code, PyFrame_GetLasti(frame), &found);
        Py_DECREF(code);
        PyFrameObject *back = found.path == NULL && !PyErr_Occurred() ? PyFrame_GetBack(frame) : NULL;
        Py_SETREF(frame, back);
    }
    return found;
}

/* What the IRI of an entity of this number begins with (`siblings.iri_of`), as UTF-8; NULL for what is not told here. */
static const char *base_of(PyObject *bases, PyObject *number, Py_ssize_t *length)
{
    if (!PyTuple_CheckExact(bases))
        return NULL;
    for (Py_ssize_t at = PyTuple_GET_SIZE(bases); at > 0; at--) {
        PyObject *one = PyTuple_GET_ITEM(bases, at - 1);
        if (!PyTuple_CheckExact(one) || PyTuple_GET_SIZE(one) != 2 || !PyLong_CheckExact(PyTuple_GET_ITEM(one, 0)) ||
            !PyUnicode_CheckExact(PyTuple_GET_ITEM(one, 1)))
            return NULL;
        if (PyObject_RichCompareBool(number, PyTuple_GET_ITEM(one, 0), Py_GE) > 0)
            return PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(one, 1), length);
    }
    return NULL;
}

/* Log that an object is an entity; 0, maybe with an exception, where that is not done here. With None for `again` all is
   gone through that is needed for it, and nothing logged. */
static int tell_known(PyObject *bases, PyObject *paths, PyObject *thing, PyObject *entity, PyObject *again)
{
    Py_ssize_t path_length, base_length;
    int overflow;
    long long number = PyLong_CheckExact(entity) ? PyLong_AsLongLongAndOverflow(entity, &overflow) : -1;
    const char *base = number >= 0 ? base_of(bases, entity, &base_length) : NULL;
    if (base == NULL || !(PyBool_Check(again) || again == Py_None))
        return 0;
    Evaluated part = evaluated(paths);
    if (part.path == NULL)
        return !PyErr_Occurred();
    const char *path = PyUnicode_CheckExact(part.path) ? PyUnicode_AsUTF8AndSize(part.path, &path_length) : NULL;
    uint64_t told[3];
    int count = path && path_length && again != Py_None ? refer(thing, told) : 0;
    if (count && told[0] >= FIRST_TOKEN) {
        char digits[MOST_DIGITS], *end = digits + sizeof digits, *first = put_digits(end, (unsigned long long)number);
        size_t many = (size_t)(end - first);
        size_t length = (size_t)path_length + 1 + (size_t)base_length + many;
        begin_record();
        if (make_room(length + SLACK) == 0) {
            put(JOINED);
            put(KNOWN);
            put(again == Py_True);
            put_place(part.line, part.end_line, part.column, part.end_column);
            put(length);
            put_bytes(path, (size_t)path_length + 1); /* with the zero behind it */
            put_bytes(base, (size_t)base_length);
            put_bytes(first, many);
            put_all(told, count);
        }
        end_record();
    }
    Py_DECREF(part.path);
    return path != NULL;
}

/* known(thing, entity, again), of what `hook_known` was given. */
static PyObject *known(PyObject *given, PyObject *const *args, Py_ssize_t count)
{
    PyObject *recorder = PyTuple_GET_ITEM(given, 0), *paths = PyTuple_GET_ITEM(given, 1);
    int done = !active;
    if (!done && count == 3) {
        PyObject *bases = PyObject_GetAttr(recorder, bases_name);
        done = bases && tell_known(bases, paths, args[0], args[1], args[2]);
        Py_XDECREF(bases);
        PyErr_Clear();
    }
    if (done)
        Py_RETURN_NONE;
    return PyObject_Vectorcall(PyTuple_GET_ITEM(given, 2), args, (size_t)count, NULL);
}

static PyMethodDef known_method = {"known", (PyCFunction)(void (*)(void))known, METH_FASTCALL, NULL};

/* Gives a function that logs which objects are entities of a run, some of them by calling one in Python:
   recorder, what texts are called by the files that their code names, the other function. */
HOOK(hook_known)
{
    NEEDS(3);
    if (bases_name == NULL && (bases_name = PyUnicode_InternFromString("_bases")) == NULL)
        return NULL;
    if (!PyDict_CheckExact(args[1]))
        return PyErr_Format(PyExc_TypeError, "expected what texts are called, by their files");
    PyObject *given = PyTuple_Pack(3, args[0], args[1], args[2]);
    PyObject *made = given ? PyCFunction_New(&known_method, given) : NULL;
    Py_XDECREF(given);
    return made;
}
