"""Frames and calls of the interpreter, as raw as C has them.

Nothing here makes Cython write a traceback: what fails has set an exception and says so by NULL or
-1, and who calls it passes that on. So no frame of ours is in what the program shows.
"""

from cpython.object cimport PyObject


cdef extern from *:
    """
    #include <frameobject.h>

    /* The position in a frame's code, in bytes; -1 before its first instruction. */
    static inline int hf_notes_position(PyFrameObject *frame)
    {
    #if PY_VERSION_HEX >= 0x030B0000
        return PyFrame_GetLasti(frame);
    #else
        return frame->f_lasti < 0 ? -1 : frame->f_lasti * (int)sizeof(_Py_CODEUNIT);
    #endif
    }

    /* A new reference. */
    static inline PyObject *hf_notes_code(PyFrameObject *frame)
    {
        return (PyObject *)PyFrame_GetCode(frame);
    }

    /* 1: found; 0: there is no such attribute; -1: an exception is set. */
    static inline int hf_notes_lookup(PyObject *object, PyObject *name, PyObject **found)
    {
    #if PY_VERSION_HEX >= 0x030D0000
        return PyObject_GetOptionalAttr(object, name, found);
    #else
        return _PyObject_LookupAttr(object, name, found);
    #endif
    }

    static inline int hf_notes_finalizing(void)
    {
    #if PY_VERSION_HEX >= 0x030D0000
        return Py_IsFinalizing();
    #else
        return _Py_IsFinalizing();
    #endif
    }
    """
    ctypedef struct Frame "PyFrameObject":
        pass
    int hf_notes_position(Frame *frame) noexcept
    PyObject *hf_notes_code(Frame *frame) noexcept
    int hf_notes_lookup(PyObject *object, PyObject *name, PyObject **found) noexcept
    bint hf_notes_finalizing() noexcept


cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject *tp_dict
    void PyType_Modified(PyTypeObject *)
    ctypedef struct PyMethodDef:
        const char *ml_name
        void *ml_meth
        int ml_flags
        const char *ml_doc
    int METH_NOARGS
    int METH_FASTCALL
    int METH_KEYWORDS
    object PyDescr_NewMethod(PyTypeObject *type, PyMethodDef *method)

    bint PyFrame_Check(object)
    Frame *PyEval_GetFrame() noexcept                       # borrowed
    Frame *PyFrame_GetBack(Frame *frame) noexcept           # a new reference, or NULL

    PyTypeObject *Py_TYPE(PyObject *) noexcept
    PyObject *Py_NewRef(PyObject *) noexcept
    PyObject *Py_True
    PyObject *Py_False
    PyObject *Py_None
    void raw_increment "Py_INCREF"(PyObject *) noexcept
    void raw_decrement "Py_DECREF"(void *) noexcept
    void raw_decrement_any "Py_XDECREF"(void *) noexcept

    bint PyLong_CheckExact(PyObject *) noexcept
    bint PyFloat_CheckExact(PyObject *) noexcept
    bint PyBool_Check(PyObject *) noexcept
    int PyObject_IsTrue(PyObject *) noexcept
    double PyFloat_AsDouble(PyObject *) noexcept
    int PyUnicode_CompareWithASCIIString(PyObject *, const char *) noexcept
    unsigned long long PyLong_AsUnsignedLongLong(PyObject *) noexcept
    PyObject *PyExc_ValueError
    PyObject *PyExc_AssertionError
    bint PyErr_ExceptionMatches(PyObject *) noexcept

    PyObject *PyObject_Vectorcall(
        PyObject *callable, PyObject *const *values, size_t count, PyObject *names) noexcept
    PyObject *PyErr_Occurred() noexcept
    void PyErr_Clear() noexcept
    void PyErr_Fetch(PyObject **, PyObject **, PyObject **) noexcept
    void PyErr_Restore(PyObject *, PyObject *, PyObject *) noexcept
