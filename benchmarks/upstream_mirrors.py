"""Mirrors in the upstream layout and at the published counts, with tiny pictures in place of photographs.

Of GLDv2 every folder, tar, table and hash file; of the others their archives and lists. Labels have names as upstream
writes them, and as many images as a long tail gives. A mirror is made file by file, and goes on where it was killed;
equal arguments give equal bytes. See docs/scale.md.
"""

import json
from collections.abc import Callable

from mirror_gldv2 import write_gldv2
from mirror_others import write_dyml_product, write_inat2018, write_sop
from mirror_parts import Plan

MIRRORS: dict[str, Callable[[Plan], None]] = {
    "gldv2": write_gldv2,
    "inat2018": write_inat2018,
    "sop": write_sop,
    "dyml_product": write_dyml_product,
}


def make(plan: Plan, what: str) -> None:
    """Write the mirror `what`, one of `MIRRORS`; what is there already stays.

    Raises:
        SystemExit: the folder holds a mirror of other arguments.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    said = {
        "what": what,
        "fraction": plan.fraction,
        "seed": plan.seed,
        "reference": plan.reference is not None,
    }
    note = plan.folder / ".plan.json"
    if note.exists() and json.loads(note.read_text()) != said:
        raise SystemExit(
            f"{plan.folder} holds a mirror of {note.read_text()}; name another folder or delete it"
        )
    note.write_text(json.dumps(said))
    MIRRORS[what](plan)
