"""Estimators that a laboratory brings along: scikit-learn classifiers behind an entry point."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from decoders.spec import FitError

GROUP = "rlhb.estimators"
"""Entry-point group. Its names become names of pipelines; its values are classes, or functions that make one."""


@dataclass(frozen=True, slots=True)
class PluginEstimator:
    """An estimator that another installed package offers."""

    name: str
    value: str
    """``module:object``, as the package states it."""
    package: str

    def takes_channels(self) -> bool:
        """Say whether it is told the number of channels: it then gets fine windows, of which it can make epochs again.

        Raises
        ------
        FitError
            It cannot be imported.
        """
        return "n_channels" in inspect.signature(self._factory()).parameters

    def make(self, n_channels: int) -> Any:
        """Load and build an unfitted estimator; ``n_channels`` is passed where it takes such a parameter.

        Raises
        ------
        FitError
            It cannot be imported or built, or lacks one of scikit-learn's verbs.
        """
        factory = self._factory()
        try:
            estimator = factory(n_channels=n_channels) if self.takes_channels() else factory()
        except Exception as error:  # the code of others may raise anything
            raise self._broken(error) from error
        missing = [verb for verb in ("fit", "decision_function") if not callable(getattr(estimator, verb, None))]
        if missing:
            raise FitError(f"Estimator '{self.name}' of package {self.package} has no {' and no '.join(missing)}; a pipeline needs fit and decision_function.")
        return estimator

    def _factory(self) -> Callable[..., Any]:
        try:
            factory = EntryPoint(self.name, self.value, GROUP).load()
            inspect.signature(factory)
        except Exception as error:  # the code of others may raise anything
            raise self._broken(error) from error
        return cast("Callable[..., Any]", factory)

    def _broken(self, error: Exception) -> FitError:
        told = f"{type(error).__name__}: {error}"
        return FitError(f"Estimator '{self.name}' of package {self.package} ({self.value}) cannot be made: {told}. Repair or remove the package.")


def plugin_estimators() -> dict[str, PluginEstimator]:
    """Estimators of installed packages by name, without importing them; of two with one name the first by package counts."""
    found: dict[str, PluginEstimator] = {}
    points = entry_points(group=GROUP)
    for point in sorted(points, key=lambda p: (p.name, p.dist.name if p.dist else "")):
        found.setdefault(point.name, PluginEstimator(point.name, point.value, point.dist.name if point.dist else "unknown"))
    return found
