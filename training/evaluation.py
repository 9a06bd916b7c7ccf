"""How well a reward model orders responses to items it has never seen, beside the same model taught with shuffled labels."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.labels import Observation, Response, TrainingError, held_out
from training.reward_model import RewardModel, TrainingSettings, scores_of, trained

DRAWS = 2000
SHUFFLES = 19
"""Controls. Items share their words, so one shuffle alone may order most pairs, or few; of 19 none may do as well (p = .05)."""
Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class PairTest:
    """Pairs of held-out responses whose order is known."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    """Numbers of the responses: the first is the better one."""
    item: NDArray[np.int64]
    """Which item each pair belongs to; pairs across items belong to the first response's."""
    against: str
    """What says which one is better, in words."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Part of the pairs that a model orders rightly, ties counting half."""

    value: float
    ci95: tuple[float, float]
    """Bootstrap over items."""
    n_pairs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training run found."""

    model: RewardModel
    accuracy: Accuracy
    control: Accuracy
    """Mean of `SHUFFLES` models taught with llr that were shuffled over the units of each subject."""
    difference_ci95: tuple[float, float]
    """Of model minus control, paired over items."""
    p_value: float
    """(1 + controls that order as many pairs) / (1 + controls)."""
    against: str
    n_train: int
    n_test: int

    @property
    def beats_control(self) -> bool:
        """Whether the lower bound of the difference is above 0, and no control does as well."""
        return self.difference_ci95[0] > 0 and self.p_value <= 0.05


def train_and_test(
    responses: Sequence[Response], settings: TrainingSettings, marks: Mapping[tuple[str, int], bool] | None, test_fraction: float, tell: Tell
) -> Outcome:
    """Train on some items and test on the others.

    Parameters
    ----------
    responses : sequence of Response
    settings : TrainingSettings
    marks : mapping of (response_id, unit) to bool, or None
        Which units are wrong; used for the test alone. Without them the neural evidence of the held-out responses itself is the
        standard, which says whether the model foretells it, not whether it is right.
    test_fraction : float
        Part of the items.
    tell : callable

    Raises
    ------
    TrainingError
        Too few items on one side.
    """
    test = [r for r in responses if held_out(r.item_id, test_fraction)]
    train = [r for r in responses if not held_out(r.item_id, test_fraction)]
    pairs = pairs_of(test, marks)
    model = trained(train, settings, lambda done: tell("training", 0.1 * done))
    right, controls = ordered(scores_of(model, test), pairs), []
    for k in range(SHUFFLES):
        tell("training the controls", 0.1 + 0.85 * k / SHUFFLES)
        controls.append(ordered(scores_of(trained(shuffled(train, settings.seed + k), settings), test), pairs))
    of_control = np.mean(controls, axis=0)
    as_good = sum(bool(c.mean() >= right.mean()) for c in controls)
    tell("testing", 0.95)
    return Outcome(
        model,
        _accuracy(right, pairs),
        _accuracy(of_control, pairs),
        _interval(right - of_control, pairs.item),
        (1 + as_good) / (1 + SHUFFLES),
        pairs.against,
        len(train),
        len(test),
    )


def pairs_of(responses: Sequence[Response], marks: Mapping[tuple[str, int], bool] | None) -> PairTest:
    """Pair responses to the same item; where no item has two that differ, responses to different items.

    Raises
    ------
    TrainingError
        No two held-out responses differ.
    """
    quality = np.array([_quality(r, marks) for r in responses])
    alike = [(a, b) for a, b in itertools.combinations(range(len(responses)), 2) if quality[a] != quality[b]]
    same = [(a, b) for a, b in alike if responses[a].item_id == responses[b].item_id]
    chosen = same or alike
    if not chosen:
        raise TrainingError(f"The {len(responses)} held-out responses give no pair whose order is known. Label more items, or hold out a larger part.")
    number = {item: k for k, item in enumerate(sorted({r.item_id for r in responses}))}
    order = [(a, b) if quality[a] > quality[b] else (b, a) for a, b in chosen]
    standard = "marks of the items (fewer wrong words are better)" if marks else "neural evidence of the held-out responses themselves"
    where = "responses to the same item" if same else "responses to different items"
    first, second = (np.array([pair[k] for pair in order]) for k in (0, 1))
    return PairTest(first, second, np.array([number[responses[a].item_id] for a in first]), f"{standard}; {where}")


def _quality(response: Response, marks: Mapping[tuple[str, int], bool] | None) -> float:
    if marks is None:
        return -response.llr
    return -float(sum(marks.get((response.response_id, k), False) for k in range(len(response.units))))


def shuffled(responses: Sequence[Response], seed: int) -> list[Response]:
    """Give every reading another reading's llr of the same subject; texts stay."""
    random = np.random.default_rng(seed + 1)
    by_subject: dict[str, list[float]] = {}
    for response in responses:
        for o in response.observations:
            by_subject.setdefault(o.subject, []).append(o.llr)
    drawn = {subject: iter(random.permutation(values).tolist()) for subject, values in sorted(by_subject.items())}

    def other(o: Observation) -> Observation:
        return replace(o, llr=next(drawn[o.subject]))

    return [replace(r, observations=tuple(other(o) for o in r.observations)) for r in responses]


def ordered(scores: NDArray[np.float64], pairs: PairTest) -> NDArray[np.float64]:
    """1 where a pair is ordered rightly, .5 at a tie, 0 else."""
    return 0.5 + 0.5 * np.sign(scores[pairs.first] - scores[pairs.second])


def _accuracy(right: NDArray[np.float64], pairs: PairTest) -> Accuracy:
    return Accuracy(float(right.mean()), _interval(right, pairs.item), len(right))


def _interval(values: NDArray[np.float64], item: NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval of a mean; items are drawn with replacement, with all their pairs."""
    random, names = np.random.default_rng(0), np.unique(item)
    sums, counts = (np.array([part(values[item == name]) for name in names]) for part in (np.sum, len))
    drawn = random.integers(len(names), size=(DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
