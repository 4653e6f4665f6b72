"""What the for-you list is made by: a fitted ranker, and the log that it counts in."""

from dataclasses import dataclass
from functools import cached_property

from stream.evaluation.cases import Candidates
from stream.evaluation.interactions import IntArray, Knowledge
from stream.evaluation.ranker.encoder import Encoder
from stream.evaluation.ranker.model import Ranker


@dataclass(frozen=True)
class ForYouModel:
    """ranker: fitted at earlier cuts. knowledge: everything up to the day of training; ``log.users`` are codes.

    marks: (n_users,) of the users in the log, see :func:`stream.for_you.cases.mark_of_user`. encoder: trained on
    the knowledge, None where the recipe wants none. candidates: may a list hold what the history holds? sessions: is a
    step a session, and not one interaction?
    """

    ranker: Ranker
    knowledge: Knowledge
    marks: IntArray
    encoder: Encoder | None
    candidates: Candidates
    sessions: bool

    @cached_property
    def users(self) -> dict[int, int]:
        """Code by mark."""
        return {mark: code for code, mark in enumerate(self.marks.tolist())}
