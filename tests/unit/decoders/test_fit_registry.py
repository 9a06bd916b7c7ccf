"""The registry gives back what was saved, bit for bit, or says what is wrong with it."""

import hashlib
import io
import json
import pickle
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.content import content_sha256, parameter_arrays, spec_json
from decoders.fitted import Calibration, FittedDecoder, GateLine
from decoders.kernels import linear_score
from decoders.registry import Registry, RegistryEntry
from decoders.scorers import SCORERS, LinearScorer
from decoders.spec import ArtifactRules, DecoderSpec, Preprocessing, Reference, RegistryError, WindowSpec
from messaging.rewards import DecoderStatement
from messaging.words import Signal

finite = st.floats(allow_nan=False, allow_infinity=False)


def a_decoder(
    name: str = "cursor", weights: tuple[float, ...] = (0.1, -0.2, 1e-300, 3.0), calibration: tuple[float, ...] = (1.1, -2.2, 0.25, 0.1, 0.2)
) -> FittedDecoder:
    spec = DecoderSpec(
        pipeline="lda",
        signal=Signal.ERROR,
        task="token_rsvp",
        soa_ms=450.0,
        preprocessing=Preprocessing(250.0, ("Cz", "Pz"), 0.1, 10.0, reference=Reference.AVERAGE),
        window=WindowSpec((0.0, 1 / 3, 800.0), (-200.0, 0.0)),
        artifacts=ArtifactRules(),
    )
    slope, intercept, prior, e0, e1 = calibration
    fitted = Calibration(slope, intercept, prior, np.arange(6.0).reshape(2, 3) / 7, e0, e1)
    scorer = LinearScorer(np.array(weights), 0.5)
    statement = DecoderStatement(
        name=name, version=0, sha256=content_sha256(spec, parameter_arrays(scorer, fitted)), task="token_rsvp", soa_ms=450.0,
        calibration_id="c", auc=0.7, auc_ci95=(0.6, 0.8), trained_on=("a", "b"),
    )  # fmt: skip
    return FittedDecoder(
        spec, scorer, fitted, (GateLine("permutation", "passed", 0.001, 0.01, "p"),), released=True, statement=statement, report={"x": [1, None, "é"]}
    )


def same(one: FittedDecoder, two: FittedDecoder) -> bool:
    arrays = [parameter_arrays(d.scorer, d.calibration) for d in (one, two)]
    equal = all(arrays[0][k].tobytes() == arrays[1][k].tobytes() and arrays[0][k].shape == arrays[1][k].shape for k in arrays[0])
    return equal and one.spec == two.spec and one.gate == two.gate and one.released == two.released and one.report == two.report


@settings(max_examples=25)
@given(weights=st.tuples(finite, finite, finite, finite), calibration=st.tuples(finite, finite, finite, finite, finite))
def test_round_trip_is_bit_exact(weights, calibration):
    decoder = a_decoder(weights=weights, calibration=calibration)
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "decoders")
        version = registry.save(decoder)
        loaded = registry.load("cursor", version)
    assert same(decoder, loaded)
    assert loaded.statement == decoder.statement.model_copy(update={"version": 1})


def test_versions_rise_and_the_newest_is_the_default(tmp_path):
    registry = Registry(tmp_path / "decoders")
    assert registry.list() == ()
    assert [registry.save(a_decoder()), registry.save(replace(a_decoder(), scorer=LinearScorer(np.ones(4), 2.0))), registry.save(a_decoder("other"))] == [
        1,
        2,
        1,
    ]
    assert registry.list() == (RegistryEntry("cursor", 1), RegistryEntry("cursor", 2), RegistryEntry("other", 1))
    assert registry.load("cursor").scorer.bias == 2.0
    assert registry.load("cursor", 1).scorer.bias == 0.5


def test_nothing_is_left_behind_beside_versions(tmp_path):
    registry = Registry(tmp_path)
    registry.save(a_decoder())
    assert [p.name for p in (tmp_path / "cursor").iterdir()] == ["1"]
    with pytest.raises(RegistryError, match="JSON cannot keep"):
        registry.save(replace(a_decoder(), report={"x": float("nan")}))
    assert [p.name for p in (tmp_path / "cursor").iterdir()] == ["1"]


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "A", "x" * 65, "a\n", "..", "a b"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    registry = Registry(tmp_path)
    for use in (lambda: registry.load(name), lambda: registry.save(a_decoder(name)), lambda: registry.check_name(name)):
        with pytest.raises(RegistryError, match="is no name for a decoder"):
            use()


def test_a_good_name_can_be_checked_before_anything_is_written(tmp_path):
    Registry(tmp_path).check_name("cursor-2_b")
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named_with_what_there_is(tmp_path):
    registry = Registry(tmp_path)
    with pytest.raises(RegistryError, match=r"no decoder 'cursor'\. Known: none"):
        registry.load("cursor")
    registry.save(a_decoder())
    with pytest.raises(RegistryError, match=r"no decoder 'other'\. Known: cursor"):
        registry.load("other")
    with pytest.raises(RegistryError, match="no version 7"):
        registry.load("cursor", 7)


@settings(max_examples=40)
@given(which=st.sampled_from(["decoder.json", "parameters.npz"]), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_any_changed_or_missing_byte_is_noticed(which, place, flip, cut):
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        original = a_decoder()
        registry.save(original)
        path = Path(folder) / "cursor" / "1" / which
        content = bytearray(path.read_bytes())
        position = int(place * len(content))
        if cut:
            del content[position:]
        else:
            content[position] ^= flip
        path.write_bytes(bytes(content))
        try:
            loaded = registry.load("cursor")
        except RegistryError:
            return
        # a byte of white space between JSON values may become another one: then nothing has changed
        assert same(loaded, original)
        assert which == "decoder.json"
        assert not cut


def edited(tmp_path: Path, change) -> Registry:
    registry = Registry(tmp_path)
    registry.save(a_decoder())
    path = tmp_path / "cursor" / "1" / "decoder.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return registry


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(schema="rlhb.decoder.v9"), "schema 'rlhb.decoder.v9'; this version reads"),
        (lambda d: d.update(released=False), "SHA-256 differs"),
        (lambda d: d["statement"].update(auc=0.99), "SHA-256 differs"),
        (lambda d: d.pop("document_sha256"), "SHA-256 differs"),
    ],
)
def test_an_edited_document_is_refused(tmp_path, change, sentence):
    with pytest.raises(RegistryError, match=sentence):
        edited(tmp_path, change).load("cursor")


def written_before_scorers(root: Path, weights: list[float], bias: float) -> None:
    """A decoder's files as they were laid out when every decoder was linear."""
    like = a_decoder("old")
    numbers = like.calibration
    arrays = {
        "weights": np.array(weights, dtype="<f8"),
        "bias": np.array([bias], dtype="<f8"),
        "calibration": np.array([numbers.slope, numbers.intercept, numbers.prior_removed, numbers.e0, numbers.e1], dtype="<f8"),
        "bootstrap": numbers.bootstrap,
    }
    digest = hashlib.sha256(json.dumps(spec_json(like.spec), sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    statement = like.statement.model_copy(update={"version": 1, "sha256": digest.hexdigest()})
    document = {
        "schema": "rlhb.decoder.v1", "spec": spec_json(like.spec), "statement": json.loads(statement.model_dump_json()),
        "gate": [asdict(line) for line in like.gate], "released": True, "report": {}, "parameters_sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
    }  # fmt: skip
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    (root / "old" / "1").mkdir(parents=True)
    (root / "old" / "1" / "parameters.npz").write_bytes(packed.getvalue())
    (root / "old" / "1" / "decoder.json").write_text(json.dumps({**document, "document_sha256": hashlib.sha256(text.encode()).hexdigest()}))


def test_a_decoder_written_before_scorers_gives_the_same_score_and_hash(tmp_path):
    weights, bias = [0.1, -0.2, 1e-300, 3.0], 0.5
    written_before_scorers(tmp_path, weights, bias)
    loaded = Registry(tmp_path).load("old")
    features = np.random.default_rng(0).normal(size=4)
    assert loaded.scorer.kind == "linear"
    assert loaded.scorer.score(features) == linear_score(features, np.array(weights), bias)
    Registry(tmp_path).save(loaded)
    again = Registry(tmp_path).load("old", 2)
    assert again.statement.sha256 == loaded.statement.sha256
    assert again.scorer.score(features) == loaded.scorer.score(features)


class _StrangeScorer(LinearScorer):
    kind = "strange"


def test_the_kind_of_scorer_is_kept_and_counts_in_the_hash(tmp_path, monkeypatch):
    monkeypatch.setitem(SCORERS, "strange", f"{__name__}:_StrangeScorer")
    registry, weights = Registry(tmp_path), np.array([0.1, -0.2, 1e-300, 3.0])
    registry.save(a_decoder())
    registry.save(replace(a_decoder(), scorer=_StrangeScorer(weights, 0.5)))
    plain, strange = registry.load("cursor", 1), registry.load("cursor", 2)
    assert [plain.scorer.kind, strange.scorer.kind] == ["linear", "strange"]
    assert plain.statement.sha256 != strange.statement.sha256


def test_a_scorer_that_this_version_lacks_is_named(tmp_path):
    registry = Registry(tmp_path)
    registry.save(replace(a_decoder(), scorer=_StrangeScorer(np.ones(4), 0.0)))
    with pytest.raises(RegistryError, match=r"no scorer of kind 'strange'; it has .*linear"):
        registry.load("cursor")


@pytest.mark.parametrize(("weights", "sentence"), [(np.ones(3), r"shape \(3,\), its window needs \(4,\)"), (np.array([1.0, np.nan, 1, 1]), "not finite")])
def test_weights_that_fit_no_window_are_refused(tmp_path, weights, sentence):
    registry = Registry(tmp_path)
    registry.save(replace(a_decoder(), scorer=LinearScorer(weights, 0.0)))
    with pytest.raises(RegistryError, match=sentence):
        registry.load("cursor")


def test_a_renamed_folder_is_refused(tmp_path):
    registry = Registry(tmp_path)
    registry.save(a_decoder())
    (tmp_path / "cursor").rename(tmp_path / "better")
    with pytest.raises(RegistryError, match="says it is 'cursor' version 1"):
        registry.load("better")


def test_a_pickle_in_place_of_the_parameters_is_not_executed(tmp_path):
    registry = Registry(tmp_path)
    registry.save(a_decoder())
    marker = tmp_path / "executed"
    (tmp_path / "cursor" / "1" / "parameters.npz").write_bytes(pickle.dumps(_Touch(marker)))
    with pytest.raises(RegistryError, match="SHA-256 differs"):
        registry.load("cursor")
    assert not marker.exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))
