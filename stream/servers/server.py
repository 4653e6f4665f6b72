"""What a Kafka and a Neo4j server have in common: one JVM, one home folder, one log."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from stream.servers.errors import NotReady, PortTaken
from stream.servers.ports import is_free
from stream.servers.process import DetachedProcess, ProcessIdentity

START_SECONDS = 120.0
"""How long a server may take to answer; a few seconds are usual, but a busy machine is slow."""

_POLL_SECONDS = 0.1
_LOG_LINES = 15


class JavaServer(ABC):
    """A server that can be started, stopped, killed and paused, again and again, on the same ports and data.

    Everything it writes is below ``home``. It is started detached: it outlives this process unless it is stopped.
    ``jvm_options`` come after our own. Give ``identity`` to take up a server that another process has started. Not safe
    for several threads.
    """

    title: ClassVar[str]

    def __init__(
        self,
        home: Path,
        jars: Path,
        java: Path,
        heap_megabytes: int,
        jvm_options: Sequence[str],
        identity: ProcessIdentity | None,
    ) -> None:
        self.home = home.resolve()
        self._jars = jars
        self._java = java
        self._heap_megabytes = heap_megabytes
        self._jvm_options = tuple(jvm_options)
        self._process = DetachedProcess(identity)

    @property
    @abstractmethod
    def port(self) -> int:
        """The port that clients connect to."""

    @property
    @abstractmethod
    def ports(self) -> dict[str, int]:
        """Every port it listens on, by name."""

    @property
    def identity(self) -> ProcessIdentity | None:
        """The process as it was started, running or not; None before any start."""
        return self._process.identity

    @property
    def pid(self) -> int | None:
        """The process id, or None when it does not run."""
        return self._process.identity.pid if self._process.identity and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process runs; it may not answer yet, or be paused."""
        return self._process.running

    @property
    def logs(self) -> Path:
        """The folder of its log files."""
        return self.home / "logs"

    @property
    def console(self) -> Path:
        """What the process printed, its fatal errors included."""
        return self.logs / "console.log"

    def start(self) -> None:
        """Start the process unless it runs; return before it answers (see :meth:`wait_ready`).

        Raises PortTaken when another program listens on one of its ports, NotReady when its data cannot be prepared.
        """
        if self.running:
            return
        for name, port in self.ports.items():
            if not is_free(port):
                raise PortTaken(f"--{name}-port: {port} is taken by another program; {self.title} needs another")
        self.logs.mkdir(parents=True, exist_ok=True)
        self._prepare()
        self._process.start(self._java_command(self._main()), self.home, self.console)

    def wait_ready(self, patience_seconds: float = START_SECONDS) -> None:
        """Wait until the server answers its clients.

        Raises NotReady, with the end of its log, when it ends or does not answer within ``patience_seconds``.
        """
        deadline = time.monotonic() + patience_seconds
        while True:
            if not self.running:
                raise NotReady(f"{self.title} has ended. The end of {self.console}:\n{self.log_tail()}")
            if self._answers():
                return
            if time.monotonic() >= deadline:
                raise NotReady(
                    f"{self.title} (process {self.pid}) does not answer on port {self.port} after "
                    f"{patience_seconds:.0f} s. The end of {self.console}:\n{self.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def stop(self, patience_seconds: float = 30.0) -> bool:
        """Stop in good order, by force after ``patience_seconds``. Returns whether force was not needed."""
        return self._process.stop(patience_seconds)

    def kill(self) -> None:
        """End at once, without warning (kill -9)."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze the process: it holds its connections and answers nothing."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._process.send(signal.SIGCONT)

    def log_tail(self) -> str:
        """Return the last lines of what the process printed."""
        try:
            lines = self.console.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return "(nothing was printed)"
        return "\n".join(lines[-_LOG_LINES:]) or "(nothing was printed)"

    def _java_command(self, main: Sequence[str]) -> list[str]:
        """Return the JVM's argument list. The class path keeps its asterisk: Java itself expands it."""
        heap = f"{self._heap_megabytes}m"
        return [
            *(str(self._java), f"-Xms{heap}", f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError"),
            *(f"-XX:ErrorFile={self.logs}/crash-%p.log", "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true"),
            *self._needed_options(),
            *self._jvm_options,
            *("-cp", ":".join((*map(str, self._class_path()), f"{self._jars}/*"))),
            *main,
        ]

    def _class_path(self) -> Sequence[Path]:
        """Return folders that come before the jars."""
        return ()

    @abstractmethod
    def _needed_options(self) -> Sequence[str]:
        """Return the JVM options without which the server does not run."""

    @abstractmethod
    def _main(self) -> Sequence[str]:
        """Return the main class and its arguments."""

    @abstractmethod
    def _prepare(self) -> None:
        """Write the configuration and whatever a first start needs."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether a client would be served now."""
