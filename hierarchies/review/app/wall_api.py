"""What the wall of photographs asks."""

from dataclasses import asdict

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.review.app.photos import Photos
from cairnhub.hierarchies.review.app.requests import ActOnSelection, Seen, WallPage
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.wall import View

Json = dict[str, object]
_PAGE, _FEWEST_LEVELS = 60, 3


class WallApi:
    """Pages of the wall, and acts on what is selected there.

    Args:
        session: what is asked and written.
        photos: photographs, if there are any.
    """

    def __init__(self, session: Session, photos: Photos | None = None) -> None:
        self._session = session
        self._photos = photos
        self._counter = photos.count if photos else None

    def page(self, request: WallPage) -> Json:
        """Some tiles of a wall, how many there are, of how many of the same place, and how many of them wait."""
        wall, view = self._session.wall, request.view()
        rows = wall.rows(view, self._counter)
        tiles = [wall.tile(row) for row in rows[request.offset : request.offset + _PAGE].tolist()]
        return {
            "total": len(rows),
            "of": len(wall.rows(View(view.level, view.label, "all"))),
            "n_images": int(wall.state.layout.images[rows].sum()),
            "n_doubtful": int(wall.in_doubt[rows].sum()),
            "tiles": [{**asdict(tile), "n_photos": self._n_photos(tile.label)} for tile in tiles],
            "path": self._path(request),
            "seconds": [name for name in wall.seconds if name],
            "kinds": self._kinds(request),
        }

    def rows(self, request: Seen) -> Json:
        """All labels of a view and where they stand, to select what is not loaded yet."""
        wall = self._session.wall
        rows = wall.rows(request.view(), self._counter).tolist()
        return {"rows": rows, "groups": [wall.group_of(row) for row in rows]}

    def draft(self, request: ActOnSelection) -> tuple[Decision, ...]:
        """The decisions of an act.

        Raises:
            BadInput: a label is not there, or no longer where it was seen.
        """
        wall = self._session.wall
        if len(request.rows) != len(request.groups) or any(
            not 0 <= row < len(wall.state.layout.labels) for row in request.rows
        ):
            raise BadInput("the selection does not fit the dataset: reload the page")
        moved = sum(
            wall.group_of(row) != group for row, group in zip(request.rows, request.groups, strict=True)
        )
        if moved:
            raise BadInput(
                f"{moved:,} of what is selected moved since you saw it (another decision): look again"
            )
        return self._session.draft_selection(
            request.act, request.rows, request.to, request.parent, request.new, request.reason
        )

    def preview(self, request: ActOnSelection) -> Json:
        """What an act would do."""
        made = self.draft(request)
        return {
            "lines": [decision.to_line() for decision in made],
            "effect": asdict(self._session.preview(*made)),
            "finest": self._session.state.levels[0],
        }

    def _kinds(self, request: Seen) -> list[str]:
        """Groups of the coarsest level to choose from; none where the wall is of one group, or shows no other level."""
        levels, top = self._session.state.levels, self._session.state.groups[-1]
        chosen = request.level in levels[1:] or len(levels) < _FEWEST_LEVELS
        return [] if chosen or len(top.names) == 1 else sorted(top.names)

    def _path(self, request: Seen) -> tuple[str, ...]:
        """Groups above the one that is shown."""
        state = self._session.state
        if request.level not in state.levels[1:]:
            return ()
        return state.path(request.level, state.groups_of(request.level).code_of[label_key(request.label)])

    def _n_photos(self, label: str) -> int:
        return self._photos.count(label) if self._photos else 0
