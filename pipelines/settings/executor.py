"""`executor`: where per-archive work runs."""

from typing import Literal

from pydantic import Field, model_validator

from cairnhub.pipelines.settings.strict import Strict


class Executor(Strict):
    """Where per-archive work runs; what comes out does not depend on it."""

    kind: Literal["local", "ray"] = "local"
    """`local`: processes of this machine. `ray`: Ray tasks, here or on a cluster."""
    n_workers: int = Field(default=2, ge=1, le=1024)
    address: str | None = Field(default=None, pattern=r"^(auto|[^\s:/]+:\d{1,5})$")
    """Of a running Ray cluster: `host:port`, or `auto` on one of its machines; without one, Ray is started here."""
    storage: str | None = Field(default=None, pattern=r"^(/|(s3|gs)://)")
    """Folder or bucket (`s3://bucket/prefix`) by which files reach machines that do not share this one's disk."""

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> "Executor":
        if self.address is not None and self.kind != "ray":
            raise ValueError("address is for kind: ray")
        if self.storage is not None and self.address is None:
            raise ValueError("storage is for a cluster: give its address")
        return self
