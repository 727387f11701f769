/* What is known of lists of numbers, as `trilha.capture.identity.Objects` has it. What is not as it mostly is, is left
   to that. */

#ifndef TRILHA_OBJECTS_H
#define TRILHA_OBJECTS_H

#include "marks.h"

#define HELD_OBJECTS 4096   /* `identity._HELD_OBJECTS` */
#define MOST_MEMBERS 65536 /* `structures._MOST` */

/* The tables of a run, borrowed; `of`, `owned` and `late` are those of `structures.Members`. */
typedef struct { PyObject *itself, *known, *awaited, *held, *of, *owned, *late; } Objects;

/* A list that a call is given, or gives. */
typedef struct {
    PyObject *thing, *address;
    PyObject *mark;
    Py_ssize_t weight;
    PyObject *known; /* NULL for a list that nobody has met */
    PyObject *role, *usage;
} Taken;

static void let_go(Taken *taken)
{
    PyObject *held[] = {taken->thing, taken->address, taken->mark, taken->known, taken->role, taken->usage};
    *taken = (Taken){.thing = NULL};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++)
        Py_XDECREF(held[at]);
}

/* Look at a list: 1 if it is one of numbers; 0, without an exception, for another thing; -1 with an exception. */
static int take(Taken *taken, PyObject *thing)
{
    taken->mark = mark_of(thing, &taken->weight);
    if (taken->mark == NULL)
        return 0;
    taken->thing = Py_NewRef(thing);
    taken->address = PyLong_FromVoidPtr(thing);
    return taken->address ? 1 : -1;
}

/* The tables of a run; 0, without an exception, if they are none that are known here. */
static int find_objects(Objects *objects, PyObject *recorder)
{
    PyObject *itself = *slot(recorder, of_recorder.objects);
    if (itself == NULL || !Py_IS_TYPE(itself, objects_type))
        return 0;
    objects->itself = itself;
    objects->known = *slot(itself, of_objects.known);
    objects->awaited = *slot(itself, of_objects.awaited);
    objects->held = *slot(itself, of_objects.held);
    PyObject *members = *slot(itself, of_objects.members);
    if (members == NULL || !Py_IS_TYPE(members, members_type))
        return 0;
    objects->of = *slot(members, of_members.of);
    objects->owned = *slot(members, of_members.owned);
    objects->late = *slot(members, of_members.late);
    PyObject *tables[] = {objects->known, objects->awaited, objects->held, objects->of, objects->owned};
    for (size_t at = 0; at < sizeof tables / sizeof *tables; at++)
        if (tables[at] == NULL || !PyDict_CheckExact(tables[at]))
            return 0;
    return objects->late != NULL && PyList_CheckExact(objects->late);
}

/* What is known of a list, by itself, borrowed, where nothing need be done to say so: 1, and NULL if nobody has met it;
   0 where that is for `known_of`; -1 with an exception. */
static int look_up(const Objects *objects, PyObject *thing, PyObject *address, PyObject **found)
{
    PyObject *known = *found = PyDict_GetItemWithError(objects->known, address);
    if (known != NULL)
        return Py_IS_TYPE(known, known_type) && *slot(known, of_known.hold) == thing;
    if (PyErr_Occurred())
        return -1;
    int awaited = PyDict_GET_SIZE(objects->awaited) ? PyDict_Contains(objects->awaited, address) : 0;
    return awaited < 0 ? -1 : !awaited;
}

/* Have a list be the last that is let go of those that are known; -1 with an exception. */
static int touch(const Objects *objects, PyObject *address)
{
    if (PyDict_GET_SIZE(objects->held) < 2)
        return 0;
    PyObject *size = Py_XNewRef(PyDict_GetItemWithError(objects->held, address));
    int failed = size == NULL ? PyErr_Occurred() != NULL
                              : PyDict_DelItem(objects->held, address) < 0 ||
                                    PyDict_SetItem(objects->held, address, size) < 0;
    Py_XDECREF(size);
    return failed ? -1 : 0;
}

/* What is known of a list, by itself (`Objects.itself`): NULL, with an exception or without. */
static PyObject *known_of(const Objects *objects, PyObject *thing, PyObject *address)
{
    PyObject *known;
    int found = look_up(objects, thing, address, &known);
    if (found > 0) {
        Py_XINCREF(known);
        if (known != NULL && touch(objects, address) < 0)
            Py_CLEAR(known);
    } else {
        known = found < 0 ? NULL : PyObject_CallMethodOneArg(objects->itself, itself_name, thing);
        if (known == Py_None)
            Py_CLEAR(known);
    }
    return known;
}

/* Have the rows of a list come of it, both of which `one` has (`Members._put_late`); -1 with an exception. */
static int settle_rows(const Objects *objects, PyObject *one)
{
    PyObject *rows = PyTuple_GET_ITEM(one, 0), *known = PyTuple_GET_ITEM(one, 1);
    PyObject *owner = PyLong_FromVoidPtr(*slot(known, of_known.hold)), *owned = owner ? PyList_New(0) : NULL;
    int failed = owned == NULL;
    for (Py_ssize_t at = 0; !failed && at < PyTuple_GET_SIZE(rows); at++) {
        PyObject *row = PyTuple_GET_ITEM(rows, at), *address = PyLong_FromVoidPtr(row);
        int there = address ? PyDict_Contains(objects->of, address) : -1;
        PyObject *said = there == 0 && PyDict_GET_SIZE(objects->of) < MOST_MEMBERS
                             ? PyTuple_Pack(3, row, known, owner) : NULL;
        if (said != NULL)
            failed = PyDict_SetItem(objects->of, address, said) < 0 || PyList_Append(owned, address) < 0;
        failed = failed || there < 0 || PyErr_Occurred() != NULL;
        Py_XDECREF(address);
        Py_XDECREF(said);
    }
    if (!failed && PyList_GET_SIZE(owned))
        failed = PyDict_SetItem(objects->owned, owner, owned) < 0;
    Py_XDECREF(owner);
    Py_XDECREF(owned);
    return failed ? -1 : 0;
}

/* Take one out of those that are not in the tables yet; -1 with an exception. The list keeps its memory for the next. */
static int take_out(const Objects *objects, Py_ssize_t at)
{
    Py_ssize_t last = PyList_GET_SIZE(objects->late) - 1;
    if (at < last)
        return PyList_SetSlice(objects->late, at, at + 1, NULL);
    drop_last(objects->late);
    return 0;
}

/* Have the tables say what rows came lately with which list; -1 with an exception. */
static int settle_late(const Objects *objects)
{
    while (PyList_GET_SIZE(objects->late)) {
        PyObject *one = Py_NewRef(PyList_GET_ITEM(objects->late, 0));
        int failed = settle_rows(objects, one) < 0;
        if (PyList_GET_SIZE(objects->late) && PyList_GET_ITEM(objects->late, 0) == one)
            failed = take_out(objects, 0) < 0 || failed;
        Py_DECREF(one);
        if (failed)
            return -1;
    }
    return 0;
}

/* What is known of what a list was in when that was met, borrowed (`Members.whole`): NULL, with an exception or
   without. */
static PyObject *whole_of(const Objects *objects, PyObject *address)
{
    if (PyList_GET_SIZE(objects->late) && settle_late(objects) < 0)
        return NULL;
    PyObject *found = PyDict_GET_SIZE(objects->of) ? PyDict_GetItemWithError(objects->of, address) : NULL;
    return found && PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == 3 ? PyTuple_GET_ITEM(found, 1) : NULL;
}

/* Where among those that are not in the tables yet a list is; -1 if it is not. */
static Py_ssize_t place_among_late(const Objects *objects, PyObject *list)
{
    for (Py_ssize_t at = PyList_GET_SIZE(objects->late) - 1; at >= 0; at--)
        if (*slot(PyTuple_GET_ITEM(PyList_GET_ITEM(objects->late, at), 1), of_known.hold) == list)
            return at;
    return -1;
}

/* Whether nothing is known but a list, as `entity`, and that its rows came with it. */
static int is_all_known(const Objects *objects, PyObject *list, PyObject *entity)
{
    if (entity == NULL || PyDict_GET_SIZE(objects->known) != 1 || PyDict_GET_SIZE(objects->of) ||
        PyList_GET_SIZE(objects->late) != 1 || place_among_late(objects, list) != 0)
        return 0;
    PyObject *one = PyList_GET_ITEM(objects->late, 0), *rows = PyTuple_GET_ITEM(one, 0);
    Py_ssize_t count = PyTuple_GET_SIZE(rows);
    if (*slot(PyTuple_GET_ITEM(one, 1), of_known.entity) != entity || count != Py_MIN(PyList_GET_SIZE(list), LOOKED_AT))
        return 0;
    for (Py_ssize_t at = 0; at < count; at++)
        if (PyList_GET_ITEM(list, at) != PyTuple_GET_ITEM(rows, at))
            return 0;
    return 1;
}

/* Whether a list of lists holds one that is known, or that was in something that is known as another entity than
   `entity` (NULL: as any): what came of that is stated in Python. -1 with an exception. */
static int holds_known(const Objects *objects, PyObject *list, PyObject *entity)
{
    if (PyDict_GET_SIZE(objects->awaited) == 0) {
        if (PyDict_GET_SIZE(objects->known) == 0 && PyDict_GET_SIZE(objects->of) == 0 &&
            PyList_GET_SIZE(objects->late) == 0)
            return 0;
        if (is_all_known(objects, list, entity))
            return 0;
    }
    for (Py_ssize_t at = 0; at < LOOKED_AT && at < PyList_GET_SIZE(list); at++) {
        PyObject *member = PyList_GET_ITEM(list, at);
        if (!PyList_CheckExact(member))
            return 0; /* then it holds plain values alone */
        Py_INCREF(member);
        PyObject *address = PyLong_FromVoidPtr(member), *known = address ? known_of(objects, member, address) : NULL;
        int holds = known != NULL;
        if (address != NULL && !holds && !PyErr_Occurred()) {
            PyObject *whole = whole_of(objects, address);
            holds = whole && !(entity && Py_IS_TYPE(whole, known_type) && *slot(whole, of_known.entity) == entity);
        }
        Py_DECREF(member);
        Py_XDECREF(address);
        Py_XDECREF(known);
        if (holds || PyErr_Occurred())
            return PyErr_Occurred() ? -1 : 1;
    }
    return 0;
}

/* Take `key` out of a table if it is there; gives its value, or NULL, with an exception or without. */
static PyObject *pop(PyObject *from, PyObject *key)
{
    PyObject *value = PyDict_GET_SIZE(from) ? Py_XNewRef(PyDict_GetItemWithError(from, key)) : NULL;
    if (value != NULL && PyDict_DelItem(from, key) < 0)
        Py_CLEAR(value);
    return value;
}

/* The bytes that are held; -1 with an exception. */
static Py_ssize_t bytes_held(const Objects *objects)
{
    PyObject *bytes = *slot(objects->itself, of_objects.bytes);
    if (bytes == NULL)
        PyErr_SetString(PyExc_TypeError, "no count of bytes");
    return bytes ? PyLong_AsSsize_t(bytes) : -1;
}

/* Whether a list of this weight is simply put to those that are held; -1 with an exception. */
static int has_room(const Objects *objects, Py_ssize_t weight)
{
    Py_ssize_t held = bytes_held(objects);
    return held < 0 ? -1 : held + weight <= HELD && PyDict_GET_SIZE(objects->held) < HELD_OBJECTS;
}

/* Whether what is stated of a list is stated apart, since its being known runs the program's own code in between, which
   may raise. */
static int is_apart(const Objects *objects)
{
    PyObject *told = *slot(objects->itself, of_objects.told);
    return told != Py_None && !rehearsing && !(told && PyCFunction_CheckExact(told));
}

/* Tell who wants to know of it (`Objects.told`) that a list is an entity from now on, which may have been another one:
   1; 0 where that is for Python; -1 with an exception. */
static int tell(const Objects *objects, const Taken *taken, PyObject *entity)
{
    PyObject *told = *slot(objects->itself, of_objects.told), *before;
    if (told == Py_None)
        return 1;
    int found = told ? look_up(objects, taken->thing, taken->address, &before) : 0;
    if (found <= 0)
        return found;
    PyObject *was = before ? *slot(before, of_known.entity) : NULL;
    int same = was ? PyObject_RichCompareBool(was, entity, Py_EQ) : 0;
    if (same)
        return same;
    PyObject *given[] = {taken->thing, entity, before ? Py_True : Py_False};
    told = Py_NewRef(told);
    PyObject *done = PyObject_Vectorcall(told, given, 3, NULL);
    Py_DECREF(told);
    Py_XDECREF(done);
    return done ? 1 : -1;
}

static PyObject *known_as(const Taken *taken, PyObject *entity, PyObject *generation)
{
    PyObject *known = known_type->tp_alloc(known_type, 0);
    if (known != NULL) {
        fill(known, of_known.entity, Py_NewRef(entity));
        fill(known, of_known.generation, Py_NewRef(generation));
        fill(known, of_known.hold, Py_NewRef(taken->thing));
        fill(known, of_known.token, Py_NewRef(taken->mark));
    }
    return known;
}

/* Let go of what came with the list that has this address (`Members.forget`); -1 with an exception. */
static int forget_members(const Objects *objects, PyObject *owner)
{
    PyObject *owned = pop(objects->owned, owner);
    for (Py_ssize_t at = 0; owned && PyList_CheckExact(owned) && at < PyList_GET_SIZE(owned); at++)
        Py_XDECREF(pop(objects->of, PyList_GET_ITEM(owned, at)));
    Py_XDECREF(owned);
    return PyErr_Occurred() ? -1 : 0;
}

/* What a list of lists holds, as far as that is looked at; NULL with an exception, or without if that is nothing. */
static PyObject *rows_of(PyObject *list)
{
    Py_ssize_t count = Py_MIN(PyList_GET_SIZE(list), LOOKED_AT);
    if (count == 0 || !PyList_CheckExact(PyList_GET_ITEM(list, 0)))
        return NULL;
    PyObject *rows = PyTuple_New(count);
    if (rows != NULL && PyList_GET_SIZE(list) < count)
        Py_CLEAR(rows); /* a finalizer changed it */
    for (Py_ssize_t at = 0; rows && at < count; at++)
        PyTuple_SET_ITEM(rows, at, Py_NewRef(PyList_GET_ITEM(list, at)));
    return rows;
}

/* Have what a list of lists holds come of it, which is `known` (`Members.put`), and no longer of what it was before; -1
   with an exception. The tables say so when they are asked. */
static int put_members(const Objects *objects, const Taken *taken, PyObject *known)
{
    Py_ssize_t at = place_among_late(objects, taken->thing);
    /* Also of one that is among them, which another thread may be putting to the tables. */
    if (PyDict_GET_SIZE(objects->owned) &&
        ((at < 0 && settle_late(objects) < 0) || forget_members(objects, taken->address) < 0))
        return -1;
    PyObject *rows = rows_of(taken->thing);
    if (rows == NULL)
        return PyErr_Occurred() || (at >= 0 && take_out(objects, at) < 0) ? -1 : 0;
    PyObject *one = PyTuple_Pack(2, rows, known);
    Py_DECREF(rows);
    int failed = one == NULL || (at < 0 && PyList_GET_SIZE(objects->late) >= MOST_LISTS && settle_late(objects) < 0);
    if (!failed && at >= 0)
        failed = PyList_SetItem(objects->late, at, Py_NewRef(one)) < 0;
    else if (!failed)
        failed = PyList_Append(objects->late, one) < 0;
    Py_XDECREF(one);
    return failed ? -1 : 0;
}

/* Have a list be held on to, the last that is let go of; -1 with an exception. */
static int hold_on(const Objects *objects, const Taken *taken)
{
    PyObject *size = PyDict_GET_SIZE(objects->held) ? PyDict_GetItemWithError(objects->held, taken->address) : NULL;
    Py_ssize_t before = size ? PyLong_AsSsize_t(size) : 0, held = bytes_held(objects);
    if (PyErr_Occurred())
        return -1;
    int alone = size && PyDict_GET_SIZE(objects->held) == 1;
    if (alone && before == taken->weight)
        return 0;
    PyObject *made = PyLong_FromSsize_t(taken->weight), *bytes = PyLong_FromSsize_t(held + taken->weight - before);
    int failed = !made || !bytes || (size && !alone && PyDict_DelItem(objects->held, taken->address) < 0) ||
                 PyDict_SetItem(objects->held, taken->address, made) < 0;
    if (!failed)
        Py_SETREF(*slot(objects->itself, of_objects.bytes), Py_NewRef(bytes));
    Py_XDECREF(made);
    Py_XDECREF(bytes);
    return failed ? -1 : 0;
}

/* Have a list be known as an entity from now on (`Objects.put`); gives what is known, NULL with an exception. */
static PyObject *know(const Objects *objects, const Taken *taken, PyObject *entity, PyObject *generation)
{
    int simply = has_room(objects, taken->weight);
    if (simply > 0)
        simply = tell(objects, taken, entity);
    if (simply <= 0)
        return simply ? NULL
                      : PyObject_CallMethodObjArgs(objects->itself, put_name, taken->thing, entity, generation,
                                                   taken->mark, nobody, NULL);
    PyObject *known = known_as(taken, entity, generation);
    PyObject *awaited = known ? pop(objects->awaited, taken->address) : NULL;
    if (PyErr_Occurred() || hold_on(objects, taken) < 0 ||
        PyDict_SetItem(objects->known, taken->address, known) < 0 || put_members(objects, taken, known) < 0)
        Py_CLEAR(known);
    Py_XDECREF(awaited);
    return known;
}

#endif
