# cython: language_level=3, binding=False, always_allow_keywords=False, auto_pickle=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True, embedsignature.format=clinic
"""The border between Python and the C core: shared objects as Python sees them.

What it keeps true.

*I1*: every object here that has an address (`at`) holds its block, from before the address is
known until after nobody can use it any more: buffers, ctypes and NumPy views keep the object that
exported them. The address is NULL in an object that was never made or could not be; such objects
cannot be had except through `__new__` of the few types that have one, whose methods look first.

*The hot path is one method call around one machine instruction.* No pid is checked, no lock of the
process is taken and nothing is allocated there. Each final type has methods of its own, because
the interpreter specialises a call of a C method only for exactly the type that defines it.

*Fork.* An object that a child inherits works there without any action: its address is the same
and the core copied the holds. The border keeps no other state about the process.

*Signals.* The GIL is released for one bounded sleep at a time; between two sleeps signals are
looked at, never between getting a lock and saying so.

No policy: what to do when there is no heap yet is in _family.py, structures are in structs.py.
One module of several files, since types of one module reach one another's fields without a call.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES,
    PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyObject_GenericSetAttr
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Check, PySlice_Unpack
from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t,
)
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset, strlen

from ._c_cells cimport *
from ._c_heap cimport *
from ._c_lock cimport *
from ._c_python cimport *

include "_heap.pxi"
include "_block.pxi"
include "_scalars.pxi"
include "_waiting.pxi"
include "_specials.pxi"
include "_lock.pxi"
include "_rlock.pxi"
include "_semlock.pxi"
include "_cell.pxi"
include "_rawcell.pxi"
include "_items.pxi"
include "_vector.pxi"
include "_rawvector.pxi"
include "_value.pxi"
