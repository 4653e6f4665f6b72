"""The ranker: can its file of learned weights be used?"""

from stream.diagnosis.finding import Finding, failed, ok
from stream.ranker_file import RankerFileError, load_weights
from stream.settings import Settings


def check_ranker(settings: Settings) -> list[Finding]:
    """Read what a worker reads."""
    try:
        return [ok("ranker", load_weights(settings.graph).version)]
    except RankerFileError as error:
        mend = "`interestream train ranker` writes it; or unset graph.ranking.learned_file"
        return [failed("ranker", str(error), mend)]
