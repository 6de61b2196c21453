"""What every source format tells the stages; its module in `formats/` makes one by `make`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.hierarchies.label_tree.label_rules import Twins
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.listing import Listing
from cairnhub.pipelines.sources.packs import Pack, Packed, locate
from cairnhub.pipelines.sources.registry import RegistryRow


class SourceReader(ABC):
    """One source's conventions: two methods must be written, the others say what is usual.

    Attributes:
        levels: names of the levels of its published tree, fine -> coarse.
        version: what its authors call this version of it; empty where there is one only.
        edition: its counts are held against `registries/<edition>.counts.yaml`, if there is one; empty for none.
        fetched: names of the files that the manifest lists: what else lies in the store is of another time and counts
            for nothing; None before there is one.
        twins: whether labels that differ only by case, spaces or Unicode form are refused, or kept apart.
        packs: the archives of its registry of which a copy will do, unpacked or packed again.
        has_registry: whether `registries/<dataset>.tsv` lists its files; if not, `own_files` does.
    """

    levels: tuple[str, ...]
    version: str = ""
    edition: str = ""
    twins: Twins = "refuse"
    packs: tuple[Pack, ...] = ()
    has_registry: bool = True
    fetched: frozenset[str] | None = None

    @abstractmethod
    def list_images(self, store: Path) -> Listing:
        """Read annotations and archive members in place; nothing is unpacked."""

    @abstractmethod
    def card(self) -> Card:
        """Licence, citation, protocols: what the published dataset says of itself."""

    def is_fetched(self, name: str) -> bool:
        """Whether a file of the store counts."""
        return self.fetched is None or name in self.fetched

    def packed(self, store: Path, pack: Pack) -> Packed:
        """One of its packs, as it lies in the store.

        Raises:
            CairnError: it is not there.
        """
        packed = locate(store, pack, self.fetched)
        if packed is None:
            raise NotFound(f"{store / pack.name} is missing: run the fetch stage again")
        return packed

    def protocols(self, splits: Collection[str]) -> tuple[EvaluationProtocol, ...]:
        """How it is evaluated, where it has these splits; as its card says, unless its declaration tells.

        Raises:
            CairnError: it is declared to be evaluated on other splits.
        """
        return self.card().protocols

    def splits_at(self, mirror: Path) -> Collection[str]:
        """The splits of a source without a registry, if its lists lie in this folder; none where only `index` tells.

        Raises:
            CairnError: a list cannot be read.
        """
        return ()

    def summary(self, store: Path) -> dict[str, dict[str, int]]:
        """Per split what the annotations count, to judge files that came by hand; see `Listing.summary`."""
        return self.list_images(store).summary(self.levels)

    def needs(self, name: str) -> bool:
        """Whether the subset that is built needs this file of the registry."""
        return True

    def own_files(self, mirror: str) -> list[RegistryRow]:
        """The files of a source without a registry, in the folder or URL that holds them.

        Raises:
            CairnError: one of them is not there.
        """
        raise NotImplementedError(f"{type(self).__name__} has a registry")

    def hash_files(self, rows: Sequence[RegistryRow]) -> list[RegistryRow]:
        """The files that hold hashes of other files; they are fetched first."""
        return []

    def with_published_hashes(self, rows: Sequence[RegistryRow], store: Path) -> list[RegistryRow]:
        """The registry with the hashes that the fetched hash files give."""
        return list(rows)

    def fetch_more(self, store: Path, settings: Fetch) -> list[FetchedFile]:
        """Fetch into the store what no registry lists, once the files are there."""
        return []
