"""`evaluate`: evaluation beyond the metrics themselves."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict


class Evaluate(Strict):
    """Evaluation beyond the metrics themselves."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)
