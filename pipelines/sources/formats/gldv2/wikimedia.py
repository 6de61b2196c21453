"""Types of landmarks mined from Wikimedia: Commons category -> Wikidata item -> `instance of` -> `subclass of`.

The APIs are asked politely: one request at a time, fifty things in each, `maxlag`, a user agent with a contact,
`Retry-After` obeyed. Every whole answer is kept as it came, with its date, so that a stopped run goes on where it
stood and a later one asks only for what is new.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

import requests
from tqdm import tqdm

from cairnhub.core.errors import BadInput, BrokenData, CairnError, Unreachable
from cairnhub.core.files import write_text_atomic

BATCH = 50  # the most that the APIs take from a client without special rights
MAXLAG_S = 5
_TRIES = 6
_LONGEST_WAIT_S = 300.0
_AGAIN = frozenset(
    {"maxlag", "ratelimited", "readonly", "internal_api_error", "internal_api_error_DBQueryError"}
)
_INSTANCE_OF, _SUBCLASS_OF, _MAIN_TOPIC = "P31", "P279", "P301"
Json = Mapping[str, object]
RawEntity = Mapping[str, Mapping[str, Mapping[str, str]]]  # one entity as Wikidata writes it


@dataclass(frozen=True)
class LandmarkItem:
    """What Wikimedia says of one landmark.

    Attributes:
        category: Commons category, without its prefix.
        item: id of its Wikidata item, or `""`.
        types: labels of what it is an instance of, best statement first; a raw id where there is no label.
    """

    category: str
    item: str
    types: tuple[str, ...]


@dataclass(frozen=True)
class Mining:
    """Types per Commons category, and superclass labels per type, nearest first (`propose(chains=...)`)."""

    landmarks: Mapping[str, LandmarkItem]
    chains: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Entity:
    id: str
    label: str
    links: Mapping[str, tuple[str, ...]]


@dataclass
class WikiApi:
    """One MediaWiki endpoint with its folder of raw answers.

    Attributes:
        url: `.../api.php`.
        cache: folder of answers.
        contact: mail address or page of whoever runs this, for the user agent.
        timeout_s: for connecting and for each read.
        wait: sleeps for seconds.
    """

    url: str
    cache: Path
    contact: str
    timeout_s: float = 30.0
    wait: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        if "@" not in self.contact and "://" not in self.contact:
            raise BadInput("Wikimedia asks for a contact: give a mail address or a page")
        self.session.headers["User-Agent"] = f"Cairn/0.1 ({self.contact}) python-requests"

    def ask(
        self,
        keys: Iterable[str],
        parameters: Mapping[str, str],
        name: str,
        answered: Callable[[Json], Set[str]],
    ) -> Iterator[Json]:
        """Whole answers that cover all keys: stored ones first, then new ones in batches.

        Args:
            keys: titles or ids.
            parameters: of the request, without the keys.
            name: parameter that takes the keys, such as `titles`.
            answered: keys that an answer speaks of; one that leaves some out was cut short and is asked for again.

        Raises:
            CairnError: the server keeps failing, or says that the request is wrong.
        """
        folder = self.cache / _digest([self.url, dict(parameters), name])
        left = set(keys)
        for path in sorted(folder.glob("*.json")):
            stored = _stored(path)
            if stored is not None and (covered := left & set(stored[0])):
                left -= covered
                yield stored[1]
        ordered = sorted(left)
        for start in tqdm(
            range(0, len(ordered), BATCH), desc=f"asking for {name}", disable=None, leave=False
        ):
            batch = ordered[start : start + BATCH]
            answer = self._complete({**parameters, name: "|".join(batch)}, set(batch), answered)
            content = {"requested": batch, "fetched": datetime.now(UTC).date().isoformat(), "answer": answer}
            text = json.dumps(content, ensure_ascii=False, sort_keys=True)
            write_text_atomic(folder / f"{_digest(batch)}.json", text + "\n")
            yield answer

    def _complete(
        self, parameters: Mapping[str, str], keys: set[str], answered: Callable[[Json], Set[str]]
    ) -> dict[str, object]:
        """One answer that speaks of all keys."""
        for attempt in range(_TRIES):
            answer = self._whole(parameters)
            left = keys - answered(answer)
            if not left:
                return answer
            self.wait(2.0**attempt)
        raise Unreachable(
            f"{self.url}: answers leave out {sorted(left)[:3]}, {_TRIES} times; run again later"
        )

    def _whole(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """One answer with all its continuations joined."""
        base = {"format": "json", "formatversion": "2", "maxlag": str(MAXLAG_S), **parameters}
        whole: dict[str, object] = {}
        more: dict[str, str] = {}
        while True:
            answer = self._get({**base, **more})
            _join(whole, {key: value for key, value in answer.items() if key != "continue"})
            following = answer.get("continue")
            if not isinstance(following, dict):
                return whole
            following = {key: str(value) for key, value in following.items()}
            if following == more:
                raise Unreachable(f"{self.url}: the answer continues for ever; try again later")
            more = following

    def _get(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """One request, tried again after cuts, lags and server errors."""
        trouble = ""
        for attempt in range(_TRIES):
            pause = min(2.0**attempt, _LONGEST_WAIT_S)
            try:
                response = self.session.post(self.url, data=dict(parameters), timeout=self.timeout_s)
                pause = max(pause, _retry_after(response))
                if response.status_code == 429 or response.status_code >= 500:
                    trouble = f"status {response.status_code}"
                elif response.status_code != 200:
                    raise Unreachable(f"{self.url}: status {response.status_code}; is the address right?")
                else:
                    answer = response.json()
                    trouble = self._error_in(answer)
                    if not trouble:
                        return dict(answer)
            except requests.exceptions.JSONDecodeError:
                trouble = "an answer that is no JSON, or only a part of it"
            except requests.RequestException as error:
                trouble = type(error).__name__
            if attempt < _TRIES - 1:
                self.wait(min(pause, _LONGEST_WAIT_S))
        raise Unreachable(
            f"{self.url}: {trouble}, {_TRIES} times; what was answered so far is kept, run again later"
        )

    def _error_in(self, answer: object) -> str:
        """A passing error inside an answer of status 200; raises for a lasting one."""
        if not isinstance(answer, dict):
            return "an answer of the wrong shape"
        error = answer.get("error")
        if error is None:
            return ""
        code = str(error.get("code")) if isinstance(error, dict) else str(error)
        if code in _AGAIN:
            return f"error {code!r}"
        said = error.get("info", "") if isinstance(error, dict) else ""
        raise Unreachable(f"{self.url}: error {code!r}: {said}")


def mine(categories: Sequence[str], commons: WikiApi, wikidata: WikiApi, depth: int = 5) -> Mining:
    """Types for Commons categories, with the chains of their superclasses.

    Args:
        categories: Commons categories: titles, or URLs as GLDv2 lists them.
        commons: API of Wikimedia Commons.
        wikidata: API of Wikidata.
        depth: how many steps of `subclass of` to follow.

    Raises:
        CairnError: a server keeps failing, or answers what is no answer of its API.
    """
    try:
        return _mine(categories, commons, wikidata, depth)
    except CairnError:
        raise
    except (TypeError, AttributeError, LookupError, ValueError, RecursionError) as error:
        raise BrokenData(
            f"{commons.url}, {wikidata.url}: an answer has not the shape of the API ({type(error).__name__}: {error}); "
            f"delete {commons.cache.parent} and run again"
        ) from error


def _mine(categories: Sequence[str], commons: WikiApi, wikidata: WikiApi, depth: int) -> Mining:
    titles = {category: category_title(category) for category in categories}
    item_of = _items(commons, set(titles.values()))
    entities = _entities(wikidata, {item for item in item_of.values() if item})
    topics = {item: entity.links[_MAIN_TOPIC][:1] for item, entity in entities.items()}
    entities |= _entities(wikidata, {topic for main in topics.values() for topic in main})
    type_ids = {t for entity in entities.values() for t in entity.links[_INSTANCE_OF]}
    classes = _superclasses(wikidata, type_ids, depth)
    landmarks = {}
    for category, title in titles.items():
        item = item_of[title]
        item = next(iter(topics.get(item, ())), item)
        ids = entities[item].links[_INSTANCE_OF] if item in entities else ()
        labels = dict.fromkeys(classes[i].label if i in classes else i for i in ids)
        known = entities[item].id if item in entities else item
        landmarks[category] = LandmarkItem(title.removeprefix("Category:"), known, tuple(labels))
    chains = {
        classes[i].label: _chain(i, classes, depth) for i in sorted(type_ids, key=_number) if i in classes
    }
    return Mining(landmarks, chains)


def category_title(category: str) -> str:
    """`Category:Name of it` from a title or URL: percent codes decoded, underscores as spaces, capital first."""
    name = unquote(category.split("/wiki/")[-1]).replace("_", " ").strip()
    name = name.split(":", 1)[1].strip() if name.lower().startswith("category:") else name
    return f"Category:{name[:1].upper()}{name[1:]}"


def _items(commons: WikiApi, titles: set[str]) -> dict[str, str]:
    """Wikidata id per title, `""` where there is none; normalised and redirected titles are followed."""
    item_of = dict.fromkeys(titles, "")
    parameters = {"action": "query", "prop": "pageprops", "ppprop": "wikibase_item", "redirects": "1"}
    for answer in commons.ask(
        titles, parameters, "titles", lambda a: _pages(a)[0].keys() | _pages(a)[1].keys()
    ):
        item_ids, became = _pages(answer)
        for title in item_of.keys() & (item_ids.keys() | became.keys()):
            end, met = title, {title}
            while became.get(end, title) not in met:
                end = became[end]
                met.add(end)
            item_of[title] = item_ids.get(end, "") or item_of[title]
    return item_of


def _pages(answer: Json) -> tuple[dict[str, str], dict[str, str]]:
    """Item id per page title, and the steps from titles to other titles."""
    query = answer.get("query")
    if not isinstance(query, dict):
        return {}, {}
    item_ids = {
        page["title"]: page.get("pageprops", {}).get("wikibase_item", "") for page in query.get("pages", [])
    }
    steps = (step for key in ("normalized", "redirects") for step in query.get(key, []))
    return item_ids, {step["from"]: step["to"] for step in steps}


def _entities(wikidata: WikiApi, ids: set[str]) -> dict[str, _Entity]:
    """Entities by the ids asked for; an id that was merged into another gives the other."""
    entities: dict[str, _Entity] = {}
    parameters = {
        "action": "wbgetentities",
        "props": "labels|claims",
        "languages": "en|mul",
        "redirects": "yes",
    }
    for answer in wikidata.ask(ids, parameters, "ids", lambda a: _named(a).keys()):
        named = _named(answer)
        entities |= {
            name: _entity(named[name]) for name in ids & named.keys() if "missing" not in named[name]
        }
    return entities


def _named(answer: Json) -> dict[str, RawEntity]:
    """Raw entities by every id that leads to them."""
    listed = answer.get("entities")
    named = {}
    for key, raw in listed.items() if isinstance(listed, dict) else ():
        for name in (key, raw.get("id", key), raw.get("redirects", {}).get("from", key)):
            named[name] = raw
    return named


def _entity(raw: RawEntity) -> _Entity:
    labels = raw.get("labels", {})
    label = next(
        (labels[language]["value"] for language in ("en", "mul") if language in labels), str(raw["id"])
    )
    claims = raw.get("claims", {})
    links = {name: _targets(claims.get(name, ())) for name in (_INSTANCE_OF, _SUBCLASS_OF, _MAIN_TOPIC)}
    return _Entity(str(raw["id"]), label, links)


def _targets(statements: Iterable[object]) -> tuple[str, ...]:
    """Ids that statements point to: preferred ones first, deprecated ones and blanks left out."""
    ranked: list[tuple[int, int, str]] = []
    for place, statement in enumerate(statements):
        if not isinstance(statement, dict) or statement.get("rank") == "deprecated":
            continue
        snak = statement.get("mainsnak", {})
        if snak.get("snaktype") == "value":
            ranked.append((statement.get("rank") != "preferred", place, snak["datavalue"]["value"]["id"]))
    return tuple(dict.fromkeys(target for *_, target in sorted(ranked)))


def _superclasses(wikidata: WikiApi, ids: set[str], depth: int) -> dict[str, _Entity]:
    """The classes and everything above them, level by level."""
    classes: dict[str, _Entity] = {}
    wanted = set(ids)
    for _ in range(depth + 1):
        new = _entities(wikidata, wanted - classes.keys())
        classes |= new
        wanted = {above for entity in new.values() for above in entity.links[_SUBCLASS_OF]} - classes.keys()
        if not wanted:
            break
    return classes


def _chain(start: str, classes: Mapping[str, _Entity], depth: int) -> tuple[str, ...]:
    """Labels above a class, nearest first; on one step by id number.

    A cycle is cut at the link that leads back: a class that was met already is not entered again.
    """
    met, step, labels = {start, classes[start].id}, [start], []
    for _ in range(depth):
        above = {i for item in step if item in classes for i in classes[item].links[_SUBCLASS_OF]}
        step = sorted(
            (i for i in above if i not in met and (i not in classes or classes[i].id not in met)), key=_number
        )
        met |= set(step) | {classes[i].id for i in step if i in classes}
        labels += [classes[i].label for i in step if i in classes]
    return tuple(dict.fromkeys(labels))


def _number(item: str) -> tuple[int, str]:
    digits = item[1:]
    return (int(digits) if digits.isdigit() else 0, item)


def _join(whole: dict[str, object], part: Mapping[str, object]) -> None:
    """Add the next part of a continued answer: maps are joined, lists appended, pages joined by title."""
    for key, value in part.items():
        held = whole.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            _join(held, value)
        elif isinstance(held, list) and isinstance(value, list):
            known = {
                entry.get("title"): entry for entry in held if isinstance(entry, dict) and "title" in entry
            }
            for entry in value:
                twin = known.get(entry.get("title")) if isinstance(entry, dict) and "title" in entry else None
                if twin is not None:
                    _join(twin, entry)
                elif entry not in held:
                    held.append(entry)
        else:
            whole[key] = value


def _stored(path: Path) -> tuple[list[str], Json] | None:
    """What was asked and answered, or None for a file that is not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["requested"], content["answer"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait; 0 where it does not."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
