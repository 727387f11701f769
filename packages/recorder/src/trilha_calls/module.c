/* Calls of a script's functions: what `trilha.capture.script.calls` does when one begins and when it is left, in C,
   where the call is ordinary: it is given numbers, short texts and lists of numbers, and gives one of these, a new list
   of numbers, a tuple of numbers and texts, or nothing.

   First all is looked at, by types alone; what is not ordinary is left to the hooks in Python, with nothing done yet.
   A program's first call finds nothing of ours in the processor's caches, so that what counts is how much code it goes
   through, and how many objects. So a call is stated in shapes, of which the journal gets what differs; and what the
   hooks in Python would make when it begins is made only when they are to go on with it.

   calls.h       what Python gave, and what is asked of it
   marks.h       what tells whether a list changes
   objects.h     what is known of lists
   going.h       calls that go on
   statements.h  what is said of them
   begin.h, leave.h  the hooks
   rehearsal.h   a call ahead of the first */

#include "../version.h"
#include "rehearsal.h"

static PyMethodDef hooks[] = {
    {"begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL, "A function of the script begins."},
    {"leave", leave, METH_O, "A function of the script is left."},
};

typedef struct { PyTypeObject *type; const char *name; Py_ssize_t *place; } Slot;

/* Where the classes have their slots; -1 with an exception. */
static int find_slots(PyTypeObject *process_type)
{
    Slot all[] = {
        {counted_type, "function", &of_counted.function}, {counted_type, "shape", &of_counted.shape},
        {counted_type, "plan", &of_counted.plan},
        {counted_type, "calls", &of_counted.calls},       {counted_type, "recorded", &of_counted.recorded},
        {counted_type, "outer", &of_counted.outer},       {counted_type, "within", &of_counted.within},
        {open_type, "frame", &of_open.frame},             {open_type, "call", &of_open.call},
        {open_type, "handled", &of_open.handled},         {open_type, "kept", &of_open.kept},
        {open_type, "outer", &of_open.outer},             {call_type, "_before", &of_call.before},
        {call_type, "_reset", &of_call.reset},            {call_type, "_yielded", &of_call.yielded},
        {call_type, "activity", &of_call.activity},       {call_type, "recorder", &of_call.recorder},
        {activity_type, "identifier", &of_activity.identifier},
        {activity_type, "label", &of_activity.label},     {activity_type, "enclosing", &of_activity.enclosing},
        {activity_type, "blocks", &of_activity.blocks},   {activity_type, "used", &of_activity.used},
        {known_type, "entity", &of_known.entity},         {known_type, "generation", &of_known.generation},
        {known_type, "hold", &of_known.hold},             {known_type, "token", &of_known.token},
        {recorder_type, "file", &of_recorder.file},       {recorder_type, "files", &of_recorder.files},
        {recorder_type, "numbers", &of_recorder.numbers}, {recorder_type, "objects", &of_recorder.objects},
        {recorder_type, "refreshers", &of_recorder.refreshers},
        {recorder_type, "run", &of_recorder.run},         {recorder_type, "shapes", &of_recorder.shapes},
        {recorder_type, "calls", &of_recorder.calls},     {process_type, "wraps", &wraps_of_process},
        {objects_type, "told", &of_objects.told},         {objects_type, "_known", &of_objects.known},
        {objects_type, "_awaited", &of_objects.awaited},  {objects_type, "_held", &of_objects.held},
        {objects_type, "_bytes", &of_objects.bytes},      {objects_type, "_members", &of_objects.members},
        {members_type, "_of", &of_members.of},            {members_type, "_owned", &of_members.owned},
        {members_type, "_late", &of_members.late},
        {shape_type, "_number", &of_shape.number},        {shape_type, "_within", &of_shape.within},        {files_type, "_writing", &writing_of_files},
        {process_type, "recorder", &recorder_of_process},
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        if ((*all[at].place = place_of((PyObject *)all[at].type, all[at].name)) < 0)
            return -1;
    return 0;
}

/* hooks(process, current, report, nothing, functions, local, begin, leave, shapes_of, shape_of, classes, most) */
static PyObject *hooks_of(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *given[10], *type[11];
    if (!PyArg_ParseTuple(args, "OOOOO!OOOOO(O!O!O!O!O!O!O!O!O!O!O!)(lll)", &given[0], &given[1], &given[2], &given[3],
                          &PyDict_Type, &given[4], &given[5], &given[6], &given[7], &given[8], &given[9], &PyType_Type,
                          &type[0], &PyType_Type, &type[1], &PyType_Type, &type[2], &PyType_Type, &type[3], &PyType_Type,
                          &type[4], &PyType_Type, &type[5], &PyType_Type, &type[6], &PyType_Type, &type[7], &PyType_Type,
                          &type[8], &PyType_Type, &type[9], &PyType_Type, &type[10], &most.calls, &most.counted, &most.within))
        return NULL;
    PyObject **places[10] = {&process, &current,      &report,       &nothing,       &functions,
                             &local,   &begin_slowly, &leave_slowly, &shapes_of_run, &shape_of_function};
    for (int at = 0; at < 10; at++)
        Py_XSETREF(*places[at], Py_NewRef(given[at]));
    PyTypeObject **classes[10] = {&counted_type,  &open_type,    &call_type,    &activity_type, &known_type,
                                  &recorder_type, &objects_type, &members_type, &shape_type,    &files_type};
    for (int at = 0; at < 10; at++)
        Py_XSETREF(*classes[at], (PyTypeObject *)Py_NewRef(type[at]));
    PyTypeObject *mapped_type = (PyTypeObject *)Py_NewRef(type[10]);
    thread.state = 0;
    if (find_slots(Py_TYPE(process)) < 0 || find_mapped(&mapped, mapped_type) < 0 || find_thread() < 0)
        return NULL;
    PyObject *first = PyCFunction_New(&hooks[0], NULL), *last = PyCFunction_New(&hooks[1], NULL);
    PyObject *keep = PyObject_New(PyObject, &keep_type);
    PyObject *all = first && last && keep ? PyTuple_Pack(3, first, last, keep) : NULL;
    Py_XDECREF(first);
    Py_XDECREF(last);
    Py_XDECREF(keep);
    return all;
}

static PyMethodDef methods[] = {
    {"hooks", hooks_of, METH_VARARGS, "What is called when a function of the script begins and is left, and notes what it gives."},
    {"rehearse", rehearse, METH_VARARGS, "Go through a call that is none."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trilha_calls", "Calls of a script's functions, in C.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_trilha_calls(void)
{
#ifdef Py_GIL_DISABLED
    /* As for `trilha_recorder`. */
    PyErr_SetString(PyExc_ImportError, "trilha_calls is for Python with its global lock");
    return NULL;
#else
    struct { PyObject **place; const char *text; } names[] = {
        {&stack_name, "stack"},   {&executes_name, "executes"}, {&itself_name, "itself"},
        {&put_name, "put"},       {&settle_name, "settle"},     {&path_name, "__file__"},
        {&append_name, "append"}, {&wrapping_name, "trilha.capture.wrapping"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].place = PyUnicode_InternFromString(names[at].text)) == NULL)
            return NULL;
    make_check_table();
    nobody = PyTuple_New(0);
    return nobody == NULL || PyType_Ready(&keep_type) < 0 || PyType_Ready(&mark_type) < 0 || PyType_Ready(&going_type) < 0
               ? NULL
               : with_version(PyModule_Create(&definition));
#endif
}
