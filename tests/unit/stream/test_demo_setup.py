from pathlib import Path

import pytest

from encoders.categories import DerivedCategories
from encoders.factory import SHIPPED_CATEGORIES
from encoders.hashing import HashingTextEncoder
from encoders.settings import DeviceName, EncoderSettings, TextEncoderName
from graph.settings import GraphSettings, ListSettings
from stream.demo import setup
from stream.demo.sample import Sample, load_sample
from stream.demo.setup import available_text_encoder, categories_file, demo_settings
from stream.settings import Settings, StoreName, TrackerSettings, check_security
from stream.topics import TopicSettings


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load_sample()


@pytest.fixture(scope="module")
def hashed(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return categories_file(TextEncoderName.HASHING, sample, tmp_path_factory.mktemp("demo"))


def test_nothing_of_the_surroundings_is_needed_or_used(tmp_path: Path) -> None:
    base = Settings(
        neo4j={"uri": "neo4j://far.example:7687"},
        trackers=TrackerSettings(max_late_seconds=60.0),
        topics=TopicSettings(partitions=16),
        encoder=EncoderSettings(device=DeviceName.CPU, text_model_dir=tmp_path),
        graph=GraphSettings(lists=ListSettings(size=3)),
        pseudonym_key="secret",
    )
    settings = demo_settings(base, "127.0.0.1:1234", TextEncoderName.HASHING, tmp_path / "c.safetensors")
    check_security(settings)
    assert settings.store is StoreName.MEMORY
    assert settings.kafka.bootstrap_servers == "127.0.0.1:1234"
    assert settings.trackers.max_late_seconds is None  # the sample is of 2011
    assert settings.topics == TopicSettings()
    assert settings.metrics.port == 0
    assert settings.pseudonym_key is None
    assert settings.encoder.text_model_dir is None
    assert settings.encoder.device is DeviceName.CPU
    assert settings.graph.lists.size == 3


@pytest.mark.parametrize(
    ("folder", "name"), [(None, TextEncoderName.HASHING), (Path("model"), TextEncoderName.TRANSFORMERS)]
)
def test_the_sentence_model_is_used_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, folder: Path | None, name: TextEncoderName
) -> None:
    monkeypatch.setattr(setup, "packaged_model", lambda: folder)
    assert available_text_encoder() is name


def test_the_sentence_models_categories_are_the_shipped_ones(sample: Sample, tmp_path: Path) -> None:
    assert categories_file(TextEncoderName.TRANSFORMERS, sample, tmp_path) == SHIPPED_CATEGORIES


def test_hashed_words_get_categories_of_their_own(sample: Sample, hashed: Path) -> None:
    encoder = HashingTextEncoder()
    categories = DerivedCategories.load(hashed, encoder.model)
    found = categories.assign(encoder.encode([item.title for item in sample.items.values()]))
    assert set(found) == set(categories.paths)
    assert len(categories.paths) == 60
