"""Tars of regular files only are listed without `tarfile`, and as it lists them, whatever is done to them."""

import io
import random
import tarfile
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.archives import tar as tar_module
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.plain_tar import plain_members
from cairnhub.pipelines.archives.tar import Tar

NAMES = (
    "a/b/c/abc.jpg",
    "./d.jpg",
    "d.jpg",
    "a b.jpg",
    "../out.jpg",
    "x" * 98 + "g",
    "empty.jpg",
    "a/b/c/abc.jpg",
)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def write(path: Path, names: tuple[str, ...], form: int, *others: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 0 if name == "empty.jpg" else 300 * number
            archive.addfile(info, io.BytesIO(bytes(info.size)))
        for info in others:
            archive.addfile(info)
    path.write_bytes(out.getvalue())
    return out.getvalue()


def listed(path: Path, monkeypatch: pytest.MonkeyPatch, *, by_tarfile: bool) -> list[Entry] | str:
    """What it lists, or how it complains."""
    with monkeypatch.context() as patch:
        if by_tarfile:
            patch.setattr(tar_module, "plain_members", lambda _: None)
        try:
            return Tar(path.parent, path.name).entries()
        except CairnError as error:
            return str(error)


@pytest.mark.parametrize("form", FORMATS)
def test_a_tar_of_files_is_listed_as_tarfile_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path = tmp_path / "x.tar"
    write(path, NAMES, FORMATS[form])
    plain = plain_members(path)
    assert plain is not None
    assert [member.name for member in plain] == list(NAMES)
    entries = listed(path, monkeypatch, by_tarfile=False)
    assert entries == listed(path, monkeypatch, by_tarfile=True)
    assert [bool(entry.refusal) for entry in entries] == [True, True, False, False, True, False, False, False]


def other(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "odd",
    [
        other("folder", tarfile.DIRTYPE),
        other("old/", tarfile.AREGTYPE),
        other("link.jpg", tarfile.SYMTYPE, "a.jpg"),
        other("hard.jpg", tarfile.LNKTYPE, "a.jpg"),
        other("pipe", tarfile.FIFOTYPE),
        other("é.jpg", tarfile.REGTYPE),
        other("y" * 150, tarfile.REGTYPE),
        other("z" * 90 + "/" + "z" * 90, tarfile.REGTYPE),
        other("new\nline.jpg", tarfile.REGTYPE),
    ],
    ids=lambda info: info.name[:8].strip() or "line",
)
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_what_is_no_plain_file_is_left_to_tarfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: tarfile.TarInfo, form: str
) -> None:
    path = tmp_path / "x.tar"
    write(path, ("a.jpg",), FORMATS[form], odd)
    assert plain_members(path) is None
    assert listed(path, monkeypatch, by_tarfile=False) == listed(path, monkeypatch, by_tarfile=True)


def test_of_damaged_tars_both_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rng = tmp_path / "x.tar", random.Random(0)
    content = write(path, NAMES[:3], tarfile.USTAR_FORMAT)
    end = content.rindex(b"ustar") + 1200
    for number in range(250):
        damaged = bytearray(content)
        for _ in range(rng.choice((0, 1, 1, 2))):
            damaged[rng.randrange(end)] = rng.choice((0, 32, 48, 55, 255, rng.randrange(256)))
        cut = rng.choice((None, None, rng.randrange(len(content)), rng.randrange(len(content)) // 512 * 512))
        path.write_bytes(bytes(damaged[:cut]) + rng.choice((b"", b"", bytes(512), content)))
        said = [listed(path, monkeypatch, by_tarfile=way) for way in (False, True)]
        assert said[0] == said[1], number
