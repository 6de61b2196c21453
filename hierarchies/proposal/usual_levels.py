"""What levels above the labels are called where nobody names them."""


def usual_levels(depth: int) -> tuple[str, ...]:
    """`group`; `group`, `supergroup`; or `group_1`, `group_2`, ... for more, fine to coarse."""
    few = {1: ("group",), 2: ("group", "supergroup")}
    return few.get(depth, tuple(f"group_{i}" for i in range(1, depth + 1)))
