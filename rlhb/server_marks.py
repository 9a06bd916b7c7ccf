"""Which words of an item set are wrong, asked of the session server: for a fit in the lab, where the item file is not at hand."""

from rlhb.connection import connected, granted
from rlhb.items import RIGHT, WRONG
from server.items import units_of

AT_ONCE = 1000


def marks_of_server(item_set: str, server: str | None = None, token: str | None = None) -> dict[tuple[str, int], str]:
    """Return `RIGHT` or `WRONG` for each (response_id, unit index) of an item set.

    Raises
    ------
    CommandError
        The server cannot be reached, refuses, or has no such set.
    """
    found: dict[tuple[str, int], str] = {}
    after: str | None = None
    with connected(server, token) as client:
        while True:
            parameters = {"item_set": item_set, "limit": str(AT_ONCE)} | ({"after": after} if after is not None else {})
            page = granted(client.get("/items", params=parameters)).json()
            for row in page["items"]:
                wrong = set(row["marks"].get("wrong", ()))
                found |= {(row["response_id"], k): WRONG if k in wrong else RIGHT for k in range(len(units_of(row["text"])))}
            if not page["has_more"]:
                return found
            after = str(page["next_cursor"])
