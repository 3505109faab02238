"""Row A1 in packages that grew out of multiprocessing: a Value that is only an argument.

KIND names the package, multiprocess or billiard.
"""

import importlib
import sys

from harness import KIND, METHOD, PATIENCE, RIGHT, verdict, write_then_read

context = importlib.import_module(KIND).get_context(METHOD)


def main():
    kept, pairs = [], []
    for wanted in (111, 222):
        ours, theirs = context.Pipe()
        value = context.Value("i", 0)
        kept += [value] if RIGHT else []
        process = context.Process(target=write_then_read, args=(value, wanted, theirs))
        del value
        process.start()
        theirs.close()
        pairs.append((wanted, ours, process))
    complaints = []
    for _, ours, process in pairs:
        if not hear(ours):
            process.join(PATIENCE)
            complaints.append(f"child exit status {process.exitcode}")
    later = [context.Value("i", 999) for _ in range(4)]
    if not complaints:
        for wanted, ours, process in pairs:
            ours.send("go on")
            read = hear(ours)
            process.join(PATIENCE)
            if read != wanted:
                complaints.append(f"child wrote {wanted}, later read {read}")
    where = type(later[0].get_obj()._wrapper._state[0][0]).__module__
    print(f"memory by {where}", file=sys.stderr)
    verdict("; ".join(complaints))


def hear(connection):
    try:
        return connection.recv() if connection.poll(PATIENCE) else None
    except EOFError:
        return None


if __name__ == "__main__":
    main()
