"""Run an unchanged program with another start method than the interpreter's default.

python examples/with_start_method.py spawn four_flags.py
"""

import multiprocessing
import runpy
import sys

if __name__ == "__main__":
    method, program = sys.argv[1:3]
    multiprocessing.set_start_method(method)
    sys.argv[:] = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")
