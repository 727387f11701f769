/* What a training calls at every batch, in C: `trilha.log`, the hook after each step of an optimiser, and the one
   for modules that are put into others; and what is called at the end of an epoch.

   They do here what is ordinary (a row of a series that is known, of plain numbers, into mapped pages; a step
   that is like the one before; a module that is known; an epoch like the one before) and leave all else to the
   function in Python that each is made with, before anything is done. */

#include "../version.h"
#include "epochs.h"
#include "parts.h"
#include "rows.h"
#include "steps.h"

static int execute(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "trilha_training relies on the interpreter's lock");
    return -1;
#endif
    State *state = PyModule_GetState(module);
    state->rows_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &rows_spec, NULL);
    state->steps_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &steps_spec, NULL);
    PyObject *over_type = PyType_FromModuleAndSpec(module, &over_spec, NULL);
    PyObject *registered_type = PyType_FromModuleAndSpec(module, &registered_spec, NULL);
    state->run = PyUnicode_InternFromString("run");
    state->append = PyUnicode_InternFromString("append");
    state->parameters = PyUnicode_InternFromString("_parameters");
    state->buffers = PyUnicode_InternFromString("_buffers");
    state->modules = PyUnicode_InternFromString("_modules");
    state->version = PyUnicode_InternFromString("_version");
    int wrong = !state->rows_type || !state->steps_type || !over_type || !registered_type || !state->run || !state->append ||
                !state->parameters || !state->buffers || !state->modules || !state->version ||
                PyModule_AddType(module, state->rows_type) < 0 ||
                PyModule_AddType(module, state->steps_type) < 0 ||
                PyModule_AddType(module, (PyTypeObject *)over_type) < 0 ||
                PyModule_AddType(module, (PyTypeObject *)registered_type) < 0 ||
                PyModule_AddIntConstant(module, "MOST", MOST) < 0;
    /* What torch.compiler.disable sets; the compiler leaves the hook alone. */
    wrong = wrong || PyDict_SetItemString(state->steps_type->tp_dict, "_torchdynamo_disable", Py_True) < 0;
    Py_XDECREF(over_type);
    Py_XDECREF(registered_type);
    return wrong ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->rows_type);
    Py_VISIT(state->steps_type);
    Py_VISIT(state->activity_type);
    Py_VISIT(state->slow_log);
    Py_VISIT(state->process);
    Py_VISIT(state->activity_variable);
    return 0;
}

static PyMethodDef methods[] = {
    {"log_of", log_of, METH_VARARGS, "log_of(slow, process, variable, activity_type): `trilha.log`."},
    {"versions", versions, METH_O,
     "versions(module): the sum of the in-place counters of a module's parameters and buffers."},
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
    PyModuleDef_HEAD_INIT, "trilha_training", "What a training calls at every batch, in C.", sizeof(State), methods,
    slots, traverse, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_training(void)
{
    return PyModuleDef_Init(&definition);
}
