"""What can go wrong with local servers, and who acts.

ServerError
├── ToolMissing    Java or Maven is missing or too old: install it
├── JarsMissing    Maven could not bring the jars: look at its log, then try again
├── PortTaken      another program listens there: choose another port
└── NotReady       a server ended or did not answer in time: its log says why
"""


class ServerError(Exception):
    """A local server cannot be started; the message names the cause and the mend."""


class ToolMissing(ServerError):
    """Java or Maven is missing or too old."""


class JarsMissing(ServerError):
    """Maven did not bring the jars."""


class PortTaken(ServerError):
    """Another program listens on the port."""


class NotReady(ServerError):
    """The server ended, or did not answer in time."""
