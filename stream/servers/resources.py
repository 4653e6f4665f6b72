"""Where the files of ``deploy/`` are: beside the package in a checkout, inside it when installed as a wheel."""

from pathlib import Path

_PACKAGED = Path(__file__).resolve().parent / "deploy"
_CHECKOUT = Path(__file__).resolve().parents[2] / "deploy"


def deploy_folder() -> Path:
    """Return the folder that holds ``local/`` (POMs) and ``neo4j/`` (style, queries).

    Raises FileNotFoundError when the installation lacks them.
    """
    for folder in (_PACKAGED, _CHECKOUT):
        if (folder / "local" / "kafka" / "pom.xml").is_file():
            return folder
    raise FileNotFoundError(f"neither {_PACKAGED} nor {_CHECKOUT} holds local/kafka/pom.xml")


def pom(server: str) -> Path:
    """Return the POM of ``kafka`` or ``neo4j``."""
    return deploy_folder() / "local" / server / "pom.xml"
