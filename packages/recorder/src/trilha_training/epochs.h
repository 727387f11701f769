/* The end of a pass over a data loader that was an epoch like the one before: `Training.pass_ends` in Python. */

#ifndef TRILHA_EPOCHS_H
#define TRILHA_EPOCHS_H

#include "parts.h"
#include "steps.h"

/* Where objects have what is asked of them: slots of `Training`, `Pass`, `Optimizer`, `Known` and `Activity`. */
enum {
    RUNNING, WATCHED, FRESH, ALL_STEPS, EPOCHS, LAST_STEP, INFERENCES, /* of the training */
    ITERATOR, LOADED, AT, LOADER, EXPECTED, NUMBER, CLAIMS,            /* of the pass */
    MODELS, FUSED, UNCOUNTED,                                          /* of the optimiser */
    ENTITY, GENERATION, HOLD, TOKEN,                                   /* of what is known */
    IDENTIFIER, ACTIVE, PLACES
};
enum { TRAINING, PASS, OPTIMIZER, KNOWN, ACTIVITY, PROCESS, CLASSES };
static const struct { int of; const char *name; } places[PLACES] = {
    {TRAINING, "_running"}, {TRAINING, "_watched"}, {TRAINING, "_fresh"}, {TRAINING, "_steps"},
    {TRAINING, "_epochs"}, {TRAINING, "_last_step"}, {TRAINING, "inferences"},
    {PASS, "iterator"}, {PASS, "known"}, {PASS, "at"}, {PASS, "loader"}, {PASS, "_training"}, {PASS, "_number"},
    {PASS, "_claims"},
    {OPTIMIZER, "models"}, {OPTIMIZER, "fused"}, {OPTIMIZER, "uncounted"},
    {KNOWN, "entity"}, {KNOWN, "generation"}, {KNOWN, "hold"}, {KNOWN, "token"},
    {ACTIVITY, "identifier"}, {PROCESS, "recorder"}};

enum { DATASET, OBJECTS, TOLD, ITS_KNOWN, NUMBERS, SHAPES, BEGUN, AN_EPOCH, STATE, PASS_OVER, FAILED, NAMES };
static const char *const names_of[NAMES] = {
    "dataset", "objects", "told", "_known", "numbers", "shapes", "begun", "an epoch", "state", "epoch_over", "failed"};

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *slow, *training, *recorder, *process, *has_transforms, *name;
    PyTypeObject *classes[CLASSES], *plain;
    Py_ssize_t place[PLACES];
    PyObject *names[NAMES];
    Steps *steps;
    State *state;        /* the module's, which is there as long as the type is */
    PyTypeObject *named; /* the class of the model that was last asked for its name, and that */
    PyObject *its_name;
} Over;

#define ITS(object, which) (*slot((PyObject *)(object), over->place[which]))

static inline void set(Over *over, PyObject *object, int which, PyObject *value)
{
    PyObject **place = slot(object, over->place[which]);
    Py_XSETREF(*place, value);
}

/* What a weak reference refers to, if it is one and that is there; NULL without an exception. */
static inline PyObject *referred(PyObject *reference)
{
    return reference != NULL && PyWeakref_CheckRefExact(reference) ? referent(reference) : NULL;
}

/* The pass that is over, if it is the one whose iterator `reference` was and it may have been an epoch. Borrowed. */
static PyObject *expected(Over *over, PyObject *reference)
{
    PyObject *running = ITS(over->training, RUNNING), *watched = ITS(over->training, WATCHED);
    if (ITS(over->process, ACTIVE) != over->recorder || running == NULL || !Py_IS_TYPE(running, over->classes[PASS]) ||
        ITS(running, ITERATOR) != reference || ITS(running, LOADED) == NULL ||
        !Py_IS_TYPE(ITS(running, LOADED), over->classes[KNOWN]) || ITS(running, NUMBER) == NULL || watched == NULL || !Py_IS_TYPE(watched, over->classes[OPTIMIZER]))
        return NULL;
    PyObject *training = ITS(running, EXPECTED), *claims = ITS(running, CLAIMS), *fresh = ITS(over->training, FRESH);
    if (training == NULL || !Py_IS_TYPE(training, over->classes[ACTIVITY]) || claims == NULL ||
        !PyDict_CheckExact(claims) || PyDict_GET_SIZE(claims) || fresh == NULL || !PyList_CheckExact(fresh) ||
        PyList_GET_SIZE(fresh) || !over->steps->count)
        return NULL;
    return running;
}

/* The only model of the optimiser that is watched; NULL without an exception if there is none. */
static PyObject *only_model(Over *over)
{
    PyObject *models = ITS(ITS(over->training, WATCHED), MODELS);
    return models != NULL && PyList_CheckExact(models) && PyList_GET_SIZE(models) == 1
               ? referred(PyList_GET_ITEM(models, 0))
               : NULL;
}

/* Whether the data set that the pass went through may hand its samples out transformed. */
static int may_transform(Over *over, PyObject *running)
{
    PyObject *loader = referred(ITS(running, LOADER));
    PyObject *dataset = loader != NULL ? PyObject_GetAttr(loader, over->names[DATASET]) : NULL;
    int may = dataset == NULL || !Py_IS_TYPE(dataset, over->plain);
    if (may && dataset != NULL) {
        PyObject *answer = PyObject_CallOneArg(over->has_transforms, dataset);
        may = answer != Py_False;
        Py_XDECREF(answer);
    }
    Py_XDECREF(dataset);
    Py_XDECREF(loader);
    return may;
}

/* What is known of a model, if it is held weakly, nobody wants to be told, and it has changed. Borrowed. */
static PyObject *changed(Over *over, PyObject *known_of, PyObject *address, PyObject *model, PyObject *mark)
{
    PyObject *known = PyDict_CheckExact(known_of) ? PyDict_GetItemWithError(known_of, address) : NULL;
    if (known == NULL || !Py_IS_TYPE(known, over->classes[KNOWN]))
        return NULL;
    PyObject *hold = ITS(known, HOLD), *token = ITS(known, TOKEN), *watched = ITS(over->training, WATCHED);
    PyObject *held = referred(hold);
    Py_XDECREF(held);
    if (held != model || token == NULL || !(token == Py_None || PyLong_CheckExact(token)) ||
        !PyLong_CheckExact(mark))
        return NULL;
    int same = token != Py_None && PyObject_RichCompareBool(mark, token, Py_EQ);
    return same && ITS(watched, FUSED) != Py_True && ITS(watched, UNCOUNTED) != Py_True ? NULL : known;
}

/* The name of a model, which is of its class. Borrowed. */
static PyObject *name_of(Over *over, PyObject *model)
{
    if (Py_TYPE(model) != over->named) {
        PyObject *name = PyObject_CallOneArg(over->name, model);
        if (name == NULL)
            return NULL;
        Py_XSETREF(over->its_name, name);
        Py_XSETREF(over->named, (PyTypeObject *)Py_NewRef(Py_TYPE(model)));
    }
    return over->its_name;
}

/* What is stated of an epoch: `_WHOLE` in Python says what is where. */
enum { NEW_EPOCH, BEGUN_AT, TITLE, ITS_NUMBER, OF_TRAINING, DATA_USAGE, DATA, ENDED, STEPS, MODEL_USAGE, BEFORE, AFTER,
       LABEL, NEW_GENERATION, LAST, CONTENTS };

/* State the epoch `running` and have the model known as a new version; -1 with an exception. */
static int state_epoch(Over *over, PyObject *shape, PyObject *numbers, PyObject *running, PyObject *known_of,
                       PyObject *address, PyObject *known, PyObject *mark, PyObject *name)
{
    PyObject *training = over->training, *told[1 + CONTENTS] = {shape}, **is = told + 1;
    Steps *steps = over->steps;
    time_last(steps);
    int64_t count = steps->count, all = PyLong_AsLongLong(ITS(training, ALL_STEPS));
    steps->count = 0;
    for (int i = 0; i < CONTENTS; i++)
        is[i] = NULL;
    static const int fresh[] = {NEW_EPOCH, DATA_USAGE, MODEL_USAGE, AFTER, NEW_GENERATION};
    for (int i = 0; i < 5; i++)
        is[fresh[i]] = PyIter_Next(numbers);
    is[BEGUN_AT] = Py_XNewRef(ITS(running, AT));
    is[ITS_NUMBER] = Py_XNewRef(ITS(running, NUMBER));
    is[TITLE] = PyUnicode_FromFormat("epoch %S", is[ITS_NUMBER]);
    is[OF_TRAINING] = Py_XNewRef(ITS(ITS(running, EXPECTED), IDENTIFIER));
    is[DATA] = Py_XNewRef(ITS(ITS(running, LOADED), ENTITY));
    is[ENDED] = PyLong_FromLongLong(now());
    is[STEPS] = PyLong_FromLongLong(count);
    is[BEFORE] = Py_XNewRef(ITS(known, ENTITY));
    is[LABEL] = is[TITLE] != NULL ? PyUnicode_FromFormat("%U after %U", name, is[TITLE]) : NULL;
    is[LAST] = PyLong_FromLongLong(steps->last);
    PyObject *after = over->classes[KNOWN]->tp_alloc(over->classes[KNOWN], 0);
    PyObject *sum = PyLong_FromLongLong(all + count);
    int wrong = after == NULL || sum == NULL;
    for (int i = 0; i < CONTENTS; i++)
        wrong |= is[i] == NULL;
    if (!wrong) {
        set(over, after, ENTITY, Py_NewRef(is[AFTER]));
        set(over, after, GENERATION, Py_NewRef(is[NEW_GENERATION]));
        set(over, after, HOLD, Py_NewRef(ITS(known, HOLD)));
        set(over, after, TOKEN, Py_NewRef(mark));
        set(over, training, EPOCHS, Py_NewRef(is[ITS_NUMBER]));
        set(over, training, LAST_STEP, Py_NewRef(is[LAST]));
        set(over, training, ALL_STEPS, Py_NewRef(sum));
        set(over, ITS(training, WATCHED), UNCOUNTED, Py_NewRef(Py_False));
        wrong = PyDict_SetItem(known_of, address, after) < 0;
        PyObject *done =
            wrong ? NULL : PyObject_VectorcallMethod(over->names[STATE], told, 1 + CONTENTS, NULL);
        wrong = done == NULL;
        Py_XDECREF(done);
    }
    for (int i = 0; i < CONTENTS; i++)
        Py_XDECREF(is[i]);
    Py_XDECREF(after);
    Py_XDECREF(sum);
    return wrong ? -1 : 0;
}

/* What the recorder has by the names `objects` and the like. */
typedef struct {
    PyObject *objects, *told, *known, *numbers, *shapes, *shape, *begun;
} Recorded;

static int ask(Over *over, Recorded *it)
{
    PyObject *recorder = over->recorder, **names = over->names;
    it->objects = PyObject_GetAttr(recorder, names[OBJECTS]);
    it->told = it->objects ? PyObject_GetAttr(it->objects, names[TOLD]) : NULL;
    it->known = it->told ? PyObject_GetAttr(it->objects, names[ITS_KNOWN]) : NULL;
    it->numbers = it->known ? PyObject_GetAttr(recorder, names[NUMBERS]) : NULL;
    it->shapes = it->numbers ? PyObject_GetAttr(recorder, names[SHAPES]) : NULL;
    it->begun = it->shapes ? PyObject_GetAttr(recorder, names[BEGUN]) : NULL;
    it->shape = it->begun && PyDict_CheckExact(it->shapes)
                    ? Py_XNewRef(PyDict_GetItemWithError(it->shapes, names[AN_EPOCH]))
                    : NULL;
    return it->shape != NULL && it->told == Py_None && PyDict_CheckExact(it->known) && PyDict_CheckExact(it->begun) &&
           PyIter_Check(it->numbers);
}

static void let_go_of(Recorded *it)
{
    Py_XDECREF(it->objects);
    Py_XDECREF(it->told);
    Py_XDECREF(it->known);
    Py_XDECREF(it->numbers);
    Py_XDECREF(it->shapes);
    Py_XDECREF(it->shape);
    Py_XDECREF(it->begun);
}

/* 1 if the pass was an epoch like the one before, and that is stated; 0, with nothing done, if it is not for us; -1
   with an exception. */
static int state_usual(Over *over, PyObject *reference, PyObject *running)
{
    /* First all that may run code in Python, which may change anything; then what it is all about. */
    PyObject *model = only_model(over), *mark = NULL, *name = NULL, *address = NULL;
    Recorded it = {NULL};
    int found = model != NULL && !may_transform(over, running) && ask(over, &it) &&
                (name = name_of(over, model)) != NULL && (mark = versions_of(over->state, model)) != NULL &&
                (address = PyLong_FromVoidPtr(model)) != NULL && PyUnicode_CheckExact(name);
    PyObject *still = found ? only_model(over) : NULL, *known = NULL;
    Py_XINCREF(name);
    found = found && expected(over, reference) == running && still == model &&
            (known = changed(over, it.known, address, model, mark)) != NULL;
    Py_XDECREF(still);
    if (found) {
        PyObject *zero = PyLong_FromLong(0);
        Py_INCREF(known);
        Py_INCREF(running);
        found = zero != NULL && PyDict_SetDefault(ITS(running, CLAIMS), zero, Py_None) == Py_None ? 1 : -1;
        Py_XDECREF(zero);
        if (found > 0 && PyDict_DelItem(it.begun, running) < 0)
            PyErr_Clear();
        if (found > 0 && state_epoch(over, it.shape, it.numbers, running, it.known, address, known, mark, name) < 0)
            found = -1;
        set(over, over->training, RUNNING, Py_NewRef(Py_None));
        PyObject *inferences = ITS(over->training, INFERENCES);
        if (inferences != NULL && inferences != Py_None && found > 0) {
            PyObject *done = PyObject_CallMethodNoArgs(inferences, over->names[PASS_OVER]);
            found = done != NULL ? 1 : -1;
            Py_XDECREF(done);
        }
        Py_DECREF(running);
        Py_DECREF(known);
    }
    let_go_of(&it);
    Py_XDECREF(name);
    Py_XDECREF(address);
    Py_XDECREF(mark);
    Py_XDECREF(model);
    return found;
}

static PyObject *over_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Over *over = (Over *)self;
    if (PyVectorcall_NARGS(flags) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a weak reference to an iterator is expected");
        return NULL;
    }
    if (over->slow == NULL || over->training == NULL)
        Py_RETURN_NONE; /* taken apart already */
    PyObject *running = expected(over, args[0]);
    int done = 0;
    if (running != NULL) {
        Py_INCREF(running);
        done = state_usual(over, args[0], running);
        Py_DECREF(running);
    }
    if (done < 0) {
        PyErr_Clear();
        return PyObject_CallMethodNoArgs(over->recorder, over->names[FAILED]);
    }
    PyErr_Clear();
    if (done)
        Py_RETURN_NONE;
    return PyObject_CallOneArg(over->slow, args[0]);
}

static PyObject *over_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    PyObject *slow, *training, *recorder, *process, *steps, *has_transforms, *name, *classes, *plain;
    State *state = PyType_GetModuleState(type);
    if (state == NULL ||
        !PyArg_ParseTuple(args, "OOOOO!OOO!O!", &slow, &training, &recorder, &process, state->steps_type, &steps,
                          &has_transforms, &name, &PyTuple_Type, &classes, &PyType_Type, &plain))
        return NULL;
    Over *over = (Over *)type->tp_alloc(type, 0);
    if (over == NULL)
        return NULL;
    over->call = over_call;
    over->state = state;
    over->slow = Py_NewRef(slow);
    over->training = Py_NewRef(training);
    over->recorder = Py_NewRef(recorder);
    over->process = Py_NewRef(process);
    over->steps = (Steps *)Py_NewRef(steps);
    over->has_transforms = Py_NewRef(has_transforms);
    over->name = Py_NewRef(name);
    over->plain = (PyTypeObject *)Py_NewRef(plain);
    for (int i = 0; i < CLASSES; i++) {
        PyObject *one = i == TRAINING  ? (PyObject *)Py_TYPE(training)
                        : i == PROCESS ? (PyObject *)Py_TYPE(process)
                        : i - 1 < PyTuple_GET_SIZE(classes) ? PyTuple_GET_ITEM(classes, i - 1)
                                                            : NULL;
        if (one == NULL || !PyType_Check(one)) {
            PyErr_SetString(PyExc_TypeError, "the classes of passes, optimisers, what is known and activities are expected");
            Py_DECREF(over);
            return NULL;
        }
        over->classes[i] = (PyTypeObject *)Py_NewRef(one);
    }
    int wrong = 0;
    for (int i = 0; i < PLACES && !wrong; i++)
        wrong = (over->place[i] = place_of((PyObject *)over->classes[places[i].of], places[i].name)) < 0;
    for (int i = 0; i < NAMES && !wrong; i++)
        wrong = (over->names[i] = PyUnicode_InternFromString(names_of[i])) == NULL;
    if (wrong)
        Py_CLEAR(over);
    return (PyObject *)over;
}

static int over_traverse(PyObject *self, visitproc visit, void *arg)
{
    Over *over = (Over *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(over->slow);
    Py_VISIT(over->training);
    Py_VISIT(over->recorder);
    Py_VISIT(over->process);
    Py_VISIT(over->steps);
    Py_VISIT(over->has_transforms);
    Py_VISIT(over->name);
    Py_VISIT(over->plain);
    Py_VISIT(over->named);
    for (int i = 0; i < CLASSES; i++)
        Py_VISIT(over->classes[i]);
    return 0;
}

static int over_clear(PyObject *self)
{
    Over *over = (Over *)self;
    Py_CLEAR(over->slow);
    Py_CLEAR(over->training);
    Py_CLEAR(over->has_transforms);
    Py_CLEAR(over->name);
    Py_CLEAR(over->named);
    Py_CLEAR(over->its_name);
    return 0;
}

static void over_deallocate(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Over *over = (Over *)self;
    PyObject_GC_UnTrack(self);
    over_clear(self);
    Py_CLEAR(over->recorder);
    Py_CLEAR(over->process);
    Py_CLEAR(over->steps);
    Py_CLEAR(over->plain);
    for (int i = 0; i < CLASSES; i++)
        Py_CLEAR(over->classes[i]);
    for (int i = 0; i < NAMES; i++)
        Py_CLEAR(over->names[i]);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef over_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Over, call), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot over_slots[] = {
    {Py_tp_doc, "Over(slow, training, recorder, process, steps, has_transforms, name, classes, plain)\n--\n\n"
                "Takes the weak reference to the iterator of a pass that is over; by `slow` what is not ordinary."},
    {Py_tp_new, over_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, over_traverse},
    {Py_tp_clear, over_clear},
    {Py_tp_dealloc, over_deallocate},
    {Py_tp_members, over_members},
    {0, NULL}};

static PyType_Spec over_spec = {
    "trilha_training.Over", sizeof(Over), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE, over_slots};

#endif
