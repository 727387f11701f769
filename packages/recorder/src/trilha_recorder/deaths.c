/* How it is known that an object has died, and its token with it.

   By its type's deallocator (lists, dicts, sets, cells, frames, bytearrays, namespaces, and what libraries have in C:
   they cannot be weakly referenced), which is wrapped; by the finalizer of a class of Python (the program cannot see
   that, as it could a weak reference); or by a weak reference. The wrapped deallocators bound the depth of their
   recursion themselves, since CPython's own way to do that (the trashcan) looks whether the type's deallocator is the
   one that it knows. */

#include "recorder.h"

/* -- deallocators ------------------------------------------------------------------------------------------------ */

#define DEEPEST 40
#define WRAPPED 7
static PyTypeObject *wrapped_types[WRAPPED];
static destructor wrapped_destructors[WRAPPED];
static int depth;
typedef struct { PyObject *object; PyTypeObject *type; destructor own; int tracked; } Waiting;
static Waiting *waiting;
static size_t waiting_used, waiting_room;

static void deallocate(PyObject *object, destructor own)
{
    if (table_used)
        forget(object);
    if (depth >= DEEPEST) {
        if (waiting_used == waiting_room) {
            size_t wanted = waiting_room ? waiting_room * 2 : 64;
            Waiting *made = PyMem_RawRealloc(waiting, wanted * sizeof(Waiting));
            if (made == NULL)
                goto now;
            waiting = made;
            waiting_room = wanted;
        }
        /* The collector must not meet it meanwhile; a cell's deallocator wants it to be known to that. */
        int tracked = PyObject_GC_IsTracked(object);
        if (tracked)
            PyObject_GC_UnTrack(object);
        /* Whoever called this lets go of the class of its own that the object may have. */
        waiting[waiting_used++] = (Waiting){object, (PyTypeObject *)Py_NewRef(Py_TYPE(object)), own, tracked};
        return;
    }
now:
    depth++;
    own(object);
    depth--;
    while (depth == 0 && waiting_used) {
        Waiting next = waiting[--waiting_used];
        if (next.tracked)
            PyObject_GC_Track(next.object);
        depth++;
        next.own(next.object);
        Py_DECREF(next.type);
        depth--;
    }
}

#define DEALLOCATOR(number) \
    static void deallocate_##number(PyObject *object) { deallocate(object, wrapped_destructors[number]); }
DEALLOCATOR(0)
DEALLOCATOR(1)
DEALLOCATOR(2)
DEALLOCATOR(3)
DEALLOCATOR(4)
DEALLOCATOR(5)
DEALLOCATOR(6)
static const destructor wrappers[WRAPPED] = {
    deallocate_0, deallocate_1, deallocate_2, deallocate_3, deallocate_4, deallocate_5, deallocate_6};
static PyTypeObject *namespace_type; /* `types.SimpleNamespace` */

static void wrap_types(void)
{
    PyTypeObject *types[WRAPPED] = {&PyList_Type, &PyDict_Type,  &PySet_Type,      &PyCell_Type,
                                    &PyFrame_Type, &PyByteArray_Type, namespace_type};
    for (int at = 0; at < WRAPPED; at++) {
        if (wrapped_types[at] != NULL)
            continue;
        wrapped_types[at] = types[at];
        wrapped_destructors[at] = types[at]->tp_dealloc;
        types[at]->tp_dealloc = wrappers[at];
    }
}

static int is_wrapped(PyObject *object)
{
    return PyList_Check(object) || PyDict_Check(object) || PySet_Check(object) || PyCell_Check(object) ||
           PyFrame_Check(object) || PyByteArray_Check(object) || PyObject_TypeCheck(object, namespace_type);
}

/* -- deallocators of libraries' classes --------------------------------------------------------------------------- */

#define MOST_CLASSES 128
static PyTypeObject *library_types[MOST_CLASSES];
static destructor library_destructors[MOST_CLASSES];
static int library_count;

/* Of a class that is known, or of one that has it from such a class. */
static void deallocate_instance(PyObject *object)
{
    for (PyTypeObject *type = Py_TYPE(object); type != NULL; type = type->tp_base)
        for (int at = 0; at < library_count; at++)
            if (library_types[at] == type) {
                deallocate(object, library_destructors[at]);
                return;
            }
}

/* -- finalizers of Python's classes ------------------------------------------------------------------------------ */

static destructor class_dealloc, class_finalizer; /* of classes of Python, with a method `__del__` */

static void finalize(PyObject *object)
{
    forget(object);
}

static void finalize_too(PyObject *object)
{
    class_finalizer(object);
    forget(object);
}

/* Learn from a class made for it what Python gives its classes, and from an object of Python's own its type. */
int learn_classes(void)
{
    PyObject *space = PySys_GetObject("implementation"); /* borrowed */
    if (space == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "sys.implementation is missing");
        return -1;
    }
    namespace_type = Py_TYPE(space);
    PyObject *made = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){sO}", "class", "__del__", Py_None);
    if (made == NULL)
        return -1;
    class_dealloc = ((PyTypeObject *)made)->tp_dealloc;
    class_finalizer = ((PyTypeObject *)made)->tp_finalize;
    Py_DECREF(made);
    return 0;
}

/* Whether the class of an object tells when the object dies; made to, if it can. */
static int class_tells(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_dealloc != class_dealloc || (PyObject_IS_GC(object) && PyObject_GC_IsFinalized(object)))
        return 0;
    if (type->tp_finalize == NULL)
        type->tp_finalize = finalize;
    else if (type->tp_finalize == class_finalizer)
        type->tp_finalize = finalize_too;
    return type->tp_finalize == finalize || type->tp_finalize == finalize_too;
}

/* Whether the class of an object, which is a library's, tells when the object dies; made to, if it can. What has
   another base may call that one's deallocator itself; what has a finalizer may look whether the deallocator is its
   own (classes of Cython do). */
static int library_tells(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_dealloc == deallocate_instance)
        return 1;
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || type->tp_base != &PyBaseObject_Type ||
        type->tp_dealloc == class_dealloc || type->tp_finalize != NULL || library_count == MOST_CLASSES)
        return 0;
    library_types[library_count] = (PyTypeObject *)Py_NewRef(type); /* or another class may come to lie there */
    library_destructors[library_count++] = type->tp_dealloc;
    type->tp_dealloc = deallocate_instance;
    return 1;
}

/* -- weak references --------------------------------------------------------------------------------------------- */

static PyObject *died; /* called by weak references */
static PyObject *by_reference; /* address of a weak reference -> address of its object */

static PyObject *has_died(PyObject *Py_UNUSED(self), PyObject *reference)
{
    PyObject *key = PyLong_FromVoidPtr(reference);
    if (key == NULL)
        return NULL;
    PyObject *address = PyDict_GetItemWithError(by_reference, key);
    if (address != NULL) {
        Py_INCREF(reference);
        forget(PyLong_AsVoidPtr(address));
        Py_DECREF(reference);
    }
    Py_DECREF(key);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef died_method = {"died", has_died, METH_O, NULL};

int watch(PyObject *object, PyObject **holder)
{
    *holder = NULL;
    if (is_wrapped(object) || class_tells(object))
        return 0;
    if (!PyType_SUPPORTS_WEAKREFS(Py_TYPE(object)))
        return library_tells(object) ? 0 : -1;
    *holder = PyWeakref_NewRef(object, died);
    if (*holder == NULL) {
        PyErr_Clear();
        return -1;
    }
    PyObject *key = PyLong_FromVoidPtr(*holder), *address = PyLong_FromVoidPtr(object);
    if (key == NULL || address == NULL || PyDict_SetItem(by_reference, key, address) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
    Py_XDECREF(address);
    return 0;
}

void unwatch(PyObject *holder)
{
    if (holder == NULL)
        return;
    PyObject *error_type, *error, *trace;
    PyErr_Fetch(&error_type, &error, &trace);
    PyObject *key = PyLong_FromVoidPtr(holder);
    if (key == NULL || PyDict_DelItem(by_reference, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
    Py_DECREF(holder);
    PyErr_Restore(error_type, error, trace);
}

int start_deaths(void)
{
    if (died == NULL) {
        died = PyCFunction_New(&died_method, NULL);
        by_reference = PyDict_New();
        if (!died || !by_reference)
            return -1;
    }
    PyDict_Clear(by_reference);
    wrap_types();
    return 0;
}
