"""Which undertakings each kind of fault tries, and how often."""

N_KILLS = {
    "fetch": 40,
    "index": 30,
    "cluster": 20,
    "decide": 45,
    "review": 40,
    "publish": 40,
    "train": 20,
    "evaluate": 15,
}
N_KILLS |= {"upload to a folder": 35, "upload to S3": 15, "upload to a hub": 15}
WITH_TIMES = ("index", "publish", "train")
# The short form: which undertakings each kind tries.
SHORT = {
    "kills": ("fetch", "decide", "review", "publish", "upload to a folder"),
    "full_disk": ("index", "publish"),
    "read_only": ("publish",),
    "no_permission": ("review",),
    "clocks": ("index",),
    "stopped": ("publish",),
    "together": ("fetch",),
    "interrupted": ("decide",),
    "no_room_at_a_rename": ("review",),
    "image_layer": ("review",),
}
PRESSURE = {
    "stopped": ("fetch", "index", "review", "publish", "upload to a folder", "train"),
    "together": ("fetch", "index", "publish", "upload to a folder"),
    "interrupted": ("fetch", "index", "decide", "review", "publish", "upload to a folder", "train"),
    "no_room_at_a_rename": (
        "fetch",
        "index",
        "cluster",
        "decide",
        "review",
        "publish",
        "upload to a folder",
        "train",
    ),
    "few_files": ("fetch", "index", "publish", "upload to a folder"),
    "small_files": ("fetch", "index", "publish", "upload to a folder"),
    "little_memory": ("index", "publish"),
    "clock_backwards": ("fetch", "index", "publish", "train"),
    "image_layer": ("index", "cluster", "review", "publish", "upload to a folder"),
}
"""Kinds of `Pressure`, and what each tries in the long form."""
LOCAL = (
    "kills",
    "full_disk",
    "read_only",
    "no_permission",
    "lying_mirror",
    "clocks",
    "reviewers",
    "dead_worker",
    "dead_ray_worker",
)
KINDS = {
    True: (*LOCAL, *(kind for kind in PRESSURE if kind in SHORT)),
    False: (
        *LOCAL,
        *PRESSURE,
        "stopped_app",
        "store_elsewhere",
        "remote_kills",
        "failing_s3",
        "failing_hub",
        "repro",
    ),
}  # by whether it is the short form
