/* The hook of values: a number or a text as it was, cut where it is long; of everything else the kind, and how many
   members it has. The same as `trilha.capture.script.texts` makes of it, which is asked for what is not ordinary. */

#include "recorder.h"

#define LONGEST 60
#define FEW 6 /* shorter texts are no secrets */

static PyObject *slow_text, *slow_surroundings;

/* A text that is being made: bytes of its own, or those of an object. */
typedef struct {
    char own[4 * (2 * LONGEST + 4)];
    const char *bytes;
    size_t length;
    PyObject *holder;
} Text;

/* -- what the environment holds ----------------------------------------------------------------------------------- */

static struct {
    PyObject *environ, *data, *seen, *values, *secrets;
} around;
static PyObject *os_names, *environ_name;

/* Whether the environment is the one that was seen: the same objects in the same order. */
static int is_known(void)
{
    if (around.data == NULL || around.data == Py_None)
        return 0;
    PyObject *environ = PyDict_GetItemWithError(os_names, environ_name);
    if (environ != around.environ || PyDict_GET_SIZE(around.data) != PyDict_GET_SIZE(around.seen))
        return 0;
    PyObject *key, *value, *seen_key, *seen_value;
    Py_ssize_t at = 0, seen_at = 0;
    while (PyDict_Next(around.data, &at, &key, &value)) {
        if (!PyDict_Next(around.seen, &seen_at, &seen_key, &seen_value) || key != seen_key || value != seen_value)
            return 0;
    }
    return 1;
}

static int look_around(void)
{
    PyObject *found = PyObject_CallNoArgs(slow_surroundings);
    if (found == NULL)
        return -1;
    PyObject **has = PyTuple_Check(found) && PyTuple_GET_SIZE(found) == 5 ? &PyTuple_GET_ITEM(found, 0) : NULL;
    if (has == NULL || (has[1] != Py_None && !(PyDict_Check(has[1]) && PyDict_Check(has[2]))) ||
        !PyTuple_Check(has[4])) {
        PyErr_SetString(PyExc_TypeError, "expected what is known of the environment");
        Py_DECREF(found);
        return -1;
    }
    PyObject **parts[] = {&around.environ, &around.data, &around.seen, &around.values, &around.secrets};
    for (Py_ssize_t at = 0; at < 5; at++)
        Py_XSETREF(*parts[at], Py_NewRef(has[at]));
    Py_DECREF(found);
    return 0;
}

/* Whether a text is not told; -1 with an exception. */
static int is_hidden(PyObject *text)
{
    if (PyUnicode_GET_LENGTH(text) < FEW)
        return 0;
    if (!is_known() && look_around() < 0)
        return -1;
    int found = PySet_Contains(around.values, text);
    for (Py_ssize_t at = 0; found == 0 && at < PyTuple_GET_SIZE(around.secrets); at++)
        found = PyUnicode_Contains(text, PyTuple_GET_ITEM(around.secrets, at));
    return found;
}

/* -- texts of values ---------------------------------------------------------------------------------------------- */
/* Each gives -1 with an exception. */

static int say(Text *text, const char *bytes, size_t length)
{
    memcpy(text->own, bytes, length);
    text->length = length;
    return 0;
}

/* A text of Python; its reference is taken. */
static int say_object(Text *text, PyObject *made)
{
    if (made == NULL)
        return -1;
    PyObject *encoded = PyUnicode_AsEncodedString(made, "utf-8", "surrogatepass");
    Py_DECREF(made);
    if (encoded == NULL)
        return -1;
    text->holder = encoded;
    text->bytes = PyBytes_AS_STRING(encoded);
    text->length = (size_t)PyBytes_GET_SIZE(encoded);
    return 0;
}

static int say_slowly(Text *text, PyObject *value)
{
    return say_object(text, PyObject_CallOneArg(slow_text, value));
}

static int say_number(Text *text, long long value)
{
    char digits[MOST_DIGITS], *end = digits + sizeof digits;
    char *first = put_digits(end, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value);
    if (value < 0)
        *--first = '-';
    return say(text, first, (size_t)(end - first));
}

static int say_int(Text *text, PyObject *value)
{
    Py_ssize_t small;
    if (is_small(value, &small))
        return say_number(text, (long long)small);
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow ? say_slowly(text, value) : say_number(text, number);
}

static int say_float(Text *text, double value)
{
    char *made = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (made == NULL)
        return -1;
    say(text, made, strlen(made));
    PyMem_Free(made);
    return 0;
}

/* What Python writes for a text or bytes, cut; the reference is taken. */
static int say_cut(Text *text, PyObject *begin, int more)
{
    PyObject *whole = begin ? PyObject_Repr(begin) : NULL;
    Py_XDECREF(begin);
    if (whole == NULL || (!more && PyUnicode_GET_LENGTH(whole) <= 2 * LONGEST))
        return say_object(text, whole);
    PyObject *cut = PyUnicode_Substring(whole, 0, LONGEST);
    Py_DECREF(whole);
    PyObject *made = cut ? PyUnicode_FromFormat("%U%c", cut, 0x2026) : NULL; /* an ellipsis */
    Py_XDECREF(cut);
    return say_object(text, made);
}

/* Whether Python writes a text as it is, between apostrophes. */
static int is_simple(const char *letters, Py_ssize_t length)
{
    for (Py_ssize_t at = 0; at < length; at++)
        if (letters[at] < ' ' || letters[at] > '~' || letters[at] == '\'' || letters[at] == '\\')
            return 0;
    return 1;
}

static int say_text(Text *text, PyObject *value)
{
    int hidden = is_hidden(value);
    if (hidden)
        return hidden < 0 ? -1 : say(text, "<of the environment>", 20);
    Py_ssize_t length = PyUnicode_GET_LENGTH(value);
    if (length <= LONGEST && PyUnicode_IS_COMPACT_ASCII(value) && is_simple(PyUnicode_DATA(value), length)) {
        text->own[0] = '\'';
        memcpy(text->own + 1, PyUnicode_DATA(value), (size_t)length);
        text->own[length + 1] = '\'';
        text->length = (size_t)length + 2;
        return 0;
    }
    return say_cut(text, PyUnicode_Substring(value, 0, LONGEST + 1), length > LONGEST);
}

static int say_bytes(Text *text, PyObject *value)
{
    Py_ssize_t length = PyBytes_GET_SIZE(value), kept = length > LONGEST ? LONGEST + 1 : length;
    return say_cut(text, PyBytes_FromStringAndSize(PyBytes_AS_STRING(value), kept), length > LONGEST);
}

static int say_members(Text *text, const char *kind, Py_ssize_t count)
{
    int length = snprintf(text->own, sizeof text->own, "<%s of %zd>", kind, count);
    text->length = (size_t)length;
    return 0;
}

/* The name of a type, as far as neither its class nor the program has a say in it. */
static int say_type(Text *text, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        if (strncmp(type->tp_name, "numpy.", 6) == 0 && strcmp(type->tp_name, "numpy.ndarray") != 0)
            return say_slowly(text, value);
        return say_object(text, PyUnicode_FromFormat("<%s>", type->tp_name));
    }
    PyObject *module = PyDict_GetItemString(type->tp_dict, "__module__");
    if (module == NULL || !PyUnicode_CheckExact(module) || PyUnicode_CompareWithASCIIString(module, "builtins") == 0)
        return say_slowly(text, value);
    return say_object(text, PyUnicode_FromFormat("<%U.%U>", module, ((PyHeapTypeObject *)type)->ht_qualname));
}

static int say_value(Text *text, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyLong_Type)
        return say_int(text, value);
    if (type == &PyFloat_Type)
        return say_float(text, PyFloat_AS_DOUBLE(value));
    if (type == &PyUnicode_Type)
        return say_text(text, value);
    if (type == &PyBool_Type)
        return value == Py_True ? say(text, "True", 4) : say(text, "False", 5);
    if (value == Py_None)
        return say(text, "None", 4);
    if (type == &PyList_Type || type == &PyTuple_Type)
        return say_members(text, type->tp_name, Py_SIZE(value));
    if (type == &PyDict_Type)
        return say_members(text, "dict", PyDict_GET_SIZE(value));
    if (type == &PySet_Type || type == &PyFrozenSet_Type)
        return say_members(text, type->tp_name, PySet_GET_SIZE(value));
    if (type == &PyBytes_Type)
        return say_bytes(text, value);
    if (PyFloat_Check(value) && !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) /* numpy.float64 */
        return say_float(text, PyFloat_AS_DOUBLE(value));
    if (PyLong_Check(value) || PyFloat_Check(value) || type == &PyComplex_Type)
        return say_slowly(text, value);
    return say_type(text, value);
}

/* -- the hook ----------------------------------------------------------------------------------------------------- */

/* A value is told as a text, and given back: head, value, order. */
HOOK(hook_value)
{
    NEEDS(3);
    PyObject *value = args[1];
    if (!active)
        return Py_NewRef(value);
    Text text = {.holder = NULL};
    text.bytes = text.own;
    if (say_value(&text, value) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL; /* the user's interruption */
        PyErr_Clear();
        text.length = 0;
    }
    begin_record();
    if (make_room(text.length + SLACK) == 0) {
        put(head_of(args[0]));
        put(head_of(args[2]));
        put(text.length);
        put_bytes(text.bytes, text.length);
    }
    Py_XDECREF(text.holder);
    return Py_NewRef(value);
}

int start_values(PyObject *text_of, PyObject *surroundings)
{
    if (os_names == NULL) {
        PyObject *os = PyImport_ImportModule("os");
        os_names = os ? Py_NewRef(PyModule_GetDict(os)) : NULL;
        Py_XDECREF(os);
        environ_name = PyUnicode_InternFromString("environ");
        if (os_names == NULL || environ_name == NULL)
            return -1;
    }
    Py_XSETREF(slow_text, Py_NewRef(text_of));
    Py_XSETREF(slow_surroundings, Py_NewRef(surroundings));
    return 0;
}
