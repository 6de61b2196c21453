"""The dataset described in MLCommons Croissant 1.0 (JSON-LD), for catalogues and search engines."""

import json
from collections.abc import Sequence

from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.stats import ShardFile, Stats
from cairnhub.hierarchies.label_tree.tree import LabelTree

Json = dict[str, object]
_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "samplingRate": "cr:samplingRate",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant_json(card: Card, tree: LabelTree, stats: Stats) -> str:
    """The files of each split and table; one record set for each split, one for the tree's nodes."""
    description: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": card.description,
        "license": card.licence_url or card.licence,
        "version": "1.0.0",
        "distribution": [
            *map(_file_object, stats.files),
            *(_file_set(name, split.shards) for name, split in stats.splits.items()),
            *(_file_set(name, [table]) for name, table in stats.tables.items()),
        ],
        "recordSet": [
            *(_images(card, tree, stats, split) for split in stats.splits),
            _nodes(),
        ],
    }
    description |= {"url": card.homepage} if card.homepage else {}
    description |= {"citeAs": card.citation} if card.citation else {}
    return json.dumps(description, indent=1, ensure_ascii=False) + "\n"


def _file_object(file: ShardFile) -> Json:
    """One file, its size and its hash."""
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _file_set(name: str, files: Sequence[ShardFile]) -> Json:
    """All files of a split or a table together, as record sets read them."""
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "encodingFormat": "application/x-parquet",
        "includes": [file.path for file in files],
    }


def _images(card: Card, tree: LabelTree, stats: Stats, split: str) -> Json:
    source: Json = {"fileSet": {"@id": f"{split}-files"}}
    first = (
        _field(split, "image", "sc:ImageObject", source, {"transform": {"jsonPath": "bytes"}})
        if stats.with_images
        else _field(split, "path", "sc:Text", source)
    )
    levels = [
        _field(
            split, level, "sc:Integer", source, description=f"Label on level {level}: class_index in nodes."
        )
        for level in tree.levels
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "key": {"@id": f"{split}/image_id"},
        "field": [
            first,
            _field(split, "image_id", "sc:Text", source),
            *levels,
            *(_field(split, name, "sc:Text", source) for name in card.texts),
        ],
    }


def _nodes() -> Json:
    columns = {
        "node_id": "sc:Integer",
        "level": "sc:Text",
        "depth": "sc:Integer",
        "name": "sc:Text",
        "class_index": "sc:Integer",
        "parent_id": "sc:Integer",
    }
    source: Json = {"fileSet": {"@id": "nodes-files"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "nodes",
        "name": "nodes",
        "key": {"@id": "nodes/node_id"},
        "field": [_field("nodes", name, kind, source) for name, kind in columns.items()],
    }


def _field(
    record_set: str,
    column: str,
    kind: str,
    source: Json,
    more: Json | None = None,
    description: str | None = None,
) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column}",
        "name": column,
        **({"description": description} if description else {}),
        "dataType": kind,
        "source": {**source, "extract": {"column": column}, **(more or {})},
    }
