import json
import tomllib
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from stream.commands.config import config
from stream.settings import CONFIG_FILE_VARIABLE, KafkaSettings, Neo4jSettings, Settings, load_settings
from stream.settings_reference import MASK, describe_settings, reference_page, toml_file

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
SECRET = "correct horse battery staple"

app = typer.Typer()
app.command()(config)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def with_secrets() -> Settings:
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=f"SASL_SSL://shop:{SECRET.split()[0]}@kafka:9093",
            sasl_username="shop",
            sasl_password=SecretStr(SECRET),
        ),
        neo4j=Neo4jSettings(password=SecretStr(SECRET)),
        pseudonym_key=SecretStr(SECRET),
    )


def test_every_format_that_can_be_chosen_is_in_the_help() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(option in shown for option in ("--json", "--toml", "--markdown"))


def test_the_reference_page_is_current() -> None:
    assert reference_page(describe_settings(Settings())) == PAGE.read_text(encoding="utf-8"), (
        "run `interestream config --markdown > docs/configuration.md`"
    )


def test_the_reference_page_says_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference_page(describe_settings(load_settings()))
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "kafka:9093")
    monkeypatch.setenv("INTERESTREAM_INSECURE", "true")
    assert reference_page(describe_settings(load_settings())) == before


def test_every_setting_has_a_description_and_its_variable() -> None:
    keys = [key for section in describe_settings(Settings()) for key in section.keys]
    assert len(keys) > 60
    assert all(key.description for key in keys)
    found = {key.path: key for key in keys}
    assert found["graph.interest.half_life_seconds"].variable == "INTERESTREAM_GRAPH__INTEREST__HALF_LIFE_SECONDS"
    assert found["graph.interest.half_life_seconds"].limits == "number > 0"
    assert found["metrics.port"].limits == "whole number ≥ 0 and ≤ 65535"
    assert found["trackers.max_late_seconds"].limits == "number > 0"
    assert found["log.format"].limits == "`auto` or `json` or `console`"
    assert found["encoder.device"].limits == "`auto` or `cpu` or `cuda`"
    assert found["neo4j.password"].secret


def test_every_variable_sets_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    expected: dict[str, object] = {}
    for section in describe_settings(Settings()):
        for key in section.keys:
            if isinstance(key.value, bool):
                expected[key.path] = not key.value
            elif isinstance(key.value, int | float):
                expected[key.path] = (
                    key.value / 2 if isinstance(key.value, float) and 0 < key.value <= 1 else key.value + 1
                )
            else:
                continue
            monkeypatch.setenv(key.variable, str(expected[key.path]).lower())
    in_force = {key.path: key.value for section in describe_settings(load_settings()) for key in section.keys}
    assert {path: in_force[path] for path in expected} == expected


@pytest.mark.parametrize("option", [(), ("--json",), ("--toml",), ("--markdown",)])
def test_no_form_prints_a_secret(option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KAFKA__SASL_PASSWORD", "NEO4J__PASSWORD", "PSEUDONYM_KEY"):
        monkeypatch.setenv(f"INTERESTREAM_{variable}", SECRET)
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", f"SASL_SSL://shop:{SECRET.split()[0]}@kafka:9093")
    printed = run(*option)
    assert SECRET not in printed
    assert SECRET.split()[0] not in printed
    assert "sasl_password" in printed


def test_a_set_secret_differs_from_an_unset_one() -> None:
    of = {key.path: key for section in describe_settings(with_secrets()) for key in section.keys}
    assert of["kafka.sasl_password"].value == of["neo4j.password"].value == of["pseudonym_key"].value == MASK
    assert of["kafka.bootstrap_servers"].value == f"SASL_SSL://{MASK}@kafka:9093"
    unset = {key.path: key for section in describe_settings(Settings()) for key in section.keys}
    assert unset["neo4j.password"].value is None


def test_json_is_one_object_with_value_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_WORKER__LINGER_SECONDS", "0.2")
    printed = json.loads(run("--json").splitlines()[-1])
    assert printed["worker.linger_seconds"] == {
        "value": 0.2,
        "default": 0.05,
        "variable": "INTERESTREAM_WORKER__LINGER_SECONDS",
        "allowed": "number ≥ 0",
        "description": "How long a small batch waits for company.",
        "secret": False,
    }


def test_text_marks_what_is_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_STORE", "memory")
    lines = run().splitlines()
    assert '* store = "memory"' in lines
    assert "  insecure = false" in lines


def test_toml_read_back_gives_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        kafka=KafkaSettings(group_prefix='odd "quoted"\tname\x7f', ssl_ca_file=Path("/etc/ssl/ca.pem")),
        neo4j=Neo4jSettings(password=SecretStr(SECRET)),
        insecure=True,
    )
    file = tmp_path / "interestream.toml"
    file.write_text(toml_file(describe_settings(settings)), encoding="utf-8")
    assert tomllib.loads(file.read_text(encoding="utf-8"))["insecure"] is True
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    monkeypatch.setenv("INTERESTREAM_NEO4J__PASSWORD", SECRET)
    assert load_settings() == settings


def test_two_forms_at_once_are_refused() -> None:
    result = CliRunner().invoke(app, ["--json", "--toml"])
    assert result.exit_code == 2
    assert "choose one" in result.output


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKER__BOOTSTRAP_SERVERS", "kafka:9092")
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "INTERESTREAM_KAFKER__BOOTSTRAP_SERVERS is not a setting" in result.output
