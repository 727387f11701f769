/* The numbers that stand for an object or a key in a record. */

#include "recorder.h"

/* -- objects ----------------------------------------------------------------------------------------------------- */

enum { LIST = 1, DICT, SET, DEQUE, FUNCTION, TYPE, INSTANCE, GENERATOR, ARRAY, DATA_FRAME, CELL, FRAME };

static int kind_of(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    const char *name = type->tp_name;
    if (type == &PyList_Type || type == &PyByteArray_Type)
        return LIST;
    if (type == &PyDict_Type)
        return DICT;
    if (type == &PySet_Type)
        return SET;
    if (type == &PyFunction_Type)
        return FUNCTION;
    if (PyType_Check(object))
        return TYPE;
    if (type == &PyGen_Type)
        return GENERATOR;
    if (type == &PyCell_Type)
        return CELL;
    if (type == &PyFrame_Type)
        return FRAME;
    if (strcmp(name, "collections.deque") == 0)
        return DEQUE;
    if (strcmp(name, "DataFrame") == 0)
        return DATA_FRAME;
    if (PyDict_Check(object) && (strcmp(name, "collections.OrderedDict") == 0 ||
                                 strcmp(name, "collections.defaultdict") == 0 || strcmp(name, "Counter") == 0))
        return DICT;
    for (PyTypeObject *one = type; one != NULL; one = one->tp_base)
        if (strcmp(one->tp_name, "numpy.ndarray") == 0)
            return ARRAY;
    return INSTANCE;
}

/* One more than how many members an object of a kind has; 0 where that is not told. */
static uint64_t length_of(PyObject *object, int kind)
{
    switch (kind) {
    case LIST:
        return 1 + (uint64_t)(PyList_CheckExact(object) ? PyList_GET_SIZE(object) : PyByteArray_GET_SIZE(object));
    case DICT:
        return 1 + (uint64_t)PyDict_GET_SIZE(object);
    case SET:
        return 1 + (uint64_t)PySet_GET_SIZE(object);
    case DEQUE:
        return 1 + (uint64_t)Py_SIZE(object);
    default:
        return 0;
    }
}

/* Arrays that got a token, of which it is to be logged how they lie in memory, and what has rows, of which these are:
   behind the record that has it. */
#define MOST_UNTOLD 64
static struct { PyObject *object; uint32_t token; } untold[MOST_UNTOLD];
int untold_count;
static PyObject *slow_key, *slow_array;

void tell_arrays(void)
{
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    while (untold_count) {
        PyObject *object = untold[--untold_count].object;
        PyObject *number = PyLong_FromUnsignedLong(untold[untold_count].token);
        PyObject *done = number ? PyObject_CallFunctionObjArgs(slow_array, object, number, NULL) : NULL;
        Py_XDECREF(number);
        Py_XDECREF(done);
        Py_DECREF(object);
        PyErr_Clear();
    }
    PyErr_Restore(error_type, error, trace);
}

/* Whether a type of this name may be one of pandas', of which rows are to be told. */
static int has_rows(const char *name)
{
    return strcmp(name, "Series") == 0 || strcmp(name, "DataFrameGroupBy") == 0 || strcmp(name, "SeriesGroupBy") == 0;
}

/* Of an object that has no token, of which the log does not tell yet, or whose class has changed since. */
int refer_to(PyObject *object, uint64_t out[3])
{
    uint32_t token = 0;
    Entry *known = find(object);
    if (known != NULL && known->type == NULL) {
        token = known->token;
    } else {
        if (known != NULL)
            forget(object);
        PyObject *error_type, *error, *trace;
        PyErr_Fetch(&error_type, &error, &trace);
        int failed = add_token(object, &token);
        PyErr_Restore(error_type, error, trace);
        if (failed < 0) {
            out[0] = 1;
            return 1;
        }
    }
    int kind = kind_of(object);
    out[0] = ((uint64_t)token + FIRST_TOKEN) | NEW;
    out[1] = (uint64_t)kind;
    out[2] = length_of(object, kind);
    return 3;
}

/* Log what stands for an object that the log told nothing of when it was looked at. */
void put_new(const uint64_t numbers[3])
{
    uint64_t token = (numbers[0] & ~NEW) - FIRST_TOKEN;
    PyObject *object = token < by_token_room ? by_token[token] : NULL;
    Entry *entry = object != NULL ? find(object) : NULL;
    if (entry == NULL) {
        put(1); /* the program made it be forgotten meanwhile */
        return;
    }
    put(token + FIRST_TOKEN);
    if (entry->type != NULL)
        return;
    entry->type = Py_TYPE(object);
    put(numbers[1]);
    put(numbers[2]);
    int kind = (int)numbers[1];
    int is_told = kind == ARRAY || kind == DATA_FRAME || (kind == INSTANCE && has_rows(Py_TYPE(object)->tp_name));
    if (is_told && active && untold_count < MOST_UNTOLD) {
        untold[untold_count].object = Py_NewRef(object);
        untold[untold_count++].token = (uint32_t)token;
    }
}

/* -- keys -------------------------------------------------------------------------------------------------------- */

static PyObject *text_keys; /* str -> its number */

/* Of a key that is no small number. */
uint64_t other_key_number(PyObject *key, PyObject *container)
{
    int is_text = PyUnicode_CheckExact(key);
    if (is_text) {
        PyObject *known = PyDict_GetItemWithError(text_keys, key);
        if (known != NULL)
            return PyLong_AsUnsignedLongLong(known);
    }
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *made = PyObject_CallFunctionObjArgs(slow_key, key, container ? container : Py_None, NULL);
    uint64_t number = made ? PyLong_AsUnsignedLongLong(made) : 1;
    if (made != NULL && is_text && PyDict_GET_SIZE(text_keys) < CAPACITY)
        PyDict_SetItem(text_keys, key, made);
    Py_XDECREF(made);
    if (PyErr_Occurred())
        PyErr_Clear();
    PyErr_Restore(error_type, error, trace);
    return number;
}

/* Of a record's number that is no small one; what is none at all is no record. */
uint64_t other_head(PyObject *number)
{
    long head = PyLong_Check(number) ? PyLong_AsLong(number) : PAD;
    if (head == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        head = PAD;
    }
    return (uint64_t)head;
}

void forget_keys(void)
{
    if (text_keys != NULL)
        PyDict_Clear(text_keys);
}

int start_references(PyObject *key, PyObject *array)
{
    Py_XSETREF(text_keys, PyDict_New());
    Py_XSETREF(slow_key, Py_NewRef(key));
    Py_XSETREF(slow_array, Py_NewRef(array));
    return text_keys == NULL ? -1 : 0;
}
