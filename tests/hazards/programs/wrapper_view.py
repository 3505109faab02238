"""Row J3: a memoryview made by BufferWrapper.create_memoryview() outlives its wrapper."""

from multiprocessing.heap import BufferWrapper

from harness import RIGHT, run, verdict


def main():
    wrapper = BufferWrapper(8)
    view = wrapper.create_memoryview()
    view[:] = b"AAAAAAAA"
    if not RIGHT:
        del wrapper
    new = BufferWrapper(8)
    new.create_memoryview()[:] = b"BBBBBBBB"
    read = bytes(view)
    verdict(read != b"AAAAAAAA" and f"memoryview written AAAAAAAA now reads {read.decode()}")


if __name__ == "__main__":
    run(main)
