"""Found first on the path of a process, it makes that process's wall clock wrong; its monotonic clock stays right.

A preloaded libfaketime would reach C code too, but breaks what it should leave alone: with the monotonic clock kept
right, every ``time.sleep`` of Python 3.11 fails with EINVAL, and librdkafka's waits last as long as the clock is wrong
(libfaketime 0.9.10). Nothing here reads the wall clock in C.
"""

import os
import time

_OFFSET_SECONDS = int(os.environ["WRONG_CLOCK_SECONDS"])
_time, _time_ns = time.time, time.time_ns

time.time = lambda: _time() + _OFFSET_SECONDS
time.time_ns = lambda: _time_ns() + _OFFSET_SECONDS * 1_000_000_000
