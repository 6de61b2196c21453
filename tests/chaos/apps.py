"""The review app, stopped and continued while another one runs: no act that was answered for is lost."""

import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.review.session import Session
from tests.chaos.children import Child, Ended
from tests.chaos.trials import Row
from tests.chaos.world import context

N_ACTS = 12
STOPPED_S = 2.0
PATIENCE_S = 60.0


class App:
    """A child that serves the review of a project to one reviewer."""

    def __init__(self, author: str, root: Path, log: Path) -> None:
        note = log.with_name(f"address of {author}")
        note.unlink(missing_ok=True)
        self._child = Child(partial(_serve, author, root, note), log)
        while not note.exists():
            time.sleep(0.02)
        self.url = note.read_text()

    def send(self, number: signal.Signals) -> None:
        os.kill(self._child.pid, number)

    def end(self) -> None:
        self.send(signal.SIGKILL)
        self._child.answer()


def _serve(author: str, root: Path, note: Path) -> None:
    from cairnhub.hierarchies.review.app.api import ReviewApi
    from cairnhub.hierarchies.review.app.server import listen, serve

    paths, address = context(root).paths, listen()
    session = Session(TreeProposal.load(paths.proposal), paths.decisions, author)
    written = note.with_name(f"{note.name}.part")
    written.write_text(address.url)
    written.rename(note)
    serve(ReviewApi(session, paths.dataset), address)


def decide_in(url: str) -> list[str]:
    """Accept what is asked, so many times; ids of the decisions that the app answers for."""
    done: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    asked = _call(url, "state", {})["question"]
    while len(done) < N_ACTS and asked and time.monotonic() < deadline:
        act = {
            "act": "accept",
            "level": asked["level"],
            "label": asked["label"],
            "seen": asked["seen"],
            "members": asked["members"],
        }
        answer = _call(url, "act", act)
        if "error" in answer:  # the other one holds the file
            answer = _call(url, "state", {})
        else:
            done.append(answer["done"]["id"])
        asked = answer["question"]
    return done


def _call(url: str, name: str, body: dict[str, object]) -> dict[str, Any]:
    request = Request(f"{url}api/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as answer:
        return dict(json.load(answer))


def one_is_stopped(row: Row, log: Path, chance: random.Random, root: Path) -> Ended:
    """Ada's app stops at a random moment of her acts, Bob decides beside it, then hers goes on."""
    ada, bob = (App(author, root, log) for author in ("ada", "bob"))
    try:
        hers = Child(partial(decide_in, ada.url), log)
        time.sleep(chance.uniform(0, 1))
        ada.send(signal.SIGSTOP)
        other = Child(partial(decide_in, bob.url), log)
        time.sleep(STOPPED_S)
        ada.send(signal.SIGCONT)
        answers = [child.answer() for child in (hers, other)]
    finally:
        ada.end()
        bob.end()
    lines = [decision.id for decision in read_decisions(context(root).paths.decisions)]
    for author, answer in zip(("ada", "bob"), answers, strict=True):
        if answer is None or answer["error"]:
            row.losses.append(f"{author}: {answer and answer['error']}")
        elif lost := [each for each in answer["result"] if lines.count(each) != 1]:
            row.losses.append(f"{author}: {len(lost)} of {len(answer['result'])} decisions")
        elif not answer["result"]:
            row.losses.append(f"{author}: could decide nothing")
    return Ended(False, None, None, 0, 0)
