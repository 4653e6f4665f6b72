"""One Neo4j Community server with its Browser."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import OK, HTTPConnection, HTTPException
from pathlib import Path

from graph.neo4j_admin import FIRST_USER, set_first_password
from graph.store import Refused, Unavailable
from stream.servers.browser import connect_commands, write_browser
from stream.servers.errors import NotReady
from stream.servers.ports import LOOPBACK, accepts
from stream.servers.process import ProcessIdentity
from stream.servers.server import JavaServer

_HTTP_SECONDS = 10

# What the server's own launcher would pass; the launcher is not used because it forks a second JVM.
_JVM_OPTIONS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
)


# The Browser would ask fonts, crash reports, usage counts and a feedback form from the internet. Bolt is a web socket.
_ONLY_THIS_MACHINE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "connect-src 'self' ws: wss: http://127.0.0.1:* http://localhost:*; frame-ancestors 'none'"
)


class Neo4jServer(JavaServer):
    """A Neo4j server on loopback with small memory, no telemetry, and the Browser in our style.

    ``password`` becomes the only user's when the server is first ready. ``properties`` are further lines of
    ``neo4j.conf``; they win over ours, and the server refuses names it does not know. ``ca_file`` says that they turn
    TLS on, and whom to trust then.
    """

    title = "Neo4j"

    def __init__(
        self,
        home: Path,
        jars: Path,
        java: Path,
        *,
        bolt_port: int,
        http_port: int,
        password: str,
        heap_megabytes: int = 512,
        jvm_options: Sequence[str] = (),
        page_cache_megabytes: int = 128,
        properties: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        identity: ProcessIdentity | None = None,
    ) -> None:
        super().__init__(home, jars, java, heap_megabytes, jvm_options, identity)
        self._bolt_port = bolt_port
        self._http_port = http_port
        self._page_cache_megabytes = page_cache_megabytes
        self._properties = dict(properties or {})
        self._ca_file = ca_file
        self.user = FIRST_USER
        self.password = password

    @property
    def port(self) -> int:
        """The Bolt port."""
        return self._bolt_port

    @property
    def ports(self) -> dict[str, int]:
        """The Bolt and the HTTP port."""
        return {"bolt": self._bolt_port, "http": self._http_port}

    @property
    def uri(self) -> str:
        """Where the driver connects."""
        return f"bolt{'+s' if self._ca_file else ''}://{LOOPBACK}:{self._bolt_port}"

    @property
    def browser_url(self) -> str:
        """Where an analyst goes."""
        return f"http://{LOOPBACK}:{self._http_port}/browser/"

    def server_properties(self) -> dict[str, str]:
        """Return the content of ``neo4j.conf``."""
        ours = {
            "server.default_listen_address": LOOPBACK,
            "server.default_advertised_address": LOOPBACK,
            "server.bolt.listen_address": f"{LOOPBACK}:{self._bolt_port}",
            "server.bolt.advertised_address": f"{LOOPBACK}:{self._bolt_port}",
            "server.http.listen_address": f"{LOOPBACK}:{self._http_port}",
            "server.http.advertised_address": f"{LOOPBACK}:{self._http_port}",
            "server.https.enabled": "false",
            "server.memory.pagecache.size": f"{self._page_cache_megabytes}m",
            # The default takes 256 MB of disk per log file before the first node is written.
            "db.tx_log.preallocate": "false",
            "db.tx_log.rotation.size": "32m",
            "db.tx_log.rotation.retention_policy": "1 hours 256m",
            # The default waits for ever.
            "db.lock.acquisition.timeout": "10s",
            "dbms.usage_report.enabled": "false",
            "client.allow_telemetry": "false",
            "dbms.security.http_static_content_security_policy_header": _ONLY_THIS_MACHINE,
            "browser.remote_content_hostname_whitelist": f"{LOOPBACK},localhost",
            "browser.post_connect_cmd": connect_commands(self.browser_url),
        }
        return {**ours, **self._properties}

    def _class_path(self) -> Sequence[Path]:
        return (self.home / "classes",)

    def _needed_options(self) -> Sequence[str]:
        return _JVM_OPTIONS

    def _main(self) -> Sequence[str]:
        return (
            "org.neo4j.server.CommunityEntryPoint",
            f"--home-dir={self.home}",
            f"--config-dir={self.home / 'conf'}",
            "--console-mode",
        )

    def _prepare(self) -> None:
        for folder in ("conf", "data", "run", "plugins", "import", "classes"):
            (self.home / folder).mkdir(exist_ok=True)
        lines = (f"{key}={value}" for key, value in self.server_properties().items())
        (self.home / "conf" / "neo4j.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_browser(self._jars, self.home / "classes")

    def _answers(self) -> bool:
        if not accepts(self._bolt_port) or not accepts(self._http_port):
            return False
        try:
            set_first_password(self.uri, self.password, self._ca_file)
        except Unavailable:
            return False
        except Refused as error:
            raise NotReady(f"Neo4j: {error}") from None
        return self._browser_answers()

    def _browser_answers(self) -> bool:
        with closing(HTTPConnection(LOOPBACK, self._http_port, timeout=_HTTP_SECONDS)) as connection:
            try:
                connection.request("GET", "/browser/")
                return connection.getresponse().status == OK
            except (HTTPException, OSError):
                return False
