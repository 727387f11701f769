/* Which module was put into which, and how often the tensors of all of them have changed. */

#ifndef TRILHA_PARTS_H
#define TRILHA_PARTS_H

#include "training.h"

/* -- modules ----------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *slow, *known;
    PyTypeObject *part_type;
    Py_ssize_t module_place, containers_place;
} Registered;

/* What a weak reference refers to: a new reference, or NULL. */
static PyObject *referent(PyObject *reference)
{
    PyObject *found = NULL;
    if (reference == NULL || !PyWeakref_CheckRef(reference))
        return NULL;
#if PY_VERSION_HEX >= 0x030d0000
    if (PyWeakref_GetRef(reference, &found) < 0)
        PyErr_Clear();
#else
    found = PyWeakref_GET_OBJECT(reference);
    found = found == Py_None ? NULL : Py_NewRef(found);
#endif
    return found;
}

/* The containers of a module that is known, without those at the end that are gone or are `module`: a new
   reference; NULL without an exception if it is not known. */
static PyObject *containers_of(Registered *registered, PyObject *submodule, PyObject *module)
{
    PyObject *address = PyLong_FromVoidPtr(submodule);
    PyObject *part = address != NULL ? PyDict_GetItemWithError(registered->known, address) : NULL;
    Py_XDECREF(address);
    if (part == NULL || !Py_IS_TYPE(part, registered->part_type))
        return NULL;
    PyObject *containers = *slot(part, registered->containers_place);
    PyObject *found = referent(*slot(part, registered->module_place));
    int same = found == submodule;
    if (containers == NULL || !same || !PyList_CheckExact(containers)) {
        Py_XDECREF(found);
        return NULL;
    }
    Py_INCREF(containers);
    Py_DECREF(found);
    for (Py_ssize_t last; (last = PyList_GET_SIZE(containers) - 1) >= 0;) {
        PyObject *above = referent(PyList_GET_ITEM(containers, last));
        int goes = above == NULL || above == module;
        Py_XDECREF(above);
        if (!goes || PyList_SetSlice(containers, last, last + 1, NULL) < 0)
            break;
    }
    return containers;
}

static PyObject *registered_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Registered *registered = (Registered *)self;
    if (PyVectorcall_NARGS(flags) != 3 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a module, a name and a module in it are expected");
        return NULL;
    }
    if (registered->slow == NULL || args[2] == Py_None)
        Py_RETURN_NONE;
    PyObject *containers = containers_of(registered, args[2], args[0]), *reference = NULL;
    int done = containers != NULL && (reference = PyWeakref_NewRef(args[0], NULL)) != NULL &&
               PyList_Append(containers, reference) == 0;
    Py_XDECREF(reference);
    Py_XDECREF(containers);
    if (done)
        Py_RETURN_NONE;
    PyErr_Clear();
    return PyObject_Vectorcall(registered->slow, args, flags, names);
}

static PyObject *registered_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *slow, *known, *part_type;
    if (!PyArg_ParseTuple(args, "OO!O!", &slow, &PyDict_Type, &known, &PyType_Type, &part_type))
        return NULL;
    Py_ssize_t module = place_of(part_type, "module"), containers;
    if (module < 0 || (containers = place_of(part_type, "containers")) < 0)
        return NULL;
    Registered *registered = (Registered *)type->tp_alloc(type, 0);
    if (registered == NULL)
        return NULL;
    registered->call = registered_call;
    registered->slow = Py_NewRef(slow);
    registered->known = Py_NewRef(known);
    registered->part_type = (PyTypeObject *)Py_NewRef(part_type);
    registered->module_place = module;
    registered->containers_place = containers;
    return (PyObject *)registered;
}

static int registered_traverse(PyObject *self, visitproc visit, void *arg)
{
    Registered *registered = (Registered *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(registered->slow);
    Py_VISIT(registered->known);
    Py_VISIT(registered->part_type);
    return 0;
}

static int registered_clear(PyObject *self)
{
    Registered *registered = (Registered *)self;
    Py_CLEAR(registered->slow);
    Py_CLEAR(registered->known);
    Py_CLEAR(registered->part_type);
    return 0;
}

static PyMemberDef registered_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Registered, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot registered_slots[] = {
    {Py_tp_doc, "Registered(slow, known, part_type)\n--\n\n"
                "Notes which module a known one was put into; `slow` is called with those that are not known."},
    {Py_tp_new, registered_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, registered_traverse},
    {Py_tp_clear, registered_clear},
    {Py_tp_dealloc, deallocate},
    {Py_tp_members, registered_members},
    {0, NULL}};

static PyType_Spec registered_spec = {
    "trilha_training.Registered", sizeof(Registered), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    registered_slots};

/* -- versions ---------------------------------------------------------------------------------------------- */

/* The dict `module.name`: a new reference; NULL with an exception where that is no dict. */
static PyObject *dict_of(PyObject *module, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(module, name);
    if (found != NULL && !PyDict_Check(found)) {
        PyErr_Format(PyExc_AttributeError, "a dict is expected in %S, not %R", name, Py_TYPE(found));
        Py_CLEAR(found);
    }
    return found;
}

/* Add the counters of the tensors in `module.name` to `total`; -1 with an exception. */
static int add_versions(PyObject *module, PyObject *name, PyObject *version_name, long long *total)
{
    PyObject *tensors = dict_of(module, name), *tensor;
    if (tensors == NULL)
        return -1;
    int wrong = 0;
    for (Py_ssize_t at = 0; !wrong && PyDict_Next(tensors, &at, NULL, &tensor);) {
        if (tensor == Py_None)
            continue;
        Py_INCREF(tensor);
        PyObject *version = PyObject_GetAttr(tensor, version_name);
        long long number = version != NULL ? PyLong_AsLongLong(version) : -1;
        Py_XDECREF(version);
        Py_DECREF(tensor);
        wrong = number == -1 && PyErr_Occurred();
        *total += number;
    }
    Py_DECREF(tensors);
    return wrong ? -1 : 0;
}

/* Put the modules in `module.name` that are not in `seen`, a set of addresses, into it and into `modules`. */
static int add_modules(PyObject *module, PyObject *name, PyObject *seen, PyObject *modules)
{
    PyObject *parts = dict_of(module, name), *part;
    if (parts == NULL)
        return -1;
    int wrong = 0;
    for (Py_ssize_t at = 0; !wrong && PyDict_Next(parts, &at, NULL, &part);) {
        PyObject *address = part != Py_None ? PyLong_FromVoidPtr(part) : NULL;
        int known = address != NULL ? PySet_Contains(seen, address) : 1;
        if (!known)
            known = PySet_Add(seen, address) < 0 || PyList_Append(modules, part) < 0 ? -1 : 0;
        Py_XDECREF(address);
        wrong = PyErr_Occurred() != NULL;
    }
    Py_DECREF(parts);
    return wrong ? -1 : 0;
}

/* The sum of the in-place counters of a module's parameters and buffers. */
static PyObject *versions_of(State *state, PyObject *top)
{
    long long total = 0;
    PyObject *modules = PyList_New(0), *seen = PySet_New(NULL), *address = PyLong_FromVoidPtr(top);
    int wrong = !modules || !seen || !address || PySet_Add(seen, address) < 0 || PyList_Append(modules, top) < 0;
    for (Py_ssize_t i = 0; !wrong && i < PyList_GET_SIZE(modules); i++) {
        PyObject *one = PyList_GET_ITEM(modules, i); /* the list holds it, and nobody else has the list */
        wrong = add_versions(one, state->parameters, state->version, &total) < 0 ||
                add_versions(one, state->buffers, state->version, &total) < 0 ||
                add_modules(one, state->modules, seen, modules) < 0;
    }
    Py_XDECREF(modules);
    Py_XDECREF(seen);
    Py_XDECREF(address);
    return wrong ? NULL : PyLong_FromLongLong(total);
}

static PyObject *versions(PyObject *module, PyObject *top)
{
    return versions_of(PyModule_GetState(module), top);
}

#endif
