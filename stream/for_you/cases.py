"""From histories to the cases that the ranker is asked."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.shop import SESSION_GAP_MS
from stream.for_you.history import History

STRANGER = -1
_MARK_BYTES = 7
"""Of a user id's digest: what fits an int64, so that a file tells users apart and names none."""


def mark_of_user(user_id: str) -> int:
    """Return what stands for a user in a file: 56 bits of a digest."""
    return int.from_bytes(blake2b(user_id.encode(), digest_size=_MARK_BYTES).digest())


def cases_of(
    histories: Sequence[History], codes: Mapping[str, int], users: Mapping[int, int], *, sessions: bool
) -> Cases:
    """Return a case per history, asked right after its last interaction; items without a code are left out.

    codes: of items. users: codes of users by :func:`mark_of_user`. sessions: whether a step is a session (ended by a
    pause of 30 minutes, as in :mod:`stream.evaluation.shop`), and not each interaction one.
    """
    offsets, items, ages, times, at = [0], list[int](), list[int](), list[int](), list[int]()
    for history in histories:
        known = [(codes[item], time) for item, time in zip(history.items, history.times, strict=True) if item in codes]
        when = [time for _, time in known]
        steps = _steps(when, sessions)
        items += [code for code, _ in known]
        times += when
        ages += [steps[-1] - step for step in steps]
        at.append(when[-1] if when else 0)
        offsets.append(len(items))
    count = len(histories)
    return Cases(
        users=np.array([users.get(mark_of_user(history.user_id), STRANGER) for history in histories], np.int64),
        offsets=np.array(offsets, np.int64),
        items=np.array(items, np.int64),
        ages=np.array(ages, np.int64),
        times=np.array(times, np.int64),
        places=np.full(len(items), -1, np.int64),
        at=np.array(at, np.int64),
        target_offsets=np.zeros(count + 1, np.int64),
        targets=np.empty(0, np.int64),
        clusters=np.arange(count),
    )


def _steps(times: Sequence[int], sessions: bool) -> list[int]:
    if not sessions:
        return list(range(len(times)))
    steps, step = [], 0
    for place, time in enumerate(times):
        step += place > 0 and time - times[place - 1] > SESSION_GAP_MS
        steps.append(step)
    return steps
