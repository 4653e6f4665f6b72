"""Where the files of ``deploy/`` are: beside the packages, in the checkout that every installation runs from."""

from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def deploy_folder() -> Path:
    """Return the folder that holds ``local/`` (POMs) and ``neo4j/`` (style, queries).

    Raises FileNotFoundError when the packages were copied out of their checkout.
    """
    if not (DEPLOY / "local" / "kafka" / "pom.xml").is_file():
        raise FileNotFoundError(f"{DEPLOY} does not hold local/kafka/pom.xml: run from a checkout (`make setup`)")
    return DEPLOY


def pom(server: str) -> Path:
    """Return the POM of ``kafka`` or ``neo4j``."""
    return deploy_folder() / "local" / server / "pom.xml"
