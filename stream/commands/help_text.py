"""The text of `--help` from docstrings, whose lines are as long as source code likes them."""

import re

_AS_IT_IS = re.compile(r"\s|[-*•] |\d+[.)] ")


def reflow(text: str) -> str:
    r"""Join the lines of each paragraph, so that a terminal wraps them at its own width.

    Blank lines stay, and so do indented lines and those that begin with a bullet or a number. ``text`` has no common
    indentation.

    >>> reflow("Run the\nagents.\n\n- one\n- two")
    'Run the agents.\n\n- one\n- two'
    """
    lines: list[str] = []
    joins = False
    for line in text.split("\n"):
        is_prose = bool(line.strip()) and not _AS_IT_IS.match(line)
        if is_prose and joins:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
        joins = is_prose
    return "\n".join(lines)
