"""Publishing to the Hugging Face hub and loading from it, against a server that speaks its protocol."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hub_server import FakeHub
from hub_toy import toy_card, toy_partitions, toy_row, write_toy

ROOT = Path(__file__).parents[2]


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Run = Callable[[str], Finished]


@pytest.fixture
def server() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.shutdown()


@pytest.fixture
def run(server: FakeHub, tmp_path: Path) -> Run:
    """Run code in a process whose hub is the local one (the library reads the endpoint at import)."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "hf_test",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
        "USE_TORCH": "0",
    }

    def run_code(code: str) -> Finished:
        imports = "from cairnhub import *\n"
        with subprocess.Popen(
            [sys.executable, "-c", imports + code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            server.client = process
            output, errors = process.communicate(timeout=120)
        return Finished(process.returncode, output, errors)

    return run_code


def test_publish_load_and_roll_back(server: FakeHub, run: Run, hub: Path, tmp_path: Path) -> None:
    first = run(f"print(push({str(hub / 'sample' / 'toy')!r}, 'hf://org/toy'))")
    assert first.returncode == 0, first.stderr
    repository = server.repositories["org/toy"]
    assert "v1" in repository.references
    # All of it comes with one commit: there is none before it.
    assert [("README.md" in tree) for tree in repository.commits.values()] == [False, True]

    sent = len(server.uploads)
    write_toy(tmp_path / "toy", card=toy_card(title="Another title"))
    second = run(f"print(push({str(tmp_path / 'toy')!r}, 'hf://org/toy'))")
    assert "hf://org/toy v2: 0 files sent (0.0 MB), 8 there" in second.stdout, second.stderr
    assert len(server.uploads) == sent

    code = """
import datasets
ours = load_dataset("hf://org/toy", "test")
plain = datasets.load_dataset("org/toy", split="test")
assert ours["image_id"][:] == plain["image_id"][:]
assert ours[3]["image"].tobytes() == plain[3]["image"].tobytes()
assert datasets.load_dataset("org/toy", "nodes", split="train").num_rows == len(load_tree("hf://org/toy").nodes())
assert next(iter(load_dataset("hf://org/toy", "test", streaming=True)))["image_id"] == "test-0000"
old = describe("hf://org/toy", revision="v1")
print(describe("hf://org/toy").card.title, old.version, check("hf://org/toy").ok)
rollback("hf://org/toy", "v1")
print(describe("hf://org/toy").version)
"""
    loaded = run(code)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split("\n")[:2] == ["Another title v1 True", "v1"]


def test_a_killed_upload_shows_nothing_and_is_continued(server: FakeHub, run: Run, hub: Path) -> None:
    server.kill_after = 3
    code = f"push({str(hub / 'sample' / 'toy')!r}, 'hf://org/toy')"
    assert run(code).returncode == -9
    assert all("README.md" not in tree for tree in server.repositories["org/toy"].commits.values())
    server.kill_after = None
    assert run(code).returncode == 0
    assert len(server.uploads) == len(set(server.uploads)), "an object travelled twice"
    assert "README.md" in server.repositories["org/toy"].at("main")[1]


def test_no_permission_is_said_plainly(server: FakeHub, run: Run, hub: Path) -> None:
    server.refuse = True
    refused = run(f"push({str(hub / 'sample' / 'toy')!r}, 'hf://org/toy')")
    assert "Unreachable: hf://org/toy: no permission" in refused.stderr


def test_images_that_may_not_travel_do_not(server: FakeHub, run: Run, tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False))
    refused = run(f"push({str(tmp_path / 'toy')!r}, 'hf://org/toy')")
    assert refused.returncode == 1
    assert "nothing was sent" in refused.stderr
    assert not server.repositories
    done = run(f"print(push({str(tmp_path / 'toy')!r}, 'hf://org/toy', labels_only=True))")
    assert "labels and splits only" in done.stdout, done.stderr
    assert not any(b"\xff\xd8\xff" in raw for raw in server.objects.values()), "a JPEG travelled"


@pytest.mark.long
def test_ones_own_images_go_to_a_repository_of_ones_own(server: FakeHub, run: Run, tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False, licence="mine"))
    own = run(f"print(push({str(tmp_path / 'toy')!r}, 'hf://org/own'))")
    assert own.returncode == 0, own.stderr
    assert server.repositories["org/own"].private
    assert any(b"\xff\xd8\xff" in raw for raw in server.objects.values())
    write_toy(tmp_path / "others", card=toy_card(redistributable=False, licence="research only"))
    others = run(f"print(push({str(tmp_path / 'others')!r}, 'hf://org/others', private=True))")
    assert others.returncode == 0, others.stderr
    assert server.repositories["org/others"].private
    server.repositories["org/others"].private = False
    exposed = run(f"push({str(tmp_path / 'others')!r}, 'hf://org/others', private=True)")
    assert "BadInput: hf://org/others is public" in exposed.stderr


def test_the_snippet_of_the_card_loads_the_repository(server: FakeHub, run: Run, hub: Path) -> None:
    assert run(f"push({str(hub / 'sample' / 'toy')!r}, 'hf://org/toy')").returncode == 0
    readme = server.repositories["org/toy"].at("main")[1]["README.md"].decode()
    assert "\nsize_categories:\n- n<1K\n" in readme
    snippet = readme.split("```python\n")[1].split("```")[0]
    loaded = run(f"{snippet}\nprint(images['train'].num_rows, test.num_rows, nodes['train'].num_rows)")
    assert loaded.stdout.split() == ["240", "60", "667"], loaded.stderr


@pytest.mark.long
def test_a_process_that_has_read_one_version_reads_the_next(
    server: FakeHub, run: Run, hub: Path, tmp_path: Path
) -> None:
    changed = replace(toy_row("test", 0), image_id="changed")
    write_toy(tmp_path / "toy", partitions=toy_partitions(test_0=changed))
    done = run(f"""
push({str(hub / "sample" / "toy")!r}, "hf://org/toy")
print(load_dataset("hf://org/toy", "test")["image_id"][0])
push({str(tmp_path / "toy")!r}, "hf://org/toy")
print(load_dataset("hf://org/toy", "test")["image_id"][0])
""")
    assert done.stdout.split() == ["test-0000", "changed"], done.stderr
