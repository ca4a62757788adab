"""How much memory this process has held at most."""

import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory_bytes() -> int:
    """Returns the largest resident memory of this process since its program started; 0 where the system does not say.

    On Linux `getrusage` will not do: its figure outlives `exec`, so a process would report what its parent held when it
    was started. `VmHWM` of /proc/self/status begins anew. Source: proc_pid_status(5), getrusage(2).
    """
    if _STATUS.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)):
        return 1024 * int(found[1])
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
