"""plan: `dvc.yaml` builds what `params.yaml` asks for; if it does not, it is made anew and the run ends."""

from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.graph import is_current, write_graph
from cairnhub.pipelines.stage_graph import PLAN


def run(root: Path) -> None:
    """Hold the graph against the parameters.

    Raises:
        CairnError: they differed; `dvc.yaml` now says what the parameters say.
    """
    if not is_current(root):
        write_graph(root)
        raise CairnError(
            "params.yaml asks for other stages than dvc.yaml had: dvc.yaml is made anew, run `dvc repro` again"
        )
    write_text_atomic(root / PLAN, "dvc.yaml builds what params.yaml asks for.\n")
