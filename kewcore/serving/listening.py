"""Whether anybody is left to be answered."""

import os
import select
import threading


def end_with_reader(descriptor: int) -> None:
    """Ends this process as soon as the other end of a pipe or socket is closed, whatever it is busy with.

    The end of stdin is seen between two requests only. Without this, a program that dies while a model loads, or while
    something is worked on that never ends, would leave this process behind.

    Args:
        descriptor: What answers are written to. Of a file nothing is ever seen, and on Windows nothing is done.
    """
    if not hasattr(select, "poll"):
        return
    watched = select.poll()
    # Where nothing is asked for, poll(2) waits for errors and hang-ups alone. The copy is never closed in this process.
    watched.register(os.dup(descriptor), 0)
    threading.Thread(target=_end_after, args=(watched,), name="kewcore-reader", daemon=True).start()


def _end_after(watched: "select.poll") -> None:
    watched.poll()
    os._exit(0)
