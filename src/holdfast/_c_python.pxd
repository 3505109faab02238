"""The interpreter, where its versions differ or Cython does not declare what is wanted."""

from cpython.object cimport PyObject


cdef extern from *:
    """
    /* The number of an exact int that has one digit at most, as nearly all have, without a call. */
    static inline int hf_border_small_int(PyObject *value, long long *number)
    {
        if (!PyLong_CheckExact(value)) {
            return 0;
        }
    #if PY_VERSION_HEX >= 0x030C0000
        if (!PyUnstable_Long_IsCompact((PyLongObject *)value)) {
            return 0;
        }
        *number = PyUnstable_Long_CompactValue((PyLongObject *)value);
    #else
        Py_ssize_t size = Py_SIZE(value);
        if (size < -1 || size > 1) {
            return 0;
        }
        *number = size == 0 ? 0 : (long long)size * (long long)((PyLongObject *)value)->ob_digit[0];
    #endif
        return 1;
    }
    """
    bint hf_border_small_int(object value, long long *number)


cdef extern from "Python.h":
    ctypedef struct type_object "PyTypeObject":
        void *tp_new
        PyObject *tp_dict
    void PyType_Modified(type_object *cls)

    Py_ssize_t PY_SSIZE_T_MAX
    bint PyLong_CheckExact(object)
    bint PyIndex_Check(object)
    Py_ssize_t PyNumber_AsSsize_t(object, PyObject *) except? -1
    PyObject *PyExc_IndexError
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object) except? <unsigned long long> -1
    object PyLong_FromLong(long)
    object PyLong_FromUnsignedLong(unsigned long)
    object PyLong_FromLongLong(long long)
    object PyLong_FromUnsignedLongLong(unsigned long long)
    object PyFloat_FromDouble(double)
    bint PyFloat_CheckExact(PyObject *)
    double PyFloat_AS_DOUBLE(object)
    double PyFloat_AsDouble(object) except? -1.0

    bint PyUnicode_CheckExact(PyObject *)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *)
    unsigned PyUnicode_READ_CHAR(PyObject *, Py_ssize_t)
    object PyUnicode_FromOrdinal(int)

    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    PyObject *Py_True
    PyObject *Py_None
    PyObject *Py_False

    ctypedef struct PyMethodDef:
        const char *ml_name
        void *ml_meth
        int ml_flags
        const char *ml_doc
    int METH_FASTCALL
    int METH_KEYWORDS
    object PyCFunction_NewEx(PyMethodDef *definition, PyObject *self, PyObject *module)

    # pthread_self, in one instruction after the first call
    unsigned long PyThread_get_thread_ident() noexcept nogil
