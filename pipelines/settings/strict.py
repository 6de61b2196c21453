"""The base of all settings, and types that several of them use."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Workers = Annotated[int, Field(ge=0, le=1024)]


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
