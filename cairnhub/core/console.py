"""What commands print: text of datasets and labels is shown as it is, and never obeyed by the terminal."""

from dataclasses import dataclass
from typing import IO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment

from cairnhub.core.errors import printable


@dataclass(frozen=True)
class _Shown:
    """Something whose text is escaped once it is laid out; what the console itself says to the terminal is not."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class _Escape(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """See `rich.console.RenderHook`."""
        return [_Shown(renderable) for renderable in renderables]


def text_console(file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None) -> Console:
    """A console that takes brackets for text and escapes control characters.

    Args:
        file: where to print; by default the output.
        stderr: print to the error output.
        width: characters; by default those of the terminal.
    """
    console = Console(file=file, stderr=stderr, width=width, markup=False)
    console.push_render_hook(_Escape())
    return console
