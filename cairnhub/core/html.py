"""Self-contained pages: one file, nothing is loaded, only our own script may run, every text is escaped."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGES = Path(__file__).parent / "pages"


def fill(
    template: Path,
    values: Mapping[str, object],
    data: Mapping[str, object] | None = None,
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
) -> str:
    """Fill a template that extends `base.html`; the same values give the same page.

    A Content-Security-Policy allows pictures inside the page and the hashes of our style and script: a label
    that got past the escaping could neither run nor load anything.

    Args:
        template: a jinja2 template; whatever it shows is escaped.
        values: what the template shows; `title` is needed.
        data: what the scripts read: JSON by the id of its element.
        styles: style sheets, after `style.css`.
        scripts: scripts, run in this order as one.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = "".join(_read(sheet) for sheet in (PAGES / "style.css", *styles))
    script = '"use strict";\n' + "".join(map(_read, scripts)) if scripts else ""
    environment = Environment(
        loader=FileSystemLoader([template.parent, PAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template.name).render(
        values,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data={name: Markup(to_json(content)) for name, content in (data or {}).items()},
    )
    return page + "\n"


def to_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    allowed = {"style-src": style, "script-src": script}
    hashes = [f"{kind} {_source(text)}" for kind, text in allowed.items()]
    return "; ".join(
        ["default-src 'none'", "img-src data:", *hashes, "base-uri 'none'", "form-action 'none'"]
    )


def _source(text: str) -> str:
    """What a policy calls an inline text: its hash."""
    if not text:
        return "'none'"
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
