"""The encoders of a worker, loaded together."""

from dataclasses import dataclass

from encoders.base import TextEncoder
from encoders.categories import DerivedCategories
from encoders.device import Device, choose_device
from encoders.factory import load_categories, load_micro_topics, load_text_encoder, load_user
from encoders.micro_topics import MicroTopics
from encoders.settings import EncoderSettings
from encoders.user.model import UserModel


@dataclass(frozen=True, slots=True)
class Encoders:
    """The encoders of a worker, on one device."""

    device: Device
    text: TextEncoder
    user: UserModel
    categories: DerivedCategories | None
    micro_topics: MicroTopics | None = None


def load_encoders(settings: EncoderSettings) -> Encoders:
    """Load everything that turns words and histories into vectors. Takes seconds. Raises EncoderError."""
    device = choose_device(settings.device)
    text = load_text_encoder(settings, device)
    user = load_user(settings, text, device)
    return Encoders(device, text, user, load_categories(settings, text), load_micro_topics(settings, text))
