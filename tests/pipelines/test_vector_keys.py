"""What is embedded is kept by the code that embeds: an edit of it asks for new vectors."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cairnhub.pipelines import code, image_vectors
from tests.project import ROOT

SPLITS = SimpleNamespace(fingerprint="of the images")


@pytest.mark.parametrize(
    ("edited", "is_other"),
    [
        ("training/encoders.py", True),
        ("training/backbones.py", True),
        ("training/data.py", True),
        ("cairnhub/core/portable.py", True),
        ("training/losses/rank_losses.py", False),
        ("pipelines/stages/evaluate.py", False),
    ],
)
def test_an_edit_of_what_embeds_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: str, is_other: bool
) -> None:
    def of_copies(modules: Iterable[str]) -> str:
        files = [path.relative_to(ROOT) for path in code.closure(modules)]
        for name in (*files, Path(edited)):
            if not (tmp_path / name).exists():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(code, "ROOT", tmp_path)
            return code.fingerprint_of([tmp_path / name for name in files])

    monkeypatch.setattr(image_vectors, "fingerprint", of_copies)
    before = image_vectors._key([b"weights"], SPLITS, 256)
    assert image_vectors._key([b"weights"], SPLITS, 256) == before
    with (tmp_path / edited).open("a", encoding="utf-8") as file:
        file.write("\nEDITED = 1\n")
    assert (image_vectors._key([b"weights"], SPLITS, 256) != before) is is_other
