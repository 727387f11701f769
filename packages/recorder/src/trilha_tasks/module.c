/* What a parallel engine calls for each task, in C.

   A `Tasks` knows the classes whose objects it works on (tasks.h), and makes ways (way.h, pools.h, parsl.h, worker.h,
   messages.h). */

#include "../version.h"
#include "messages.h"
#include "parsl.h"
#include "pools.h"
#include "worker.h"

/* -- the types ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    vectorcallfunc call;
    int more;
} kinds[] = {{"stating", stating, 0},     {"calling", calling, 3},     {"submitting", submitting, 1},
             {"promising", promising, 3}, {"launching", launching, 4}, {"executing", executing, 3},
             {"completing", completing, 1}, {"updating", updating, 0}, {"watching", watching, 0},
#ifndef _WIN32
             {"attempting", attempting, 5}, {"messaging", messaging, 3}, {"pickling", pickling, 1},
#endif
             {NULL, NULL, 0}};

typedef struct {
    PyTypeObject *way, *within;
} State;

static int way_traverse(PyObject *self, visitproc visit, void *arg)
{
    Way *way = (Way *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(way->tasks);
    Py_VISIT(way->original);
    Py_VISIT(way->slow);
    Py_VISIT(way->recorder);
    for (int i = 0; i < MORE; i++)
        Py_VISIT(way->more[i]);
    Py_VISIT(way->dict);
    return 0;
}

/* What it is called with stays: it may be called while that which it belongs to is taken apart. */
static int way_clear(PyObject *self)
{
    Py_CLEAR(((Way *)self)->dict);
    return 0;
}

static void way_deallocate(PyObject *self)
{
    Way *way = (Way *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (way->weak != NULL)
        PyObject_ClearWeakRefs(self);
    Py_CLEAR(way->dict);
    Py_CLEAR(way->original);
    Py_CLEAR(way->slow);
    Py_CLEAR(way->recorder);
    for (int i = 0; i < MORE; i++)
        Py_CLEAR(way->more[i]);
    Py_CLEAR(way->tasks);
    type->tp_free(self);
    Py_DECREF(type);
}

/* On a class it is a method. */
static PyObject *way_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

/* It is pickled as a function is: by its name. */
static PyObject *way_reduce(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyMethodDef way_methods[] = {{"__reduce__", way_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyMemberDef way_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Way, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Way, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Way, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef way_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot way_slots[] = {
    {Py_tp_doc, "Stands in the place of a function that is called for each task."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, way_get},
    {Py_tp_traverse, way_traverse},
    {Py_tp_clear, way_clear},
    {Py_tp_dealloc, way_deallocate},
    {Py_tp_methods, way_methods},
    {Py_tp_members, way_members},
    {Py_tp_getset, way_attributes},
    {0, NULL}};

static PyType_Spec way_spec = {"trilha_tasks.Way", sizeof(Way), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                   Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               way_slots};

static void within_deallocate(PyObject *self)
{
    Within *within = (Within *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(within->task);
    Py_CLEAR(within->function);
    Py_CLEAR(within->executor);
    Py_CLEAR(within->way);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef within_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Within, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot within_slots[] = {
    {Py_tp_doc, "A function that a thread of this process calls as an attempt."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, within_deallocate},
    {Py_tp_members, within_members},
    {0, NULL}};

static PyType_Spec within_spec = {"trilha_tasks.Within", sizeof(Within), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                                      Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  within_slots};

/* way(kind, original, slow, recorder, *more) */
static PyObject *tasks_way(PyObject *self, PyTypeObject *class, PyObject *const *args, Py_ssize_t count,
                           PyObject *names)
{
    State *state = PyType_GetModuleState(class);
    const char *kind = count > 0 && PyUnicode_Check(args[0]) ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (PyErr_Occurred())
        return NULL;
    vectorcallfunc call = NULL;
    for (int i = 0; kind != NULL && kinds[i].name != NULL; i++)
        if (strcmp(kinds[i].name, kind) == 0 && count == 4 + kinds[i].more)
            call = kinds[i].call;
    if (call == NULL || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "way(kind, original, slow, recorder, *more): no such kind");
        return NULL;
    }
    Way *way = (Way *)state->way->tp_alloc(state->way, 0);
    if (way == NULL)
        return NULL;
    way->call = call;
    way->tasks = (Tasks *)Py_NewRef(self);
    way->original = Py_NewRef(args[1]);
    way->slow = Py_NewRef(args[2]);
    way->recorder = Py_NewRef(args[3]);
    for (Py_ssize_t i = 4; i < count; i++)
        way->more[i - 4] = Py_NewRef(args[i]);
    return (PyObject *)way;
}

static PyObject *tasks_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *process, *variable, *classes, *mapped, *told, *measured, *given;
    if (!PyArg_ParseTuple(args, "OOO!O!O!O!O!", &process, &variable, &PyTuple_Type, &classes, &PyType_Type, &mapped,
                          &PyTuple_Type, &told, &PyTuple_Type, &measured, &PyTuple_Type, &given))
        return NULL;
    if (!PyContextVar_CheckExact(variable) || PyTuple_GET_SIZE(classes) != CLASSES - 1) {
        PyErr_SetString(PyExc_TypeError, "a context variable and the classes of tasks are expected");
        return NULL;
    }
    Tasks *tasks = (Tasks *)type->tp_alloc(type, 0);
    if (tasks == NULL)
        return NULL;
    tasks->classes[PROCESS] = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(process));
    int wrong = 0;
    for (int i = 1; i < CLASSES; i++) {
        PyObject *class = PyTuple_GET_ITEM(classes, i - 1);
        wrong = wrong || !PyType_Check(class);
        tasks->classes[i] = (PyTypeObject *)Py_NewRef(class);
    }
    for (int i = 0; i < PLACES && !wrong; i++) {
        Py_ssize_t place = place_of((PyObject *)tasks->classes[slots_of[i].of], slots_of[i].name);
        wrong = place < 0 || place > UINT16_MAX;
        tasks->places[i] = (uint16_t)place;
    }
    if (!wrong) {
        wrong = find_mapped(&tasks->mapped, (PyTypeObject *)mapped) < 0;
        Py_INCREF(mapped);
    }
    const char *names[] = {
#define NAME(name) #name,
        NAMES(NAME)
#undef NAME
    };
    for (int i = 0; i < COUNT_OF_NAMES && !wrong; i++)
        wrong = (tasks->names[i] = PyUnicode_InternFromString(names[i])) == NULL;
    tasks->process = Py_NewRef(process);
    tasks->variable = Py_NewRef(variable);
    tasks->told = Py_NewRef(told);
    tasks->measured = Py_NewRef(measured);
    tasks->given = Py_NewRef(given);
    tasks->nothing = PyTuple_New(0);
    if (wrong || tasks->nothing == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "the classes of tasks are expected");
        Py_CLEAR(tasks);
    }
    return (PyObject *)tasks;
}

static int tasks_traverse(PyObject *self, visitproc visit, void *arg)
{
    Tasks *tasks = (Tasks *)self;
    Py_VISIT(Py_TYPE(self));
    for (int i = 0; i < CLASSES; i++)
        Py_VISIT(tasks->classes[i]);
    Py_VISIT(tasks->process);
    Py_VISIT(tasks->variable);
    return 0;
}

static void tasks_deallocate(PyObject *self)
{
    Tasks *tasks = (Tasks *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    let_go_of_all(tasks);
    for (int i = 0; i < CLASSES; i++)
        Py_CLEAR(tasks->classes[i]);
    for (int i = 0; i < COUNT_OF_NAMES; i++)
        Py_CLEAR(tasks->names[i]);
    Py_CLEAR(tasks->process);
    Py_CLEAR(tasks->variable);
    Py_CLEAR(tasks->told);
    Py_CLEAR(tasks->measured);
    Py_CLEAR(tasks->given);
    Py_CLEAR(tasks->nothing);
    Py_CLEAR(tasks->how);
    Py_CLEAR(tasks->state);
    Py_CLEAR(tasks->state_name);
    for (int i = 0; i < CALLERS; i++)
        Py_CLEAR(tasks->callers[i].code);
    Py_CLEAR(tasks->mapped.type);
    Py_CLEAR(tasks->mapped.pages);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *tasks_let_go(PyObject *self, PyObject *Py_UNUSED(none))
{
    let_go_of_all((Tasks *)self);
    Py_RETURN_NONE;
}

static PyMethodDef tasks_methods[] = {
    {"let_go", tasks_let_go, METH_NOARGS, "let_go(): let go of all tasks that are over."},
    {"way", (PyCFunction)(void (*)(void))tasks_way, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "way(kind, original, slow, recorder, *more): what stands in the place of `original`."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot tasks_slots[] = {
    {Py_tp_doc, "Tasks(process, variable, classes, mapped, told, measured, given)\n--\n\nMakes ways; knows the classes."},
    {Py_tp_new, tasks_new},
    {Py_tp_traverse, tasks_traverse},
    {Py_tp_dealloc, tasks_deallocate},
    {Py_tp_methods, tasks_methods},
    {0, NULL}};

static PyType_Spec tasks_spec = {
    "trilha_tasks.Tasks", sizeof(Tasks), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, tasks_slots};

/* -- the module ---------------------------------------------------------------------------------------------- */

/* pack(values): MessagePack of each plain value, or None. */
static PyObject *pack(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    unsigned char payload[LONGEST], *at = payload;
    for (Py_ssize_t i = 0; i < count && at != NULL; i++)
        at = pack_value(at, payload + LONGEST, args[i]);
    if (at == NULL)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)payload, at - payload);
}

/* checksum(bytes) */
static PyObject *checksum(PyObject *Py_UNUSED(module), PyObject *bytes)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0)
        return NULL;
    return PyLong_FromUnsignedLong(check_of((unsigned char *)data, (size_t)length));
}

static int execute(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "trilha_tasks relies on the interpreter's lock");
    return -1;
#endif
    State *state = PyModule_GetState(module);
    make_check_table();
    PyObject *tasks = PyType_FromModuleAndSpec(module, &tasks_spec, NULL);
    state->way = (PyTypeObject *)PyType_FromModuleAndSpec(module, &way_spec, NULL);
    state->within = (PyTypeObject *)PyType_FromModuleAndSpec(module, &within_spec, NULL);
    int wrong = !tasks || !state->way || !state->within || PyModule_AddType(module, (PyTypeObject *)tasks) < 0 ||
                PyModule_AddType(module, state->way) < 0 || PyModule_AddType(module, state->within) < 0;
    Py_XDECREF(tasks);
    return wrong ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->way);
    Py_VISIT(state->within);
    return 0;
}

static PyMethodDef methods[] = {
    {"pack", (PyCFunction)(void (*)(void))pack, METH_FASTCALL, "pack(*values): how the journal has plain values."},
    {"checksum", checksum, METH_O, "checksum(bytes): CRC-32."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {Py_mod_exec, tell_version},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_tasks", "What a parallel engine calls for each task, in C.", sizeof(State),
    methods, slots, traverse, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_tasks(void)
{
    return PyModuleDef_Init(&definition);
}
