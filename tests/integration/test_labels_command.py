"""`rlhb labels` against a running server: rows into files, snapshots with a line that loads them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from rlhb.commands.labels import load_line, pull, snapshot
from rlhb.errors import CommandError
from tests.integration.test_server_snapshots import read_response
from tests.reference.live_server import TOKEN, LiveServer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = LiveServer(tmp_path_factory.mktemp("server"))
    for k in range(3):
        read_response(server, f"i{k}", f"r{k}", "one 語 😀", [0.1, 0.2, 0.3])
    yield server
    server.stop()


def asked(live: LiveServer) -> dict[str, Any]:
    return {"server": f"http://127.0.0.1:{live.port}", "token": TOKEN}


def test_rows_come_into_a_file_of_each_format_and_the_next_pull_goes_on(live: LiveServer, tmp_path: Path, capsys: Any) -> None:
    there = live.get("/labels", limit=5000)["items"]
    pull(out=tmp_path / "a.ndjson", **asked(live))
    assert [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()] == there
    assert "--after 9" in capsys.readouterr().err
    pull(out=tmp_path / "a.ndjson", after="9", **asked(live))
    assert len((tmp_path / "a.ndjson").read_text().splitlines()) == 9
    pull(out=tmp_path / "a.parquet", form="parquet", **asked(live))
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("label_id").to_pylist() == [row["label_id"] for row in there]
    pull(out=tmp_path / "b.ndjson", session=there[0]["session_id"], **asked(live))
    assert len((tmp_path / "b.ndjson").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"form": "parquet"}, "give --out"),
        ({"signal": "nonsense"}, "signal"),
        ({"after": "no cursor"}, "cursor"),
        ({"token": "wrong"}, "token is not known"),
        ({"server": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_cannot_be_pulled_is_one_sentence(live: LiveServer, wish: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        pull(**(asked(live) | wish))


def test_a_file_that_is_there_is_not_written_over(live: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "mine.ndjson").write_text("precious")
    with pytest.raises(CommandError, match="there already"):
        pull(out=tmp_path / "mine.ndjson", **asked(live))
    assert (tmp_path / "mine.ndjson").read_text() == "precious"


def test_a_snapshot_is_printed_with_a_line_that_loads_it(live: LiveServer, tmp_path: Path, capsys: Any) -> None:
    snapshot(["token-rewards"], as_json=True, **asked(live))
    made = json.loads(capsys.readouterr().out)
    snapshot(["token-rewards"], **asked(live))
    told = capsys.readouterr().out.splitlines()
    line = load_line(f"http://127.0.0.1:{live.port}/api/v1/snapshots/{made['snapshot_id']}", made["files"])
    assert told[-1] == line
    arguments = line.removeprefix("datasets.load_dataset").replace('f"Bearer {TOKEN}"', repr(f"Bearer {TOKEN}"))
    loaded = eval(f"load({arguments[1:-1]}, cache_dir={str(tmp_path)!r})", {"load": load_dataset})
    assert sum(split.num_rows for split in loaded.values()) == sum(f["rows"] for f in made["files"] if f["path"].endswith("parquet"))


def test_a_format_that_is_none_is_refused(live: LiveServer) -> None:
    with pytest.raises(CommandError, match="formats"):
        snapshot(["csv"], **asked(live))


def test_splits_without_rows_are_left_out_of_the_line() -> None:
    files = [{"path": f"verl/{split}-0.parquet", "format": "verl", "split": split, "rows": n} for split, n in (("train", 3), ("test", 0))]
    assert "test" not in load_line("http://h", files)
    assert load_line("http://h", files[1:]) == "The snapshot has no rows yet."
