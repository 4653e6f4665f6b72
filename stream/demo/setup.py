"""The settings of the demo, and the derived categories it needs: the shop gave its items none."""

from pathlib import Path

from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, save_centroids
from encoders.factory import SHIPPED_CATEGORIES
from encoders.hashing import HashingTextEncoder
from encoders.items import item_text
from encoders.model_folder import packaged_model
from encoders.settings import EncoderSettings, TextEncoderName
from stream.demo.sample import Sample
from stream.settings import KafkaSettings, MetricsSettings, Settings, StoreName, TrackerSettings, WorkerSettings
from stream.topics import TopicSettings

_CLUSTERS = 60
_SEED = 0
_SESSION_SECONDS = 6.0
"""The shortest that the embedded broker knows; there is nobody to take over from us anyway."""


def demo_settings(base: Settings, bootstrap_servers: str, text: TextEncoderName, categories: Path) -> Settings:
    """Return settings for one process with nothing around it; of ``base`` only the graph's and the device are kept."""
    encoder = EncoderSettings(
        text=text,
        categories_file=categories,
        device=base.encoder.device,
        cpu_threads=base.encoder.cpu_threads,
        text_batch_tokens=base.encoder.text_batch_tokens,
    )
    return base.model_copy(
        update={
            "kafka": KafkaSettings(
                bootstrap_servers=bootstrap_servers,
                session_timeout_seconds=_SESSION_SECONDS,
                rebalance_timeout_seconds=_SESSION_SECONDS,
            ),
            "store": StoreName.MEMORY,
            "topics": TopicSettings(),
            "trackers": TrackerSettings(),
            "worker": WorkerSettings(
                linger_seconds=0.02, item_flush_seconds=3.0, popular_seconds=3.0, patience_seconds=30.0
            ),
            "metrics": MetricsSettings(port=0),
            "encoder": encoder,
            "pseudonym_key": None,
        }
    )


def available_text_encoder() -> TextEncoderName:
    """Return the sentence model if its weights are installed, else the encoder that needs none."""
    return TextEncoderName.HASHING if packaged_model() is None else TextEncoderName.TRANSFORMERS


def categories_file(text: TextEncoderName, sample: Sample, folder: Path) -> Path:
    """Return the derived categories of this text encoder: the shipped ones, or some made now from the sample's titles.

    Making them takes a few seconds; the same titles always give the same. Raises encoders.base.EncoderError.
    """
    if text is TextEncoderName.TRANSFORMERS:
        return SHIPPED_CATEGORIES
    from encoders.training.categories import train_categories  # scikit-learn takes its time

    encoder = HashingTextEncoder()
    titles = [item.title for item in sample.items.values()]
    texts = [item_text(title, None, None) for title in titles]
    trained = train_categories(titles, texts, encoder.encode, _CLUSTERS, _SEED)
    path = folder / "categories.safetensors"
    card = CentroidsCard(
        format=DerivedCategories.format,
        text_model=encoder.model,
        text_dimensions=encoder.dimensions,
        names=trained.names,
    )
    save_centroids(path, trained.centroids, card)
    return path
