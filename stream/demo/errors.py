"""How the demo can end before its end.

DemoError
├── Stuck          events or lists do not come: the worker stands still
├── StoppedEarly   somebody pressed Ctrl-C
└── Crashed        the worker died; its last log line says of what
"""


class DemoError(Exception):
    """The demo did not come to its end; the message says why."""


class Stuck(DemoError):
    """Nothing moved for a minute; the message says what was waited for, and how far it got."""


class StoppedEarly(DemoError):
    """Somebody stopped the demo."""


class Crashed(DemoError):
    """The worker crashed."""
