"""The simulated subject of `rlhb up` knows what is wrong in every item set that comes with it."""

from pathlib import Path

from acquisition.simulated_subject import load_subject_key
from rlhb.commands.service import subject_keys
from rlhb.items import item_file, response_rows, shipped_item_sets


def test_the_simulated_subject_knows_every_shipped_item_set():
    options = subject_keys()
    key = load_subject_key([Path(p) for name, p in zip(options[::2], options[1::2], strict=True) if name == "--subject-key"])
    assert "arithmetic_steps" in shipped_item_sets()
    shown = {row["response_id"] for name in shipped_item_sets() for row in response_rows(item_file(name))}
    assert shown == set(key.responses)
