"""What `cairn review` does: a session over the proposal, in the terminal or in the browser."""

import webbrowser

from rich.console import Console
from rich.text import Text

from cairnhub.core.errors import NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.terminal import Review, terminal_key
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.label_photos import LabelPhotos
from cairnhub.pipelines.params import check_scale, load_params
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.pipelines.samples.demonstration import demonstration


def review_in_terminal(dataset: str, scale: str, author: str, limit: int | None, console: Console) -> int:
    """Ask in the terminal; gives the number of decisions written."""

    def read_line(prompt: str) -> str:
        return console.input(Text(prompt))  # as text: a label may hold what rich takes for markup

    session = review_session(review_paths(dataset, scale), author)
    return Review(session, console, terminal_key, read_line).run(limit)


def review_in_browser(
    dataset: str, scale: str, author: str, port: int, open_browser: bool, console: Console
) -> int:
    """Serve the app until interrupted; gives the number of decisions written.

    Raises:
        CairnError: the server's packages are missing.
    """
    from cairnhub.hierarchies.review.app.api import ReviewApi
    from cairnhub.hierarchies.review.app.server import listen, serve

    paths = review_paths(dataset, scale)
    session = review_session(paths, author)
    photos = LabelPhotos(paths.index, session.proposal.levels[0], paths.store)
    vectors = paths.text_vectors
    reasoner = Reasoner(
        Embeddings.load(vectors) if vectors.is_file() else None, IndexFolder(paths.index).superclasses()
    )
    address = listen(port)
    console.print(
        Text(f"Review of {dataset}: {address.url}\nCtrl-C ends it; every decision is saved at once.")
    )
    if open_browser:
        webbrowser.open(address.url)
    serve(ReviewApi(session, dataset, reasoner, photos), address)
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


def review_session(paths: Paths, author: str) -> Session:
    """A session over what the cluster stage proposed.

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
    return Session(TreeProposal.load(paths.proposal), paths.decisions, author, given=shown)
