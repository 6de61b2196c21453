"""What a page of the tree explorer carries."""

import base64
import gzip
import json
import re


def data_of(page: str) -> dict[str, object]:
    """Its data by name; the trees are packed."""
    found = re.findall(r'<script type="application/json" id="([a-z]+)">(.*?)</script>', page)
    data = {name: json.loads(text) for name, text in found}
    return data | {"trees": json.loads(gzip.decompress(base64.b64decode(data["trees"])))}
