import re
import zipfile
from pathlib import Path

import pytest

from stream.servers.browser import connect_commands, write_browser
from stream.servers.errors import JarsMissing
from stream.servers.resources import deploy_folder

OURS = deploy_folder() / "neo4j"
DRAWN = {
    "node.User",
    "node.Item",
    "node.Category",
    "relationship.INTERESTED_IN",
    "relationship.VIEWED",
    "relationship.PURCHASED",
    "relationship.VIEWED_NEXT",
    "relationship.BOUGHT_NEXT",
    "relationship.IN_CATEGORY",
    "relationship.CHILD_OF",
}


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "jars"
    folder.mkdir()
    with zipfile.ZipFile(folder / "neo4j-browser-5.24.0.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "")
        jar.writestr("browser/index.html", "<html></html>")
        jar.writestr("browser/assets/a.js", "")
    return folder


def test_our_files_stand_beside_the_browsers(jars: Path, tmp_path: Path) -> None:
    write_browser(jars, tmp_path)
    folder = tmp_path / "browser"
    assert {file.name for file in folder.rglob("*") if file.is_file()} == {
        "index.html",
        "a.js",
        "interestream.grass",
        "interestream.md",
    }
    assert (folder / "interestream.md").read_text() == (OURS / "guide.md").read_text()


def test_a_second_start_renews_our_files_alone(jars: Path, tmp_path: Path) -> None:
    write_browser(jars, tmp_path)
    (tmp_path / "browser" / "index.html").write_text("kept")
    (tmp_path / "browser" / "interestream.grass").write_text("old")
    write_browser(jars, tmp_path)
    assert (tmp_path / "browser" / "index.html").read_text() == "kept"
    assert (tmp_path / "browser" / "interestream.grass").read_text() == (OURS / "style.grass").read_text()


def test_what_an_interrupted_start_left_is_thrown_away(jars: Path, tmp_path: Path) -> None:
    for left in ("partial", "browser"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "half").touch()
    write_browser(jars, tmp_path)
    assert (tmp_path / "browser" / "index.html").is_file()
    assert not (tmp_path / "browser" / "half").exists()


def test_missing_jar_is_said_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(JarsMissing, match="delete the folder"):
        write_browser(tmp_path, tmp_path / "classes")


def test_the_browser_is_told_both_files() -> None:
    assert connect_commands("http://127.0.0.1:1/browser/") == (
        "style http://127.0.0.1:1/browser/interestream.grass; guide http://127.0.0.1:1/browser/interestream.md"
    )


def test_the_guide_holds_every_saved_query_word_for_word() -> None:
    shown = re.findall(r"^```cypher\n(.*?)^```$", (OURS / "guide.md").read_text(), re.DOTALL | re.MULTILINE)
    saved = {file.read_text(): file.name for file in (OURS / "queries").glob("*.cypher")}
    assert sorted(saved.get(query, query) for query in shown) == sorted(saved.values())


def test_every_query_says_what_it_answers_and_changes_nothing() -> None:
    for file in (OURS / "queries").glob("*.cypher"):
        text = file.read_text()
        assert text.startswith("// "), file.name
        assert not re.search(r"\b(CREATE|MERGE|SET|DELETE|REMOVE|DROP|LOAD|FOREACH)\b", text), file.name


def test_everything_that_is_drawn_has_a_style() -> None:
    style = (OURS / "style.grass").read_text()
    assert set(re.findall(r"^((?:node|relationship)\.\w+) \{", style, re.MULTILINE)) == DRAWN
    assert style.count("{\n") == style.count("\n}")
