"""A label's whole way: simulated EEG, decoder, session server, client, reward model; it orders unseen items better than its control."""

import json

import numpy as np

from decoders.online import OnlineDecoder
from decoders.registry import Registry
from messaging.rewards import RewardBatch, WorkerHello
from recordings.log import read_log
from rlhb.commands.training import reward_model
from rlhb.demo import DemoSubject
from rlhb.demo_calibration import demo_decoder
from rlhb.simulation import SimulatedRun, simulate
from tests.reference.live_server import TOKEN, LiveServer

RIGHT = ("apple", "pear", "plum", "cherry", "melon", "raisin", "quince", "grape")
WRONG = ("hammer", "tractor", "wrench", "anvil", "glacier", "diesel")
N_ITEMS = 70


def write_items(path):
    """Lists of fruit; one of the two answers has three things among them that are none."""
    random, lines = np.random.default_rng(3), []
    for k in range(N_ITEMS):
        responses = []
        for name, n_wrong in (("a", 0), ("b", 3)):
            words = [str(w) for w in random.permutation([*random.choice(WRONG, n_wrong, replace=False), *random.choice(RIGHT, 7 - n_wrong, replace=False)])]
            wrong = [i for i, w in enumerate(words) if w in WRONG]
            responses.append({"response_id": f"fruit-{k}-{name}", "text": " ".join(words), "wrong": wrong, "surprisal_bits": [8.0] * 7})
        lines.append(json.dumps({"item_id": f"fruit-{k}", "category": "fruit", "prompt": "Name some fruit.", "responses": responses}))
    path.write_text("\n".join(lines))


def test_a_model_taught_by_a_simulated_session_beats_one_taught_with_shuffled_labels_on_unseen_items(tmp_path, capsys):
    items = tmp_path / "fruit.jsonl"
    write_items(items)
    decoder = demo_decoder(tmp_path, DemoSubject(), lambda _what, _done: None)
    path = simulate(SimulatedRun("token_rsvp", str(items), run_seed=2, decoder=decoder), tmp_path / "run.xdf")
    registry = Registry(tmp_path / "decoders")
    online = OnlineDecoder(lambda ref: registry.load(ref.name, ref.version))
    rewards = [reward for record in read_log(path) for reward in online.receive(record)]
    server = LiveServer(tmp_path / "server")
    try:
        hello = WorkerHello(worker_id="w", recording_id=rewards[0].recording_id, session_id=rewards[0].session_id)
        with server.peer("/ws/v1/rewards", hello) as worker:
            epoch = worker.expect("welcome")["epoch"] + 1
            for batch, start in enumerate(range(0, len(rewards), 200)):
                part = tuple(rewards[start : start + 200])
                worker.send(RewardBatch(batch=batch + 1, epoch=epoch, recording_id=rewards[0].recording_id, items=part))
                worker.expect("ack")
        reward_model(out=tmp_path / "model", marks=str(items), server=f"http://127.0.0.1:{server.port}", token=TOKEN, as_json=True)
    finally:
        server.stop()
    about = json.loads(capsys.readouterr().out)
    assert about["simulated"]
    assert about["labels"] > 800
    assert about["against"].endswith("responses to the same item")
    assert about["beats_control"], about
    assert about["held_out_pair_accuracy"] > 0.7
