"""Real LSL outlets in another process, told over a pipe what to send: regular, jittered, with losses, NaN, gone and back.

As a program it reads one JSON command a line and answers each with one line. Importing this module keeps the LSL of this process and of
its children to itself: machine scope, a session id of its own. It must happen before liblsl is first used.
"""

import atexit
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path


def isolate_lsl() -> None:
    """Let this process and its children see no other LSL streams than their own."""
    if "LSLAPICFG" not in os.environ:
        config = Path(tempfile.mkdtemp(prefix="rlhb-lsl-")) / "lsl_api.cfg"
        config.write_text(
            f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = test-{uuid.uuid4().hex[:12]}\nKnownPeers = {{127.0.0.1}}\n[log]\nlevel = -3\n"
        )
        os.environ["LSLAPICFG"] = str(config)
        atexit.register(shutil.rmtree, config.parent, ignore_errors=True)


isolate_lsl()


class OutletProcess:
    """Outlets in another process.

    Sample i of a stream holds i modulo 65536 in its first channel, and in channel c > 0 the value c + 0.5.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, command: str, **fields: object) -> dict:
        """Send a command and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def open(self, key: str, **fields: object) -> dict:
        """Open an outlet; see `_Outlet` for the fields. Returns its LSL time of sample 0."""
        return self.tell("open", key=key, **fields)

    def close(self, key: str) -> None:
        """Close an outlet."""
        self.tell("close", key=key)

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class _Outlet:
    """One stream.

    The source id is the key unless another is given.

    ``jitter_ms``: stamps are late by an exponential with this mean, chunk by chunk; ``drift_ppm``: the sender's samples take longer;
    ``lost``: ``[[first, n], ...]`` samples never sent; ``nan``: the same for samples whose channel 1 is NaN; ``mute_after``: nothing is
    sent from this sample on; ``stamp_offset_s``: the sender stamps with another clock.
    """

    def __init__(self, *, key: str, name: str = "amp", type: str = "EEG", rate: float = 250, stated_rate: float | None = None, n: int = 8,  # noqa: A002
                 chunk: int = 8, labels: list[str] | None = None, unit: str | None = "microvolts", jitter_ms: float = 0, drift_ppm: float = 0,
                 lost: list | None = None, nan: list | None = None, mute_after: int | None = None, stamp_offset_s: float = 0,
                 seed: int = 0, text: bool = False, source_id: str | None = None) -> None:  # fmt: skip
        import numpy as np
        import pylsl

        self._np, self._pylsl = np, pylsl
        info = pylsl.StreamInfo(
            name, type, n, rate if stated_rate is None else stated_rate, "string" if text else "float32", key if source_id is None else source_id
        )
        channels = info.desc().append_child("channels")
        for k in range(n if labels or unit else 0):
            channel = channels.append_child("channel")
            if labels:
                channel.append_child_value("label", labels[k])
            if unit:
                channel.append_child_value("unit", unit)
        self._outlet = pylsl.StreamOutlet(info, 0, 30)
        self._rate, self._n, self._chunk, self._text = rate, n, chunk, text
        self._jitter_s, self._period_s = jitter_ms / 1e3, (1 + drift_ppm / 1e6) / rate
        self._lost, self._nan, self._mute_after, self._stamp_offset_s = lost or [], nan or [], mute_after, stamp_offset_s
        self._random = np.random.default_rng(seed)
        self.start_lsl_s = pylsl.local_clock()
        self._next = 0

    def close(self) -> None:
        """Take the stream off the network."""
        del self._outlet

    def due_s(self) -> float:
        """LSL time of the next push."""
        return self.start_lsl_s + (self._next + self._chunk) * self._period_s

    def push(self) -> None:
        """Send the next chunk."""
        np = self._np
        index = np.arange(self._next, self._next + self._chunk)
        self._next += self._chunk
        if self._text or (self._mute_after is not None and index[-1] >= self._mute_after):
            return
        keep = ~np.any([(index >= a) & (index < a + n) for a, n in self._lost], axis=0) if self._lost else np.ones(len(index), bool)
        samples = np.tile((np.arange(self._n) + 0.5).astype(np.float32), (len(index), 1))
        samples[:, 0] = index % 65536
        for a, n in self._nan:
            samples[(index >= a) & (index < a + n), 1] = math.nan
        stamps = self.start_lsl_s + index * self._period_s + self._random.exponential(self._jitter_s or 1e-12) + self._stamp_offset_s
        if keep.any():
            self._outlet.push_chunk(samples[keep], stamps[keep].tolist())


def _serve() -> None:
    import select

    import pylsl

    outlets: dict[str, _Outlet] = {}
    while True:
        now = pylsl.local_clock()
        wait_s = min([o.due_s() - now for o in outlets.values()], default=1.0)
        if select.select([sys.stdin], [], [], max(0.0, min(wait_s, 1.0)))[0]:
            line = sys.stdin.readline()
            if not line:
                return
            fields = json.loads(line)
            command, key = fields.pop("command"), fields["key"]
            if command == "open":
                outlets[key] = _Outlet(**fields)
                print(json.dumps({"start_lsl_s": outlets[key].start_lsl_s}), flush=True)
            else:
                outlets.pop(key).close()
                print("{}", flush=True)
        for outlet in outlets.values():
            while outlet.due_s() <= pylsl.local_clock():
                outlet.push()


if __name__ == "__main__":
    _serve()
