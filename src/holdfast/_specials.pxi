# __enter__ and __exit__ without an object for each of them in each `with`.
#
# Up to Python 3.13 the interpreter binds both methods to the lock before it calls them, and making
# and freeing the two bound methods is most of what `with lock:` costs. The descriptors here bind
# to objects that are not tracked by the collector and are used again. From 3.14 on nothing is
# bound: the type has the flag that says so.

cdef extern from *:
    """
    typedef PyObject *(*hf_border_function)(PyObject *self);

    /* In place of a method descriptor. */
    typedef struct {
        PyObject_HEAD
        vectorcallfunc vectorcall;
        PyTypeObject *of;
        const char *name, *doc;
        hf_border_function function;
        Py_ssize_t arguments; /* at most so many besides self; none of them is looked at */
    } hf_border_special;

    /* In place of a bound method. */
    typedef struct {
        PyObject_HEAD
        vectorcallfunc vectorcall;
        PyObject *self;
        hf_border_special *special;
    } hf_border_bound;

    /* Bound ones for the next uses, at most so many as nest in one expression or a few threads.
     * Every access is under the GIL. */
    #define HF_BORDER_SPARE 8
    #ifndef Py_GIL_DISABLED
    static hf_border_bound *hf_border_spare[HF_BORDER_SPARE];
    static int hf_border_spares;
    #endif

    static PyObject *hf_border_refuse(const hf_border_special *special)
    {
        return PyErr_Format(PyExc_TypeError, "%s.%s() takes at most %zd arguments, by position",
                            special->of->tp_name, special->name, special->arguments);
    }

    static PyObject *hf_border_call_bound(PyObject *callable, PyObject *const *values, size_t count,
                                          PyObject *names)
    {
        hf_border_bound *bound = (hf_border_bound *)callable;
        (void)values;
        if (PyVectorcall_NARGS(count) > bound->special->arguments || names != NULL) {
            return hf_border_refuse(bound->special);
        }
        return bound->special->function(bound->self);
    }

    static PyObject *hf_border_call_special(PyObject *callable, PyObject *const *values,
                                            size_t count, PyObject *names)
    {
        hf_border_special *special = (hf_border_special *)callable;
        Py_ssize_t given = PyVectorcall_NARGS(count);
        if (given < 1 || Py_TYPE(values[0]) != special->of) {
            return PyErr_Format(PyExc_TypeError, "%s() needs a %s", special->name,
                                special->of->tp_name);
        }
        if (given - 1 > special->arguments || names != NULL) {
            return hf_border_refuse(special);
        }
        return special->function(values[0]);
    }

    static void hf_border_bound_dealloc(PyObject *object)
    {
        hf_border_bound *bound = (hf_border_bound *)object;
        Py_CLEAR(bound->self);
        Py_CLEAR(bound->special);
    #ifndef Py_GIL_DISABLED
        if (hf_border_spares < HF_BORDER_SPARE) {
            hf_border_spare[hf_border_spares++] = bound;
            return;
        }
    #endif
        PyObject_Free(object);
    }

    static PyTypeObject hf_border_bound_type = {
        PyVarObject_HEAD_INIT(NULL, 0)
        .tp_name = "holdfast._native.bound_special",
        .tp_basicsize = sizeof(hf_border_bound),
        .tp_dealloc = hf_border_bound_dealloc,
        .tp_vectorcall_offset = offsetof(hf_border_bound, vectorcall),
        .tp_call = PyVectorcall_Call,
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    };

    static PyObject *hf_border_special_get(PyObject *special, PyObject *self, PyObject *type)
    {
        hf_border_bound *bound;
        (void)type;
        if (self == NULL) {
            return Py_NewRef(special);
        }
    #ifndef Py_GIL_DISABLED
        if (hf_border_spares > 0) {
            bound = hf_border_spare[--hf_border_spares];
            (void)PyObject_Init((PyObject *)bound, &hf_border_bound_type);
        } else
    #endif
        {
            bound = PyObject_New(hf_border_bound, &hf_border_bound_type);
            if (bound == NULL) {
                return NULL;
            }
        }
        bound->vectorcall = hf_border_call_bound;
        bound->self = Py_NewRef(self);
        bound->special = (hf_border_special *)Py_NewRef(special);
        return (PyObject *)bound;
    }

    static PyObject *hf_border_special_name(PyObject *special, void *unused)
    {
        (void)unused;
        return PyUnicode_FromString(((hf_border_special *)special)->name);
    }

    static PyObject *hf_border_special_doc(PyObject *special, void *unused)
    {
        (void)unused;
        return PyUnicode_FromString(((hf_border_special *)special)->doc);
    }

    static PyGetSetDef hf_border_special_attributes[] = {
        {"__name__", hf_border_special_name, NULL, NULL, NULL},
        {"__doc__", hf_border_special_doc, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };

    /* These live as long as their types, which is for ever. */
    static PyTypeObject hf_border_special_type = {
        PyVarObject_HEAD_INIT(NULL, 0)
        .tp_name = "holdfast._native.special",
        .tp_basicsize = sizeof(hf_border_special),
        .tp_descr_get = hf_border_special_get,
        .tp_getset = hf_border_special_attributes,
        .tp_vectorcall_offset = offsetof(hf_border_special, vectorcall),
        .tp_call = PyVectorcall_Call,
        .tp_flags =
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    };

    static int hf_border_put(PyTypeObject *of, const char *name, Py_ssize_t arguments,
                             hf_border_function function, const char *doc)
    {
        if (PyType_Ready(&hf_border_bound_type) < 0 || PyType_Ready(&hf_border_special_type) < 0) {
            return -1;
        }
        hf_border_special *special = PyObject_New(hf_border_special, &hf_border_special_type);
        if (special == NULL) {
            return -1;
        }
        special->vectorcall = hf_border_call_special;
        special->of = of;
        special->name = name;
        special->doc = doc;
        special->function = function;
        special->arguments = arguments;
        int result = PyDict_SetItemString(of->tp_dict, name, (PyObject *)special);
        Py_DECREF(special);
        PyType_Modified(of);
        return result;
    }

    /* How a `with` over objects of a type begins and ends. */
    static int hf_border_manage(PyObject *of, hf_border_function enter, hf_border_function leave)
    {
        PyTypeObject *type = (PyTypeObject *)of;
        if (hf_border_put(type, "__enter__", 0, enter,
                          "Acquire the lock, however long it takes; True.") < 0) {
            return -1;
        }
        return hf_border_put(type, "__exit__", 3, leave, "Release the lock.");
    }
    """
    # SAFETY: the functions are called with an object of exactly that type.
    int hf_border_manage(
        object of, object (*enter)(PyObject *), object (*leave)(PyObject *)) except -1
