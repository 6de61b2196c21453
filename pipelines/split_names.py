"""What the names of splits tell: which one trains, and which search which."""

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import EvaluationProtocol

TRAINING = ("train", "training")
VALIDATION = ("val", "valid", "validation", "dev")


def training_split(splits: Iterable[str]) -> str:
    """The split that is trained on: the one called `train`, however it is capitalised.

    Raises:
        BadInput: there is none; says what there is.
    """
    by_name = _by_name(splits)
    for name in TRAINING:
        if name in by_name:
            return by_name[name]
    raise BadInput(
        f"no split is called train: there are {quoted(by_name.values(), 20)}; call the one to train on train in the "
        "split column, or take the dataset off train_on in params.yaml"
    )


def recognised_protocols(splits: Iterable[str]) -> tuple[EvaluationProtocol, ...]:
    """`query` searches `gallery`, `test` searches itself, and so does a validation split; however they are capitalised.

    The first is called `retrieval`, unless it is one of validation.
    """
    by_name = _by_name(splits)
    sides = []
    if {"query", "gallery"} <= by_name.keys():
        sides.append(("retrieval", "query", "gallery"))
    if "test" in by_name:
        sides.append(("test" if sides else "retrieval", "test", "test"))
    validation = [name for name in VALIDATION if name in by_name]
    sides += [("validation" if len(validation) == 1 else name, name, name) for name in validation]
    return tuple(
        EvaluationProtocol(name=name, query=by_name[query], gallery=by_name[gallery])
        for name, query, gallery in sides
    )


def check_protocols(protocols: Sequence[EvaluationProtocol], splits: Iterable[str], where: str) -> None:
    """Refuse protocols of splits that there are not.

    Args:
        protocols: as they are declared.
        splits: those that there are.
        where: file and key of the declaration.

    Raises:
        BadInput: names the protocol, its split and those that there are.
    """
    known = sorted(set(splits))
    for protocol in protocols:
        for split in (protocol.query, protocol.gallery):
            if split not in known:
                raise BadInput(
                    f"{where}: {protocol.name!r} names split {split!r}; splits are {quoted(known, 20)}"
                )


def check_columns(protocols: Sequence[EvaluationProtocol], texts: Sequence[str], where: str) -> None:
    """Refuse protocols that go by columns of text that are not published.

    Args:
        protocols: as they are declared.
        texts: columns of text that are published.
        where: the dataset.

    Raises:
        BadInput: names the protocol, its column and those that there are.
    """
    for protocol in protocols:
        for column in protocol.text_columns:
            if column not in texts:
                raise BadInput(
                    f"{where}: protocol {protocol.name!r} goes by the column {column!r}; of text, there are "
                    f"{quoted(texts, 20) or 'none'}: a CSV's is published by `keep: [{column}]` under its source"
                )


def check_spelling(n_rows: "pd.Series[int]", where: str) -> None:
    """Refuse splits whose names differ by case only: what is one split to a person would be two.

    Args:
        n_rows: by split.
        where: file and column.

    Raises:
        BadInput: names both, and how many rows each has.
    """
    first: dict[str, str] = {}
    for split in sorted(map(str, n_rows.index)):
        other = first.setdefault(split.casefold(), split)
        if other != split:
            raise BadInput(
                f"{where}: {n_rows[other]:,} rows have the split {other!r} and {n_rows[split]:,} rows {split!r}, which "
                "differ by case only; spell them alike"
            )


def nothing_to_evaluate(dataset: str, splits: Iterable[str]) -> str:
    """What to do where no protocol is declared and no name tells one."""
    return (
        f"{dataset}: nothing can be evaluated: its splits are {quoted(sorted(splits), 20)}; none is called test or "
        f"val, no two query and gallery. Say which split searches which, under sources.{dataset} in params.yaml: "
        "`protocols: [{name: retrieval, query: <split>, gallery: <split>}]`; or `protocols: []` to train only"
    )


def hindrances(
    dataset: str,
    splits: Collection[str],
    protocols: Sequence[EvaluationProtocol],
    *,
    is_trained: bool,
    is_evaluated: bool,
) -> list[str]:
    """What stands in the way of training and evaluation, said before hours go into them.

    Args:
        dataset: its name.
        splits: those that it has.
        protocols: those of them that can be measured.
        is_trained: whether it is to be trained on.
        is_evaluated: whether it is to be evaluated.
    """
    found = []
    if is_trained:
        try:
            training_split(splits)
        except BadInput as error:
            found.append(f"{dataset}: nothing can be trained on: {error}")
    if is_evaluated and not protocols:
        found.append(nothing_to_evaluate(dataset, splits))
    return found


def _by_name(splits: Iterable[str]) -> dict[str, str]:
    """Splits by their names in small letters."""
    return {split.casefold(): split for split in sorted(splits)}
