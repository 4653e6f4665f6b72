"""Neo4j's Browser with our style and guide beside it.

The server shows whatever folder ``browser/`` it finds first on its class path, so ours is the Browser's own content
plus two files, which the Browser loads when an analyst connects.
"""

import shutil
import zipfile
from pathlib import Path

from stream.servers.errors import JarsMissing
from stream.servers.resources import deploy_folder

STYLE_FILE = "interestream.grass"
GUIDE_FILE = "interestream.md"


def write_browser(jars: Path, classes: Path) -> None:
    """Make ``classes/browser`` from the Browser's jar among ``jars``, once, and renew our style and guide in it.

    Raises JarsMissing when there is no such jar.
    """
    folder = classes / "browser"
    if not (folder / "index.html").is_file():
        jar = next(jars.glob("neo4j-browser-*.jar"), None)
        if jar is None:
            raise JarsMissing(f"{jars} holds no neo4j-browser-*.jar; delete the folder to fetch it again")
        partial = classes / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(partial, [name for name in archive.namelist() if name.startswith("browser/")])
        (partial / "browser").rename(folder)
        partial.rmdir()
    ours = deploy_folder() / "neo4j"
    shutil.copyfile(ours / "style.grass", folder / STYLE_FILE)
    shutil.copyfile(ours / "guide.md", folder / GUIDE_FILE)


def connect_commands(base_url: str) -> str:
    """Return what the Browser is to do when someone connects. base_url: of the Browser, with a slash at its end."""
    return f"style {base_url}{STYLE_FILE}; guide {base_url}{GUIDE_FILE}"
