"""`evaluate`: evaluation beyond the metrics themselves."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict


class Transfer(Strict):
    """A dataset without a model of its own, searched by the model of another.

    Attributes:
        model: the dataset of `train_on` whose model searches.
        whitening: dimensions that PCA whitening leaves of its vectors, learnt on what that model was trained on; the
            whitened model stands beside the model itself. None: no whitening.
    """

    model: str
    whitening: int | None = Field(default=None, ge=1, le=1_000_000)


class Evaluate(Strict):
    """Evaluation beyond the metrics themselves."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)
    transfer: dict[str, Transfer] = {}
