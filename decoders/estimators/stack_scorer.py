"""Weighted sum of several scorers, each of which sees the window at its own step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from decoders.estimators.kernels import compiled
from decoders.scorers import SCORERS, Scorer, scorer_class
from decoders.spec import MismatchError

Floats = NDArray[np.float64]
_PREFIX = "member"


@compiled
def _coarser(window: Floats, group: int, out: Floats) -> None:
    """Means of `group` windows each, added up in order; what is left at the end belongs to none."""
    for i in range(out.shape[0]):
        for c in range(window.shape[1]):
            total = 0.0
            for k in range(i * group, (i + 1) * group):
                total += window[k, c]
            out[i, c] = total / group


def coarser(rows: Floats, n_channels: int, group: int) -> Floats:
    """Rows (n_trials, n_windows // group * n_channels) of means of `group` neighbouring windows, by the loop that decodes.

    Parameters
    ----------
    rows : (n_trials, n_windows * n_channels) float64
    n_channels : int
    group : int
    """
    if group == 1:
        return rows
    cubes = rows.reshape(len(rows), -1, n_channels)
    means = np.empty((len(rows), cubes.shape[1] // group, n_channels))
    for cube, mean in zip(cubes, means, strict=True):
        _coarser(cube, group, mean)
    return means.reshape(len(rows), -1)


@dataclass(frozen=True, slots=True)
class Member:
    """One of the scorers."""

    scorer: Scorer
    group: int
    """Windows that are averaged before it sees them."""
    weight: float


class StackScorer:
    """Scores a window by several scorers (`decoders.estimators.ensemble`).

    Parameters
    ----------
    members : sequence of Member
    bias : float
    n_windows, n_channels : int

    Notes
    -----
    score = b + sum_m w_m s_m(mean of group_m windows), added up in the order of the members.
    """

    kind: ClassVar[str] = "stack"

    def __init__(self, members: Sequence[Member], bias: float, n_windows: int, n_channels: int) -> None:
        self._members, self._bias, self._shape = tuple(members), float(bias), (n_windows, n_channels)
        self._means = tuple(np.empty((n_windows // m.group, n_channels)) for m in self._members)
        self.score(np.zeros(n_windows * n_channels))  # compiled, or loaded from the cache, before it is needed

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Member, ...], float, int, int]]:
        """Copy what was learnt only; scratch memory is a scorer's own."""
        return type(self), (self._members, self._bias, *self._shape)

    def score(self, features: Floats) -> float:
        """Score one window (n_features,) microvolt."""
        total = self._bias
        for member, means in zip(self._members, self._means, strict=True):
            if member.group > 1:
                _coarser(features.reshape(self._shape), member.group, means)
                total += member.weight * member.scorer.score(means.reshape(-1))
            else:
                total += member.weight * member.scorer.score(features)
        return total

    def scores(self, rows: Floats) -> Floats:
        """Scores (n_trials,) of (n_trials, n_features), each as `score` gives it."""
        return np.array([self.score(row) for row in np.ascontiguousarray(rows)], dtype=np.float64)

    def parameters(self) -> dict[str, Floats]:
        """Bias, and of every member its numbers under ``member{i}.{kind}.{name}``, with `group` and `weight` among them."""
        found = {"bias": np.array([self._bias])}
        for i, member in enumerate(self._members):
            own = {"group": np.array([float(member.group)]), "weight": np.array([member.weight])}
            for name, array in (member.scorer.parameters() | own).items():
                found[f"{_PREFIX}{i}.{member.scorer.kind}.{name}"] = array
        return found

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Floats], n_windows: int, n_channels: int) -> Self:
        """Rebuild from `parameters`.

        Raises
        ------
        MismatchError
            They are not those of such a scorer for so many windows and channels.
        """
        by_member: dict[tuple[str, str], dict[str, Floats]] = {}
        for key, array in sorted(parameters.items()):
            member, _, rest = key.partition(".")
            kind, _, name = rest.partition(".")
            if key != "bias":
                by_member.setdefault((member, kind), {})[name] = array
        named = [member for member, _ in by_member]
        if not by_member or "bias" not in parameters or named != [f"{_PREFIX}{i}" for i in range(len(named))]:
            raise MismatchError("The parameters of a 'stack' decoder lack its bias or one of its members; fit the decoder again.")
        members = [_rebuilt(kind, numbers, n_windows, n_channels) for (_, kind), numbers in by_member.items()]
        return cls(members, _number(parameters, "bias"), n_windows, n_channels)


def _rebuilt(kind: str, numbers: dict[str, Floats], n_windows: int, n_channels: int) -> Member:
    if kind not in SCORERS or kind == StackScorer.kind:
        raise MismatchError(f"A 'stack' decoder has a member of unknown kind '{kind[:40]}'; fit the decoder again.")
    group, weight = _number(numbers, "group"), _number(numbers, "weight")
    if group != int(group) or not 1 <= group <= n_windows:
        raise MismatchError(f"A member of a 'stack' decoder averages {group:g} of {n_windows} windows; fit the decoder again.")
    return Member(scorer_class(kind).from_parameters(numbers, n_windows // int(group), n_channels), int(group), weight)


def _number(numbers: Mapping[str, Floats], name: str) -> float:
    array = np.asarray(numbers.get(name, ()), dtype=np.float64)
    if array.shape != (1,) or not np.isfinite(array[0]):
        raise MismatchError(f"Parameter '{name}' of a 'stack' decoder is no finite number; fit the decoder again.")
    return float(array[0])
