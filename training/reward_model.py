"""A small reward model: a value for each word, a response's score their sum, and a model of how EEG observes the values."""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.labels import Response, TrainingError

N_BUCKETS = 1 << 14
NGRAMS = (3, 4, 5)
SCHEMA = "rlhb.reward_model.v1"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train."""

    width: int = 24
    epochs: int = 150
    learning_rate: float = 0.02
    weight_decay: float = 1e-3
    patience: int = 20
    validation: float = 0.15
    """Part of the training items that decides when to stop."""
    seed: int = 0


def word_buckets(word: str) -> list[int]:
    """Hash a word, its lower case and its character n-grams into buckets; the same on every machine."""
    bounded = f"<{word.lower()}>"
    parts = [word, bounded] + [bounded[i : i + n] for n in NGRAMS for i in range(len(bounded) - n + 1)]
    return [zlib.crc32(part.encode()) % N_BUCKETS for part in parts]


@dataclass(frozen=True, slots=True)
class Batch:
    """Units of responses as arrays; made once, used in every epoch."""

    buckets: torch.Tensor
    starts: torch.Tensor
    before: torch.Tensor
    """Of each unit, the number of the unit before it; -1 for the first."""
    response: torch.Tensor
    """Of each unit, the number of its response."""
    n_responses: int
    observed: torch.Tensor
    """Of each observation, the number of its unit."""
    subject: torch.Tensor
    llr: torch.Tensor


def batch_of(responses: Sequence[Response], subjects: Sequence[str]) -> Batch:
    """Lay responses out as arrays; observations of subjects that are not listed are left out."""
    buckets: list[int] = []
    starts: list[int] = []
    before, of_response, first_unit = [], [], []
    for number, response in enumerate(responses):
        first_unit.append(len(starts))
        for k, word in enumerate(response.units):
            before.append(len(starts) - 1 if k else -1)
            starts.append(len(buckets))
            buckets += word_buckets(word)
            of_response.append(number)
    number_of = {subject: k for k, subject in enumerate(subjects)}
    seen = [
        (first_unit[r] + o.unit, number_of[o.subject], o.llr) for r, response in enumerate(responses) for o in response.observations if o.subject in number_of
    ]
    units, who, llr = zip(*seen, strict=True) if seen else ((), (), ())
    return Batch(
        torch.tensor(buckets, dtype=torch.long),
        torch.tensor(starts, dtype=torch.long),
        torch.tensor(before, dtype=torch.long),
        torch.tensor(of_response, dtype=torch.long),
        len(responses),
        torch.tensor(units, dtype=torch.long),
        torch.tensor(who, dtype=torch.long),
        torch.tensor(llr, dtype=torch.float32),
    )


class RewardModel(nn.Module):
    """Values of words in their place.

    Parameters
    ----------
    width : int
    subjects : sequence of str
        Whose EEG is observed.

    Notes
    -----
    v = w . tanh(e(word) + c(word before)) + b, e and c sums over hashed character n-grams. Every subject observes
    llr ~ N(gain v + offset, sigma^2) with gain = -softplus(g): a word of higher value is less likely perceived as an error.
    """

    def __init__(self, width: int, subjects: Sequence[str], seed: int = 0) -> None:
        super().__init__()
        self.width, self.subjects = width, tuple(subjects)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.word = nn.EmbeddingBag(N_BUCKETS, width, mode="mean")
            self.before = nn.EmbeddingBag(N_BUCKETS, width, mode="mean")
            self.out = nn.Linear(width, 1)
            for table in (self.word, self.before):
                nn.init.normal_(table.weight, std=0.1)
        n = max(1, len(self.subjects))
        self.gain, self.offset, self.log_sigma = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(n))

    def values(self, batch: Batch) -> torch.Tensor:
        """(n_units,) values."""
        own, context = self.word(batch.buckets, batch.starts), self.before(batch.buckets, batch.starts)
        shifted = torch.where(batch.before[:, None] >= 0, context[batch.before.clamp(min=0)], torch.zeros_like(context))
        found: torch.Tensor = self.out(torch.tanh(own + shifted))[:, 0]
        return found

    def scores(self, batch: Batch) -> torch.Tensor:
        """(n_responses,) sums of the values."""
        return torch.zeros(batch.n_responses).index_add(0, batch.response, self.values(batch))

    def observation_loss(self, batch: Batch) -> torch.Tensor:
        """Mean negative log-likelihood of the llr."""
        gain = -nn.functional.softplus(self.gain)[batch.subject]
        sigma = nn.functional.softplus(self.log_sigma)[batch.subject] + 1e-3
        expected = gain * self.values(batch)[batch.observed] + self.offset[batch.subject]
        return (0.5 * ((batch.llr - expected) / sigma) ** 2 + sigma.log()).mean()

    def save(self, folder: Path) -> None:
        """Write parameters (``model.npz``) and description (``model.json``); nothing in them is executed when they are read."""
        arrays = {name: value.detach().numpy() for name, value in self.state_dict().items()}
        np.savez(folder / "model.npz", allow_pickle=False, **arrays)
        about = {"schema": SCHEMA, "width": self.width, "subjects": list(self.subjects)}
        (folder / "model.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        TrainingError
            The folder holds no such model.
        """
        try:
            about = json.loads((folder / "model.json").read_text("utf-8"))
            model = cls(about["width"], about["subjects"])
            with np.load(folder / "model.npz", allow_pickle=False) as arrays:
                model.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise TrainingError(f"{folder} holds no reward model ({error}). Train one with `rlhb train reward-model`.") from error
        return model


def pair_loss(difference: torch.Tensor, llr: torch.Tensor, beta: float = 1.0) -> torch.Tensor:
    """Mean of -log(sigma(beta D) e^L + 1 - sigma(beta D)), D = s_a - s_b, L = log P(E | a > b) / P(E | b > a); SCIENCE "From score to reward"."""
    p = nn.functional.logsigmoid(beta * difference)
    q = nn.functional.logsigmoid(-beta * difference)
    return -torch.logaddexp(p + llr, q).mean()


def trained(responses: Sequence[Response], settings: TrainingSettings, tell: Callable[[float], None] | None = None) -> RewardModel:
    """Fit a model on one thread; the same each time for the same seed.

    Parameters
    ----------
    responses : sequence of Response
    settings : TrainingSettings
    tell : callable, optional
        Told the finished fraction.

    Raises
    ------
    TrainingError
        Fewer than four items.
    """
    items = sorted({r.item_id for r in responses})
    if len(items) < 4:
        raise TrainingError(f"There are labels of {len(items)} item(s) to train on; at least 4 are needed, better 50.")
    random = np.random.default_rng(settings.seed)
    stopping = set(random.permutation(items)[: max(1, round(settings.validation * len(items)))].tolist())
    subjects = sorted({o.subject for r in responses for o in r.observations})
    train, judge = (batch_of([r for r in responses if (r.item_id in stopping) is inside], subjects) for inside in (False, True))
    model = RewardModel(settings.width, subjects, settings.seed)
    with torch.no_grad():
        model.log_sigma.fill_(float(np.log(np.expm1(max(0.05, float(train.llr.std()))))))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    before, lowest, waited = torch.get_num_threads(), np.inf, 0
    best = {name: value.clone() for name, value in model.state_dict().items()}
    torch.set_num_threads(1)
    try:
        for epoch in range(settings.epochs):
            optimiser.zero_grad()
            model.observation_loss(train).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                loss = float(model.observation_loss(judge))
            waited += 1
            if loss < lowest - 1e-5:
                lowest, waited, best = loss, 0, {name: value.clone() for name, value in model.state_dict().items()}
            if tell is not None:
                tell((epoch + 1) / settings.epochs)
            if waited >= settings.patience:
                break
    finally:
        torch.set_num_threads(before)
    model.load_state_dict(best)
    return model.eval()


def scores_of(model: RewardModel, responses: Sequence[Response]) -> NDArray[np.float64]:
    """Scores (n_responses,) of responses, seen before or not."""
    with torch.no_grad():
        return np.asarray(model.scores(batch_of(responses, ())).double().numpy())


def described(settings: TrainingSettings) -> dict[str, object]:
    """Settings as JSON values."""
    return asdict(settings)
