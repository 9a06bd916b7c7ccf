"""What a benchmark hands back: figures beside the peer's, the aim, and how busy the machine was meanwhile."""

import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Literal

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    ours: float
    unit: str
    peer: str = ""
    """Whose the other number is."""
    peers: float | None = None
    aim: float | None = None
    """What `ours` (or, for ``aim_of = "ratio"``, the ratio) shall not exceed."""
    aim_of: Literal["ours", "ratio"] = "ours"

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's; less is better."""
        return None if not self.peers else self.ours / self.peers

    @property
    def met(self) -> bool | None:
        """Whether the aim was met in this run; None where there is none."""
        value = self.ratio if self.aim_of == "ratio" else self.ours
        return None if self.aim is None or value is None else value <= self.aim


@dataclass(slots=True)
class Report:
    """Figures of one benchmark."""

    benchmark: str
    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "benchmark": self.benchmark,
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "system": platform.platform(),
                "python": platform.python_version(),
                "load_average_before": self.load_before,
                "load_average_after": os.getloadavg(),
            },
            "versions": {name: version(name) for name in ("numpy", "scipy", "numba", "pyxdf", "rlhb")},
            "figures": [{**asdict(f), "ratio": f.ratio, "met": f.met} for f in self.figures],
            "remarks": self.remarks,
        }

    def as_table(self) -> Table:
        """The same for people."""
        load = f"load {self.load_before[0]:.2f} before, {os.getloadavg()[0]:.2f} after, {os.cpu_count()} cores"
        table = Table("what", "ours", "peer", "peer's", "ours / peer's", "aim", title=f"{self.benchmark} ({load})", caption="\n".join(self.remarks))
        for f in self.figures:
            aim = "" if f.aim is None else f"≤ {f.aim:.3g}{'' if f.aim_of == 'ratio' else ' ' + f.unit}"
            mark = {None: "", True: " [green]met[/]", False: " [red]missed[/]"}[f.met]
            theirs = "" if f.peers is None else f"{f.peers:.4g} {f.unit}"
            table.add_row(f.name, f"{f.ours:.4g} {f.unit}", f.peer, theirs, "" if f.ratio is None else f"{f.ratio:.3g}", aim + mark)
        return table
