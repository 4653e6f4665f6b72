"""The rankers: can the files of learned weights and of the for-you model be used?"""

from pathlib import Path

from stream.diagnosis.finding import Finding, failed, ok
from stream.ranker_file import RankerFileError, load_weights
from stream.recommendations import rfc3339
from stream.settings import Settings


def check_ranker(settings: Settings) -> list[Finding]:
    """Read what a worker reads."""
    try:
        found = [ok("ranker", load_weights(settings.graph).version)]
    except RankerFileError as error:
        mend = "`interestream train ranker` writes it; or unset graph.ranking.learned_file"
        found = [failed("ranker", str(error), mend)]
    file = settings.for_you.model_file
    return found if file is None else [*found, _for_you(file)]


def _for_you(file: Path) -> Finding:
    from stream.for_you.file import read_for_you  # brings scikit-learn: only for whoever has a model

    try:
        _, card = read_for_you(file)
    except RankerFileError as error:
        mend = "`interestream train for-you` writes it; or unset for_you.model_file"
        return failed("for_you", str(error), mend)
    occasion = card.occasion.replace("-", " ")
    return ok("for_you", f"{card.version}, for the {occasion}, counts up to {rfc3339(card.until)}")
