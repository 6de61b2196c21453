"""Named kinds of bad input: each ends in a `CairnError` that says what is wrong, where, and what to do next."""

import gzip
import json
import re
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.location import Location, open_dataset
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.settings.sources import GLDv2Source
from cairnhub.pipelines.sources.formats.dyml import DyML
from cairnhub.pipelines.sources.formats.gldv2.landmark_table import landmark_table
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2
from cairnhub.pipelines.sources.formats.sop import SOP
from cairnhub.pipelines.sources.formats.vehicleid import VehicleID
from cairnhub.training.models import load_model
from tests.fuzz import models, sources, targets
from tests.fuzz.inputs import tar_of, write, zip_of
from tests.hierarchies.toy import PROPOSAL
from tests.hostile.bad_files import (
    BIRDS,
    BOMB_YAML,
    CSV,
    DYML,
    GLDV2,
    HEAD,
    IMAGES,
    N_DEEP,
    PARAMS,
    PICKLE,
    PUBLISHED,
    RECIPE,
    SOP_FILES,
    SOP_ROOT,
    SPLITS,
    VEHICLES,
    Kind,
    at,
    backbone,
    bomb,
    card,
    counts,
    cub,
    damaged_zip,
    decisions,
    described,
    encrypted_zip,
    gldv2,
    inat,
    ladder,
    leaves,
    long_header,
    loose,
    lying_zip,
    manifest,
    md5,
    mined,
    model,
    no_state,
    not_finite,
    of,
    of_links,
    of_nodes,
    of_type,
    params,
    pax,
    picture,
    proposal,
    recipe,
    registry,
    resume,
    stats,
    strict_table,
    table,
    tar,
    tar_gz,
    tree,
    tree_text,
    wikimedia,
    zip_list,
    zip_read,
    zipped,
)

KINDS = (
    # registries, hash files, manifests
    registry("registry: empty", "", r"x\.tsv: empty; its first line must name"),
    registry("registry: a column is missing", "name\turl\tbytes\n", r"x\.tsv:1: no column 'hash'"),
    registry("registry: a column twice", HEAD[:-1] + "\tname\n", r"x\.tsv:1: no column 'name', or two"),
    registry("registry: absolute name", HEAD + "/etc/x\tu\t\t\n", r"x\.tsv:2: name '/etc/x' must be a plain rel"),
    registry("registry: name that climbs out", HEAD + "a/../../x\tu\t\t\n", r"x\.tsv:2: name .* plain relative"),
    registry("registry: name of a Windows path", HEAD + "a\\..\\x\tu\t\t\n", r"x\.tsv:2: name .* plain relative"),
    registry("registry: NUL in a name", HEAD + "a\0b\tu\t\t\n", r"x\.tsv:2: name 'a\\x00b' must be a plain"),
    registry("registry: a name twice", HEAD + "a\tu\t\t\na\tu\t\t\n", r"x\.tsv:3: 'a' is listed twice.* keep one"),
    registry("registry: names alike but for case", HEAD + "A.tar\tu\t\t\na.tar\tu\t\t\n", r":3: 'a\.tar' .*'A\.tar'"),
    registry("registry: names alike but for Unicode form", HEAD + "é\tu\t\t\ne\u0301\tu\t\t\n", r"x\.tsv:3: .*keep"),
    registry("registry: a file that is a folder too", HEAD + "a\tu\t\t\na/b\tu\t\t\n", r"'a/b' lies in a folder .*ren"),
    registry("registry: negative size", HEAD + "a\tu\t-1\t\n", r"x\.tsv:2: bytes '-1' is not a number of bytes; write"),
    registry("registry: size of 10**30", HEAD + f"a\tu\t{10**30}\t\n", r"x\.tsv:2: bytes '1000.* is not a number"),
    registry("registry: size of 1e999", HEAD + "a\tu\t1e999\t\n", r"x\.tsv:2: bytes '1e999' is not a number"),
    registry("registry: md5 of a wrong length", HEAD + "a\tu\t\tmd5:00\n", r"x\.tsv:2: 'md5:00' is not a hash; write"),
    registry("registry: unknown hash", HEAD + "a\tu\t\tcrc:00\n", r"x\.tsv:2: 'crc:00' is not a hash; write md5:"),
    registry("registry: a line is cut", HEAD + "a\tu", r"x\.tsv:2: 2 cells where the header has 4; add"),
    registry("registry: Latin-1", (HEAD + "é\tu\t\t\n").encode("latin-1"), r"x\.tsv:2: not UTF-8 .*; save it as UTF"),
    registry("registry: UTF-16", HEAD.encode("utf-16"), r"x\.tsv:1: not UTF-8 text .*; save it as UTF-8"),
    md5("hash file: md5 of a wrong length", "0" * 31 + "  images_000.tar\n", r"000\.txt: expected the MD5 .*; delete"),
    md5("hash file: an HTML page", "<html>Not found</html>", r"expected the MD5 of train/images_000\.tar, .*fetch again"),
    manifest("manifest: cut", '{"dataset": "x", "files": [', r"manifest\.json: not JSON .*run the fetch stage again"),
    manifest("manifest: another shape", '{"files": 3}', r"manifest\.json: files: .*run the fetch stage again"),
    loose("loose images: a cut table", "name\tbytes\tsha256\nphotos/oak/a.jpg\t90", r"images\.tsv: not a table of name, .*or run the fetch stage"),
    loose("loose images: no number", "name\tbytes\tsha256\na.jpg\tmany\t0\n", r"images\.tsv: not a table of name, .*or run the fetch stage"),
    loose("loose images: of others", "name\tbytes\tsha256\na.jpg\t1\t0\n", r"images\.tsv: not of .*manifest\.json, as its \. tells; bring it back"),
    mined("mined types: another shape", '{"types": [], "chains": {}}', r"mined\.json: types: .*delete it and run the fetch stage again"),
    # JSON, by the tree
    tree("JSON: empty file", "", r"tree\.json: not JSON .*is it cut\? Mend or remove it"),
    tree("JSON: NaN", leaves("a").replace('"root"', "NaN"), r"tree\.json: NaN is not a number of JSON; mend"),
    tree("JSON: 1e999", leaves("a").replace('"root"', "1e999"), r"tree\.json: 1e999 is too large a number; mend"),
    tree("JSON: 5,000 digits", leaves("a").replace('"root"', "9" * 5000), r"tree\.json: 9{20}\.\.\. is too large"),
    tree("JSON: nested 100,000 deep", "[" * N_DEEP + "]" * N_DEEP, r"tree\.json: nested too deeply .*file of Cairn\?"),
    tree("JSON: a key twice", '{"format": 1, "format": 2}', r"tree\.json: key 'format' occurs twice; mend"),
    tree("JSON: half a surrogate pair", leaves("a").replace('"a"', r'"\ud800"'), r"half of a surrogate pair.*mend it"),
    tree("JSON: UTF-16", leaves("a").encode("utf-16"), r"tree\.json:1: not UTF-8 .*; save it as UTF-8"),
    tree("JSON: a pickle", PICKLE, r"tree\.json:1: not UTF-8 text .*; save it as UTF-8"),
    # trees
    tree("tree: another file", "[]", r"tree\.json: not a label tree .*; give a tree\.json"),
    tree("tree: unknown level", tree_text(("x", "a", "b")), r"'a' is on level 'x'; the levels are 'fine'.* correct"),
    tree("tree: a label without its parent", tree_text(("fine", "a", "c")), r"lacks the parent\(s\) 'c'; add them"),
    tree("tree: two parents", tree_text(("coarse", "c", "root"), ("coarse", "d", "root"), ("fine", "a", "c"),
         ("fine", "a", "d")), r"tree\.json: level 'fine': 1 label\(s\) with two parents: 'a' .*keep one"),
    tree("tree: a label is a number", leaves("a").replace('"a"', "7"), r"nodes\.1\.name: .*valid string; mend it"),
    tree("tree: -1 images", tree_text(("coarse", "c", "root"), n_images=-1), r"nodes\.0\.n_images: .*greater than or"),
    tree("tree: confidence of 7", tree_text(("coarse", "c", "root"), confidence=7), r"nodes\.0\.confidence: .*less"),
    tree("label: empty", leaves(" "), r"level 'fine' has an empty label; give each row a label"),
    tree("label: nothing visible", leaves("\u200b\u00ad"), r"level 'fine' has an empty label; give each row"),
    tree("label: NUL", leaves("a\0b").replace("\0", r"\u0000"), r"level 'fine': .*control characters.*remove them"),
    tree("label: direction override", leaves("a\u202egpj.exe"), r"level 'fine': .*control characters.*'a\\u202egpj"),
    tree("label: escape sequence", leaves("a\x1b[2J"), r"level 'fine': .*control characters.*'a\\x1b\[2J'; remove"),
    tree("label: wrongly decoded", leaves("Caf\ufffd"), r"level 'fine': .*wrongly decoded ones in 'Caf.'; remove"),
    tree("label: two Unicode forms", leaves("Caf\u00e9", "Cafe\u0301"), r"differ only in case, spaces or Unicode form"),
    tree("label: full-width twin", leaves("castle", "ｃａｓｔｌｅ"), r"'castle' and 'ｃａｓｔｌｅ' differ only .*; spell"),
    tree("label: zero-width twin", leaves("castle", "cas\u200btle"), r"differ only in .*; spell them alike"),
    tree("label: a whole book", leaves("x" * 10**6), r"has 1,000,000 characters.*is a whole text in the label"),
    of_links("tree: a cycle", [("a", "b"), ("b", "a")], r"a cycle: 'a' -> 'b' -> 'a'; cut one of these links"),
    of_links("tree: two parents by links", [("a", "b"), ("a", "c")], r"'a' has two parents, 'b' and 'c'; keep one"),
    of_links("tree: a leaf too high", [("a", "root"), ("b", "c"), ("c", "root")], r"every leaf must be at full depth"),
    of_nodes("nodes: an id twice", [(0, "root", 0, "root", None)] * 2, r"repeats a node_id; each node needs its own"),
    of_nodes("nodes: ids are words", [("a", "root", 0, "root", None)], r"column 'node_id' must hold a whole number .*mend"),
    of_nodes("nodes: a depth of 0.5", [(0, "root", 0.5, "root", None)], r"column 'depth' must hold a whole number"),
    of_nodes("nodes: no name", [(0, "root", 0, None, None)], r"a row without level or name; give it one"),
    of_nodes("nodes: a parent in words", [(0, "r", 0, "r", None), (1, "x", 1, "a", "r")], r"'a' is not on the level above"),
    of_nodes("nodes: two roots", [(0, "r", 0, "r", None), (1, "r", 0, "r", None)], r"exactly one row of depth 0"),
    of_nodes("nodes: a parent beside", [(0, "r", 0, "r", None), (1, "x", 1, "a", 1)], r"'a' is not on the level above"),
    # decisions and proposals
    decisions("decision: cut line", '\n{"act": "mo', r"x\.jsonl:2: not JSON .*is it cut\? Mend or remove it"),
    decisions("decision: members as one text", '{"act": "split", "level": "category", "label": "a", "to": "b", '
              '"members": "abc"}', r"x\.jsonl:1: members: Input should be a valid tuple; mend it"),
    decisions("decision: unknown key", '{"act": "undo", "of": "x", "off": "y"}', r"x\.jsonl:1: off: no key of this Cairn: misspelt"),
    decisions("decision: unknown act", '{"act": "burn"}', r"x\.jsonl:1: act: Input should be 'rename', .*mend it"),
    decisions("decision: half a surrogate pair", r'{"act": "undo", "of": "\udc80"}', r"x\.jsonl:1: .*surrogate.*mend"),
    decisions("decision: line break in a name", r'{"act": "rename", "level": "category", "label": "a", "to": "b\nc"}',
              r"x\.jsonl:1: level 'category': line breaks.* in 'b\\nc'; remove them"),
    decisions("decision: deep nesting", '{"act": ' + "[" * N_DEEP, r"x\.jsonl:1: nested too deeply"),
    decisions("decision: Latin-1", '{"act": "undo"}\n"é"'.encode("latin-1"), r"x\.jsonl:2: not UTF-8 .*save it as"),
    proposal("proposal: another file", "[]", r"proposal\.json: not a proposal of schema 2; run the cluster stage"),
    proposal("proposal: unknown category", PROPOSAL.to_json().replace('"name": "lake"', '"name": "pond"'),
             r"proposal\.json: no group or type is called 'lake'; run the cluster stage again"),
    proposal("proposal: confidence in words", PROPOSAL.to_json().replace("0.97", '"high"', 1), r"confidence: .*number"),
    # cards and their numbers
    card("card: no head", "# Toy\n", r"README\.md: no YAML head between `---` lines; is the file whole\?"),
    card("card: of another hub", "---\nlicense: mit\n---\n", r"has no key `cairn`: give a dataset that Cairn published"),
    card("card: a Python object", targets.CARD.replace("Toy", "!!python/object/apply:os.system ['id']", 1),
         r"README\.md:6: not valid YAML: could not determine a constructor .*python/object/apply:os\.system"),
    card("card: billion laughs", f"---\n{BOMB_YAML}---\n", r"README\.md:\d+: not valid YAML: its aliases make more than"),
    card("card: an alias inside itself", "---\na: &a [*a]\n---\n", r"README\.md:2: .*alias stands inside what it names"),
    card("card: a key twice", targets.CARD.replace("configs: []", "license: gpl"), r"key 'license' occurs twice; mend"),
    card("card: escape sequences", targets.CARD.replace("title: Toy", r'title: "\e[2J"'), r"title: control char.*remove"),
    card("card: a script as home page", targets.CARD.replace("title:", 'homepage: "javascript:x()"\n  title:'),
         r"README\.md: the card is not valid: homepage: .*match pattern"),
    card("card: a version that climbs out", targets.CARD.replace("license:", "cairn_version: ../../x\nlicense:"),
         r"'\.\./\.\./x' is no name: use letters, digits"),
    card("card: Latin-1", targets.CARD.replace("Drawn", "Drawn é").encode("latin-1"), r"README\.md:7: not UTF-8 text"),
    stats("stats: a path that climbs out", json.dumps(targets.STATS).replace("data/x", "../../x"),
          r"'\.\./\.\./x-.*' leads out of the dataset; do not trust this dataset"),
    stats("stats: an absolute path", json.dumps(targets.STATS).replace("data/x", "/etc/x"), r"'/etc/x-.*' leads out of"),
    stats("stats: -1 images", json.dumps(targets.STATS).replace('"n_images": 1', '"n_images": -1'),
          r"stats\.json: splits\.train\.n_images: Input should be greater than or equal to 0; mend it"),
    stats("stats: of a newer Cairn", '{"schema": 5}', r"stats\.json: schema 5, this Cairn reads up to 4: upgrade Cairn"),
    tree("tree: millions of nodes", "[" + "{}," * 2_000_000 + "{}]", r"2,000,001 nodes; a label tree has at most 2,000,000: l"),
    tree("tree: 10,000 levels", ladder(10_000), r"10,000 levels; a label tree has at most 100: leave some out"),
    stats("stats: no schema", '{"fingerprint": "0"}', r"stats\.json: no schema: these are not the numbers of a dataset"),
    stats("stats: an old schema with nothing in it", '{"schema": 1}', r"stats\.json: fingerprint: Field required"),
    # parameters and recipes
    params("params: empty", "", r"params\.yaml: Input should be a valid dictionary"),
    params("params: a misspelt key", PARAMS.replace("shard_size_mb", "shard_size", 1), r"did you mean 'shard_size_mb'"),
    params("params: a key twice", PARAMS + "\nscales: [full]\n", r"params\.yaml:\d+: .*key 'scales' occurs twice; mend"),
    params("params: a Python object", "scales: !!python/name:os.system\n", r"params\.yaml:1: not valid YAML: could not"),
    params("params: billion laughs", BOMB_YAML, r"params\.yaml:\d+: not valid YAML: its aliases make more than 1,000,000"),
    params("params: deep nesting", "[" * N_DEEP, r"params\.yaml: not valid YAML: nested too deeply"),
    params("params: a day that is none", "scales: 2026-99-99\n", r"params\.yaml: not valid YAML: month .*quote values"),
    params("params: Latin-1", PARAMS.encode().replace("ä".encode(), "ä".encode("latin-1")) + b"\xe9", r"yaml:\d+: not UTF"),
    params("params: 10**30 workers", PARAMS.replace("n_workers: 2}", f"n_workers: {10**30}}}", 1), r"n_workers: .*less"),
    params("params: an address without Ray", PARAMS.replace("{kind: local, n_workers: 8}", "{address: auto}", 1),
           r"executor\.full: .*address is for kind: ray"),
    params("params: storage without a cluster", PARAMS.replace("{kind: local, n_workers: 8}", "{storage: /x}", 1),
           r"executor\.full: .*storage is for a cluster: give its address"),
    params("params: storage by a relative path",
           PARAMS.replace("{kind: local, n_workers: 8}", "{kind: ray, address: auto, storage: x}", 1), r"full\.storage: "),
    params("params: endless patience", PARAMS.replace("timeout_s: 30", "timeout_s: .inf", 1), r"timeout_s: .*finite"),
    params("params: a dataset named as a path", PARAMS.replace("  cub: {", "  ../../cub: {"), r"sources\.\.\./\.\./cub"),
    params("params: labels outside the mirror", PARAMS.replace("labels: labels.csv", "labels: ../../x", 1),
           r"labels: '\.\./\.\./x' leads out of the mirror; write a path below it"),
    params("params: images outside the mirror", PARAMS.replace("images: [images]", "images: [/etc]", 1), r"'/etc' leads"),
    params("params: a level twice", PARAMS.replace("[fine, middle, coarse]", "[fine, fine]", 1), r"names must differ"),
    params("params: a level named split", PARAMS.replace("[fine, middle, coarse]", "[split]", 1), r"and none be one of"),
    recipe("recipe: no keys", "3", r"mine\.yaml: holds no keys; see training/recipes/small\.yaml"),
    recipe("recipe: a Python object", "a: !!python/object:x.Y {}", r"mine\.yaml:1: not valid YAML: could not determine"),
    recipe("recipe: extends a file elsewhere", "extends: ../../x", r"mine\.yaml: extends: there is no"),
    recipe("recipe: NaN", RECIPE.replace("n_epochs:", "precision: .nan\nn_epochs:"), r"mine\.yaml: precision: .*mend it"),
    recipe("recipe: learning rate .inf", re.sub(r"learning_rate: [^,}\n]+", "learning_rate: .inf", RECIPE, count=1),
           r"mine\.yaml: optimizer\.backbone\.learning_rate: Input should be a finite number; mend it"),
    counts("counts: another shape", "full: {train: 3}", r"gldv2\.counts\.yaml: not scale -> split -> counts"),
    # annotations
    table("table: empty", "", r"labels\.csv: empty; its first line must name the columns 'path', 'fine'"),
    table("table: a column is missing", "path,fine,split\n", r"labels\.csv: no column 'coarse'; its columns are 'path'"),
    table("table: a column twice", "path,fine,coarse,split,fine\na,b,c,d,e\n", r"two columns are called 'fine'; rename"),
    table("table: more cells than columns", CSV + "a/1.jpg,a,b,train,x\n", r"labels\.csv:2: cells: 5, where the header has 4"),
    table("table: one long line more", CSV + "a/1.jpg,a,b,train\n1,2,3,4,5\n", r"labels\.csv:3: cells: 5, where the header"),
    table("table: a quote without end", CSV + '"a/1.jpg,a,b,train\n', r"labels\.csv:2: a quote at the begin.* not closed"),
    table("table: UTF-16", CSV.encode("utf-16"), r"labels\.csv: not a readable CSV: .*utf-8.*save it as a CSV in UTF-8"),
    table("table: NUL in every name", CSV + "a/1\0.jpg,a,b,train\n", r"none of its 1 paths is in images\.tar"),
    table("table: no split", CSV + "a/1.jpg,a,b,\n", r"labels\.csv:2: column 'split' is empty; every image needs a split"),
    strict_table("table: two parents", CSV + "a/1.jpg,x,b,train\na/2.jpg,x,c,train\n",
                 r"labels\.csv: 1 label\(s\) with two parents: fine 'x' under 'b' \(line 2\), 'c' \(line 3\); keep one"),
    table("table: twins", CSV + "a/1.jpg,x,b,train\na/2.jpg,X,b,train\n", r"'x' and 'X' differ only .* set `twins` to `keep`"),
    gldv2("GLDv2: a landmark of two types", "metadata/train_label_to_hierarchical.csv", "landmark_id,supercategory\n"
          "1,a\n1,b\n", r"train_label_to_hierarchical\.csv: landmark 1 has two supercategories"),
    gldv2("GLDv2: an image credited twice", "metadata/train_attribution.csv", "id,author,license,title\n0,a,b,c\n0,a,b,c\n",
          r"train_attribution\.csv:3: id '0' is listed twice; fetch it again"),
    gldv2("GLDv2: a landmark named twice", "metadata/index_label_to_category.csv", "landmark_id,category\n1,a\n1,b\n",
          r"index_label_to_category\.csv:3: landmark_id '1' is listed twice; fetch"),
    inat("iNat: a list for a map", "train2018.json", [], r"train2018\.json.*: Input should be a valid dictionary"),
    inat("iNat: nested labels", "categories.json", [{"id": 1, "name": ["x"]}], r"categories\.json: 0\.name\..*: .*valid"),
    inat("iNat: a category twice", "categories.json", BIRDS * 2, r"categories\.json.*: category '0' is listed twice; fetch"),
    inat("iNat: deep nesting", "categories.json", b"[" * N_DEEP, r"categories\.json: nested too deeply"),
    inat("iNat: a path of two parts", next(iter(SPLITS)), "../../etc/passwd/x/y", r"'\.\./\.\./etc.* is not train_val2018/"),
    zipped("SOP: a short line", f"{SOP_ROOT}.zip", SOP().list_images,
           {**SOP_FILES, f"{SOP_ROOT}/Ebay_train.txt": b"image_id class_id super_class_id path\n1 1\n"},
           r"Ebay_train\.txt: '1 1' has 2 fields, not 4"),
    zipped("SOP: a list of nothing", f"{SOP_ROOT}.zip", SOP().list_images,
           {**SOP_FILES, f"{SOP_ROOT}/Ebay_test.txt": b"image_id class_id super_class_id path\n"}, r"Ebay_test\.txt: lists no"),
    zipped("VehicleID: a list of nothing", "VehicleID_V1.0.zip", VehicleID().list_images, dict.fromkeys(VEHICLES, b"\n"),
           r"train_list\.txt: lists no image; fetch it again"),
    zipped("DyML: a list of nothing", "dyml_product.zip", DyML("dyml_product").list_images,
           {**DYML, "train/label.csv": b"fname,coarse_id,middle_id,fine_id\n"}, r"train/label\.csv: lists no image; fetch"),
    cub("CUB: a list of nothing", "images.txt", b"", r"images\.txt: empty; fetch it again"),
    inat("iNat: a list of nothing", list(SPLITS)[1], "", r"test_set1\.txt: lists no image; fetch it again"),
    Kind("GLDv2: tars of nothing", GLDv2(GLDv2Source(format="gldv2"), executor=sources.Quiet()).list_images,
         {**GLDV2, **{path: tar_of({}) for path in GLDV2 if path.endswith("tar")}}, r"its 3 tars hold no image; run the"),
    zipped("SOP: a column twice", f"{SOP_ROOT}.zip", SOP().list_images,
           {**SOP_FILES, f"{SOP_ROOT}/Ebay_train.txt": b"path path\n1 1\n"}, r"two columns are called 'path'; rename or"),
    zipped("VehicleID: a short line", "VehicleID_V1.0.zip", VehicleID().list_images,
           {**VEHICLES, "VehicleID_V1.0/train_test_split/train_list.txt": b"1\n"}, r"'1' is not an image and a vehicle"),
    zipped("VehicleID: no list", "VehicleID_V1.0.zip", VehicleID().list_images, {"x": b""}, r"holds no .*Fetch it again"),
    zipped("DyML: another header", "dyml_product.zip", DyML("dyml_product").list_images,
           {**DYML, "train/label.csv": b"<html>\n"}, r"label\.csv: its first line is .*, not a header of DyML"),
    zipped("DyML: a short line", "dyml_product.zip", DyML("dyml_product").list_images,
           {**DYML, "train/label.csv": DYML["train/label.csv"] + b"2.jpg\n"}, r"label\.csv:3: '2\.jpg' has 1 fields, not 4"),
    cub("CUB: a number twice", "images.txt", b"1 a/b.jpg\n1 a/c.jpg\n", r"images\.txt: number 1 occurs twice"),
    cub("CUB: no table of classes", "classes.txt", None, r"CUB_200_2011\.tgz: holds no .*classes\.txt; is it the right archive"),
    # archives
    tar("tar: cut", tar_of({"a.jpg": b"x" * 2000})[:1500], r"x\.tar: damaged tar \(.*\), as it was fetched: put a whole copy"),
    tar("tar: an HTML page", b"<html>" * 200, r"x\.tar: is a web page, .*, not a tar: where it comes from, put a \.tar"),
    tar("tar: a damaged header", tar_of({"a": b"x", "b": b"x"}).replace(b"b\0\0\0", b"c\0\0\0", 1), r"damaged header.*copy"),
    tar("tar: a name of 8 GiB", long_header(), r"x\.tar: damaged tar \(a header of 8,589,934,591 bytes\), as"),
    tar("tar: a negative size", pax(size="-1024"), r"x\.tar: damaged tar \(.*negative size\), as it was"),
    tar("tar: a size of 10**30", pax(size=str(10**30)), r"x\.tar: damaged tar .*, as it was fetched: put a whole copy"),
    tar_gz("tar.gz: cut", gzip.compress(tar_of({"a": b"x" * 9000}))[:-20], r"damaged gzipped tar .*last whole member.*put"),
    tar_gz("tar.gz: no gzip", tar_of({"a": b"x"}), r"x\.tar\.gz: is a tar, not a gzipped tar: .*end in \.tar, there"),
    tar_gz("tar.gz: a wrong checksum", gzip.compress(tar_of({"a": b"x"}))[:-8] + b"\0" * 8, r"CRC check failed.*whole"),
    zip_list("zip: cut", zip_of({"a.txt": b"x"})[:-10], r"x\.zip: damaged zip \(.*\), as it was fetched: put a whole copy"),
    zip_read("zip: damaged member", damaged_zip(), r"x\.zip: a\.txt cannot be read \(.*\): fetch it again"),
    zip_read("zip: encrypted member", encrypted_zip(), r"x\.zip: a\.txt cannot be read .*encrypted.*fetch it again"),
    zip_read("zip: a table of 4 GB", lying_zip(), r"x\.zip: a\.txt cannot be read \(larger than .*\): fetch it again"),
    zip_read("zip: no such member", zip_of({"b.txt": b"x"}), r"x\.zip: holds no a\.txt; is it the right archive\? Fetch"),
    *(Kind(f"index: {name}", at(*place), {"x.tar": IMAGES}, r"x\.tar: a\.jpg has 0 bytes, not .* run the stages fetch and")
      for name, place in {"negative offset": (-5, 10), "offset beyond the archive": (10**12, 10),
                          "negative size": (0, -1), "absurd size": (0, 2**50)}.items()),
    # models, checkpoints, vectors, pictures
    model("model: a pickle as weights", "model.safetensors", lambda _: PICKLE, r"do not fit together.*get the whole"),
    model("model: cut weights", "model.safetensors", lambda content: content[:200], r"do not fit together.*get the whole"),
    model("model: a header of 2**63 bytes", "model.safetensors", lambda content: b"\xff" * 7 + b"\x7f" + content[8:],
          r"do not fit together.*get the whole folder again"),
    model("model: a width that fills the memory", "model.json", described(width=10**6), r"has shape .*, not \[1000000"),
    model("model: 10**12 dimensions", "model.json", described(embedding_dim=10**12), r"do not fit together.*get the who"),
    Kind("model: NaN weights", load_model, not_finite(models.transformer_files()),
         r"head\.1\.bias holds NaN or infinity; get the whole folder again, or train again"),
    *(of_type(name) for name in ("float8_e4m3fn", "float8_e5m2", "int8", "int64", "bool", "complex64")),
    backbone("no layers", {"num_hidden_layers": 0}, r"config\.json: num_hidden_layers: a network has at least 1 layer"),
    backbone("-1 layers", {"num_hidden_layers": -1}, r"config\.json: num_hidden_layers: a network has at least 1 layer"),
    backbone("no heads", {"num_attention_heads": 0}, r"fit.* together|fits no network"),
    backbone("half a head", {"num_attention_heads": 0.5}, r"fit.* together|fits no network"),
    backbone("a text for a number", {"hidden_size": "float0"}, r"fit.* together|fits no network"),
    backbone("10**30 layers", {"num_hidden_layers": 10**30}, r"config\.json"),
    backbone("65,536 layers", {"num_hidden_layers": 65_536}, r"65,536 layers, but \d+ tensors"),
    backbone("a width that fills the memory", {"hidden_size": 65_536}, r"has shape .*, not"),
    backbone("an image of 10**9 pixels", {"image_size": 10**9}, r"image_size: no value that a network may have"),
    backbone("a nested configuration", {"patch_size": {"auto_map": "x"}}, r"patch_size: no value that a network may have"),
    backbone("of text", {"model_type": "bert"}, r"'bert' is no family of image networks"),
    backbone("of another library", {"model_type": "timm_wrapper"}, r"'timm_wrapper' is no family of image networks"),
    model("model: unknown backbone", "model.json", described(backbone="os.system"), r"model\.json: network\.backbone: .*mend"),
    model("model: cut description", "model.json", lambda content: content[:50], r"model\.json:\d+: not JSON .*cut\?"),
    of(resume, "step_000000001.safetensors")("checkpoint: no state", no_state(), r"000001\.safetensors: not a whole che"),
    of(lambda folder: Embeddings.load(folder / "x.parquet"), "x.parquet")("vectors: a pickle", PICKLE,
        r"x\.parquet: no embeddings .*; run the embed stage again"),
    picture("picture: an HTML page", "<html>", r"picture: holds no image that can be read: .*; give another picture"),
    picture("picture: PostScript", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", r"holds no image that can be read"),
    picture("picture: a PNG of 100,000 x 100,000", bomb("PNG"), r"could be decompression bomb.*; give another picture"),
    # answers of servers
    wikimedia("Wikimedia: pages are numbers", {"query": {"pages": [1]}}, r"has not the shape of the API .*delete .*run ag"),
    wikimedia("Wikimedia: a page without a title", {"query": {"pages": [{}]}}, r"has not the shape of the API"),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_is_refused_by_name(kind: Kind, tmp_path: Path, capsys) -> None:
    write(tmp_path, kind.files)
    with pytest.raises(CairnError) as caught:
        kind.parse(tmp_path)
    message = str(caught.value)
    assert re.search(kind.said, message, re.DOTALL), message
    assert len(message) < 3000 + len(str(tmp_path)) * 10
    assert all(character.isprintable() or character in "\n\t" for character in message)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == set(kind.files)  # nothing written


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 60


def test_the_untouched_files_are_taken(tmp_path: Path) -> None:
    """The kinds fail by what is wrong with them, not by their neighbours."""
    write(tmp_path, {**GLDV2, **PUBLISHED, "x.tar": IMAGES, "params.yaml": PARAMS.encode()})
    assert len(GLDv2(GLDv2Source(format="gldv2"), executor=sources.Quiet()).list_images(tmp_path).images) == 3
    assert len(landmark_table(tmp_path / "metadata", {})) == 2
    assert open_dataset(Location(str(tmp_path))).stats.n_images == 1
    assert load_params(tmp_path / "params.yaml").scales
    assert inat("", "categories.json", BIRDS, "").files
    for kind in (inat("", "categories.json", BIRDS, ""), cub("", "classes.txt", b"1 001.Tern\n", "")):
        write(tmp_path, kind.files)
        assert len(kind.parse(tmp_path).quarantine) + len(kind.parse(tmp_path).images) >= 1  # type: ignore[attr-defined]
