"""What is asked of a look inside a model."""

from undertone.persona.findings import Construction
from undertone.spec import Spec


class Request(Spec):
    """One model beside its base."""

    model: str
    base: str
    traits: tuple[str, ...] = ()
    """Traits that a system prompt can state; by default bad conduct."""
    construction: Construction | None = None
    """How directions are made; by default as it suits each trait best."""
    chat_template: str | None = None
    """The path or the name of a chat template for models that have none."""
