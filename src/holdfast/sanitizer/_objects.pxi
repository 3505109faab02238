# Looking for a few objects among all.


def those_of(list things, tuple kinds):
    """Those of the things whose type is one of these, exactly; nothing of them is called."""
    cdef list found = []
    cdef PyObject *kind
    cdef PyObject *thing
    cdef Py_ssize_t index, which
    for index in range(PyList_GET_SIZE(things)):
        thing = PyList_GET_ITEM(things, index)
        kind = <PyObject *> Py_TYPE(thing)
        for which in range(PyTuple_GET_SIZE(kinds)):
            if PyTuple_GET_ITEM(kinds, which) == kind:
                found.append(<object> thing)
                break
    return found
