"""What `cairn review` does: a session over the proposal, in the terminal or in the browser."""

import webbrowser
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cairnhub.core.errors import NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.photo_evidence import PhotoEvidence
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.terminal import Review, terminal_key
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.label_photos import LabelPhotos
from cairnhub.pipelines.label_vectors import read_vectors
from cairnhub.pipelines.params import check_scale, load_params
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.pipelines.samples.demonstration import demonstration


def review_in_terminal(
    dataset: str, scale: str, author: str, limit: int | None, console: Console, vectors: Path | None = None
) -> int:
    """Ask in the terminal; gives the number of decisions written."""

    def read_line(prompt: str) -> str:
        return console.input(Text(prompt))  # as text: a label may hold what rich takes for markup

    paths = review_paths(dataset, scale)
    session = review_session(paths, author, photo_evidence(paths, vectors))
    return Review(session, console, terminal_key, read_line).run(limit)


def review_in_browser(
    dataset: str,
    scale: str,
    author: str,
    port: int,
    open_browser: bool,
    console: Console,
    vectors: Path | None = None,
) -> int:
    """Serve the app until interrupted; gives the number of decisions written.

    Raises:
        CairnError: the server's packages are missing.
    """
    from cairnhub.hierarchies.review.app.api import ReviewApi
    from cairnhub.hierarchies.review.app.server import listen, serve

    paths = review_paths(dataset, scale)
    evidence = photo_evidence(paths, vectors)
    session = review_session(paths, author, evidence)
    photos = LabelPhotos(paths.index, session.proposal.levels[0], paths.store)
    texts = paths.text_vectors
    reasoner = Reasoner(
        Embeddings.load(texts) if texts.is_file() else None, IndexFolder(paths.index).superclasses()
    )
    address = listen(port)
    console.print(
        Text(f"Review of {dataset}: {address.url}\nCtrl-C ends it; every decision is saved at once.")
    )
    if open_browser:
        webbrowser.open(address.url)
    serve(ReviewApi(session, dataset, reasoner, photos, evidence), address)
    console.print(Text(f"{len(session.made)} decision(s) written to {session.path}"))
    return len(session.made)


def review_paths(dataset: str, scale: str) -> Paths:
    """The files of a dataset whose tree is proposed from text.

    Raises:
        CairnError: there is no such dataset or scale in the checkout.
    """
    root = project_root()
    check_scale(scale)
    params = load_params(root / "params.yaml")
    params.require_tree_from_text(dataset)
    return Paths(root, scale, dataset, params.files_of(dataset))


def photo_evidence(paths: Paths, vectors: Path | None) -> PhotoEvidence | None:
    """Vectors of photographs: of the file that is given, or of the one that the dataset's tree names; None without.

    Raises:
        CairnError: the file is missing or cannot be understood.
    """
    tree = load_params(paths.root / "params.yaml").source(paths.dataset).tree
    path = vectors or (paths.root / tree.vectors if tree and tree.vectors else None)
    if path is None or not paths.proposal.is_file():
        return None
    labels = [entry.label for entry in TreeProposal.load(paths.proposal).labels]
    return PhotoEvidence.of(*read_vectors(path, labels))


def review_session(paths: Paths, author: str, evidence: PhotoEvidence | None = None) -> Session:
    """A session over what the cluster stage proposed.

    Args:
        paths: of the dataset.
        author: who decides.
        evidence: what photographs say; where they disagree with the texts is asked first.

    Raises:
        CairnError: nothing is proposed yet, or a decision cannot be understood.
    """
    if not paths.proposal.is_file():
        raise NotFound(
            f"no proposal for {paths.dataset!r}: run `dvc repro cluster@{paths.scale}-{paths.dataset}` first"
        )
    if not paths.decisions.exists():
        write_text_atomic(paths.decisions, "")
    shown = read_decisions(demonstration(paths.scale, paths.owner))
    proposal = TreeProposal.load(paths.proposal)
    seen = evidence.with_disputes(proposal) if evidence else proposal
    return Session(seen, paths.decisions, author, given=shown)
