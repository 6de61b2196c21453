"""The base of all settings that a recipe holds."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from cairnhub.core.text import did_you_mean


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error, told with the key that it may stand for; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, raw: object) -> object:
        unknown = [key for key in raw if key not in cls.model_fields] if isinstance(raw, dict) else []
        if unknown:
            raise ValidationError.from_exception_data(
                cls.__name__, [_unknown(str(key), cls.model_fields) for key in unknown]
            )
        return raw


def _unknown(key: str, known: Iterable[str]) -> InitErrorDetails:
    hint = did_you_mean(key, known) or f"; there are: {', '.join(known)}"
    problem = PydanticCustomError("unknown_key", "unknown key{hint}", {"hint": hint})
    return InitErrorDetails(type=problem, loc=(key,), input=key)
