# cython: language_level=3, binding=False, always_allow_keywords=False, auto_pickle=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True, embedsignature.format=clinic
"""What a watched program pays for at every turn, natively: stacks, news, owners of locks.

What it keeps true.

*Taking a lock and noting its owner are one step* for Ctrl-C and for other threads: between the two
no bytecode runs. What may run some, to find out where the program is, is done before.

*The lock's own methods do what they always did.* They are called with what the program has given
them, and what they return or raise is returned or raised, without a frame of ours in between.

*No policy*: what is told of a lock, and when, is in watch/owners.py, which connects functions.

Every access to what is static here is under the GIL: the module does not declare that it can do
without, so an interpreter that could keeps it.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from ._c_frames cimport *

include "_stacks.pxi"
include "_news.pxi"
include "_objects.pxi"
include "_sites.pxi"
include "_owners.pxi"
