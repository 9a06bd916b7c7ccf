"""A laboratory's own estimator: found by its entry point, a pipeline by its name, refused in a sentence where it cannot be used."""

import sys

import pytest

from decoders.fit import FitSettings, fit_decoder
from decoders.pipelines import pipeline_named
from decoders.plugins import plugin_estimators
from decoders.spec import FitError
from tests.reference.training_sessions import drawn_session

MODULE = """
from sklearn.linear_model import LogisticRegression
from decoders.lda import ShrinkageLDA

def logistic():
    return LogisticRegression(max_iter=500)

def discriminant():
    return ShrinkageLDA(0.5)

def fine(n_channels):
    found = ShrinkageLDA(0.5)
    found.n_channels_seen = n_channels
    return found

def verbless():
    return object()

def failing():
    raise RuntimeError("no licence")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A distribution as pip installs it: a module, and the metadata beside it."""
    (tmp_path / "lab_estimators.py").write_text(MODULE)
    info = tmp_path / "lab_estimators-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-estimators\nVersion: 1.0\n")
    points = [f"{name} = lab_estimators:{name}" for name in ("logistic", "discriminant", "fine", "verbless", "failing", "absent")]
    (info / "entry_points.txt").write_text("\n".join(["[rlhb.estimators]", *points, "gone = lab_estimators_gone:thing", "lda = lab_estimators:logistic", ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("lab_estimators", None)


def test_an_installed_estimator_is_a_pipeline_and_its_decoder_runs_where_it_has_a_scorer(package):
    decoder = fit_decoder([drawn_session()], FitSettings(name="ours", pipeline="discriminant", task="token_rsvp"))
    assert decoder.statement.auc > 0.8
    assert decoder.scorer.kind == "linear"
    assert pipeline_named("discriminant").title == "discriminant, of package lab-estimators"


def test_an_estimator_without_a_scorer_makes_no_decoder_and_says_so(package):
    with pytest.raises(FitError, match=r"LogisticRegression has no scorer\(\), so no decoder of it runs on a stream; evaluate it without --online"):
        fit_decoder([drawn_session()], FitSettings(name="ours", pipeline="logistic", task="token_rsvp"))


def test_who_takes_the_number_of_channels_is_told_it_and_gets_fine_windows(package):
    fine, coarse = pipeline_named("fine"), pipeline_named("discriminant")
    assert fine.classifier(7).n_channels_seen == 7
    assert min(b.step_ms for bands in fine.bands.values() for b in bands) < min(b.step_ms for bands in coarse.bands.values() for b in bands)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("verbless", "has no fit and no decision_function"),
        ("failing", "cannot be made: RuntimeError: no licence. Repair or remove the package"),
        ("absent", "cannot be made: AttributeError"),
        ("gone", "cannot be made: ModuleNotFoundError"),
        ("nonsense", "There is no pipeline 'nonsense'; choose one of lda, .*discriminant"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_blocks_no_other(package, name, words):
    with pytest.raises(FitError, match=words):
        fit_decoder([drawn_session()], FitSettings(name="ours", pipeline=name, task="token_rsvp"))
    assert pipeline_named("discriminant").classifier(4) is not None


def test_our_own_pipelines_keep_their_names(package):
    assert "lda" in plugin_estimators()
    assert pipeline_named("lda").title == "shrinkage LDA on windowed means"
