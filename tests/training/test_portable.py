"""A portable process computes the same bits whatever the processor, and whatever its caller's environment says."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.core.portable import KERNELS, MARK, environment, is_portable, run_portable
from tests.project import ROOT

PROCESSORS = ("Haswell", "Skylake-Server", "EPYC", "Nehalem")
QEMU = shutil.which("qemu-x86_64")
STEPS = [sys.executable, "-m", "tests.training.portable_steps"]


def hashes(command: list[str], **changes: str) -> dict[str, str]:
    """What the few steps print in a process with this environment."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | changes
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def native() -> dict[str, str]:
    return hashes(STEPS, **environment())


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 is missing: apt-get install qemu-user")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_an_emulated_processor_gives_the_same_bits(processor, native):
    emulated = hashes([str(QEMU), "-cpu", processor, *STEPS], **environment())
    assert emulated == native


def settings(_: None) -> tuple[str, bool, int, dict[str, str | None]]:
    import torch

    kernels = {name: os.environ.get(name) for name in KERNELS}
    return (
        torch.backends.cpu.get_cpu_capability(),
        torch.backends.mkldnn.enabled,
        torch.get_num_threads(),
        kernels,
    )


@pytest.mark.parametrize("asked", ["avx2", pytest.param("avx512", marks=pytest.mark.long)])
def test_the_environment_of_the_caller_is_overruled(asked, monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", asked)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert run_portable(settings, None) == ("DEFAULT", False, 1, dict(KERNELS))
    assert os.environ["ATEN_CPU_CAPABILITY"] == asked
    assert not is_portable()


def fail(message: str) -> None:
    raise CairnError(message)


def die(_: None) -> None:
    os._exit(3)


def again(_: None) -> bool:
    return run_portable(process, None) == os.getpid()


def process(_: None) -> int:
    return os.getpid()


def test_errors_come_back_and_a_portable_process_starts_no_other():
    with pytest.raises(CairnError, match=r"^no recipe here$"):
        run_portable(fail, "no recipe here")
    with pytest.raises(CairnError, match="the process that computed died"):
        run_portable(die, None)
    assert run_portable(again, None)
    assert MARK not in os.environ


@pytest.mark.parametrize("guard", ["", "if __name__ == '__main__': "])
def test_a_script_without_its_guard_is_told_so_and_runs_once(tmp_path, guard):
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\nfrom cairnhub.core.portable import run_portable\n"
        f"{guard}print('result', run_portable(operator.neg, 3))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(MARK, None)
    ran = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if guard:
        assert ran.stdout == "result -3\n"
    else:
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "died before it began: most likely because the script" in ran.stderr.splitlines()[-1]
        assert "`if __name__ == '__main__':`" in ran.stderr.splitlines()[-1]
