"""Arithmetic of snapshots: tokens conserve rewards, splits never move, evidence of several readings claims no more than it says."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from server.labels.row import LabelRow
from server.snapshots.evidence import Label, combined_llr, unit_evidence
from server.snapshots.projection import Mode, byte_to_character_offsets, project, project_exactly
from server.snapshots.request import Correlation, SnapshotRequest
from server.snapshots.selection import ShownText, with_text
from server.snapshots.splitting import hashed_share, split_of, split_of_row
from server.snapshots.tokenizing import tokens_of

TEXTS = ["one two three", "naïve café", "日本語 です", "a 😀 b 🏳️‍🌈 c", "line\nbreak\n\nend", "e\u0301 combining", "tab\tand  spaces"]
spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=8).map(lambda found: [(start, start + n) for start, n in found])
rewards = st.fractions(-2, 2, max_denominator=64)


@given(spans, st.data(), spans, st.sampled_from(Mode))
def test_tokens_and_what_none_of_them_covers_sum_to_the_rewards_exactly(units, data, tokens, mode):
    given_rewards = [data.draw(rewards) for _ in units]
    on_tokens, left = project_exactly(units, given_rewards, tokens, mode)
    assert sum(on_tokens, Fraction(0)) + left == sum(given_rewards, Fraction(0))
    for (start, end), at in zip(tokens, on_tokens, strict=True):
        if not any(s < end and start < e for s, e in units):
            assert at == 0


def _byte_bpe():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


def _wordpiece():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]"]))
    return made


def _sentencepiece():
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(TEXTS, trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>"))
    return made


@pytest.mark.parametrize("make", [_byte_bpe, _wordpiece, _sentencepiece])
def test_every_word_of_any_script_gives_its_reward_to_its_tokens(make):
    tokenizer = make()
    for text in TEXTS:
        tokens, place, units = tokens_of(tokenizer, text), 0, []
        for word in text.split():
            start = text.index(word, place)
            place = start + len(word)
            units.append((start, place))
        given_rewards = [float(k + 1) for k in range(len(units))]
        for mode in Mode:
            found = project(units, given_rewards, tokens.offsets, mode)
            assert found.left == 0
            assert math.fsum(found.rewards) == pytest.approx(sum(given_rewards), rel=1e-12)


@given(st.text(max_size=30), st.data())
def test_offsets_in_bytes_cover_the_characters_they_touch(text, data):
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    offsets = list(zip([0, *cuts], [*cuts, len(raw)], strict=True))
    places = {k for start, end in byte_to_character_offsets(text, offsets) for k in range(start, end)}
    assert places == set(range(len(text)))


@given(st.text(min_size=1, max_size=20), st.text(max_size=10))
def test_a_share_depends_on_the_identity_and_the_salt_alone(identity, salt):
    assert 0 <= hashed_share(identity, salt) < 1
    assert hashed_share(identity, salt) == hashed_share(identity, salt)
    assert split_of(identity, salt, {"train": 1.0, "test": 0.0}) == "train"


def test_shares_are_uniform_and_a_larger_train_part_only_takes():
    shares = [hashed_share(f"i{k}", "s") for k in range(4000)]
    assert abs(sum(shares) / 4000 - 0.5) < 0.02
    small, large = ({k for k in range(4000) if split_of(f"i{k}", "s", {"train": part, "test": 1 - part}) == "train"} for part in (0.5, 0.7))
    assert small < large


@given(st.integers(0, 50), st.integers(0, 50))
def test_split_by_both_puts_neither_item_nor_subject_on_two_sides(item, subject):
    halves = {"train": 0.5, "test": 0.5}
    found = split_of_row(f"i{item}", f"s{subject}", "salt", "both", halves)
    assert found in (None, split_of(f"i{item}", "salt", halves))


def label(llr, subject="S1", seq=1, prior=0.15):
    p = None if llr is None else 1 / (1 + math.exp(-(llr + math.log(prior / (1 - prior)))))
    reward = None if p is None else 2 * (prior - p)
    return Label(
        f"l{seq}", seq, "unit", "error", subject, "live", "i", "r", "p", prior, llr, reward, None, None, 0, 0, 3, "one", "t"
    )  # fmt: skip


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_fully_correlated_repeats_say_as_much_as_their_mean_and_independent_ones_their_sum(llrs):
    found = [label(llr, seq=k) for k, llr in enumerate(llrs)]
    assert combined_llr(found, Correlation()) == pytest.approx(sum(llrs) / len(llrs), abs=1e-12)
    assert combined_llr(found, Correlation(repeats=0.0)) == pytest.approx(sum(llrs), abs=1e-12)
    readers = [label(llr, subject=f"S{k}", seq=k) for k, llr in enumerate(llrs)]
    assert combined_llr(readers, Correlation(readers=0.0)) == pytest.approx(sum(llrs), abs=1e-12)


@given(st.floats(-6, 6), st.floats(0.02, 0.98))
def test_one_reading_gives_back_its_own_reward(llr, prior):
    one = label(llr, prior=prior)
    found = unit_evidence([one], Correlation())
    assert found.reward == pytest.approx(one.reward, abs=1e-9)
    assert found.weight == pytest.approx(math.tanh(abs(llr) / 2))
    assert unit_evidence([label(None)], Correlation()) is None


@given(st.text(), st.text())
def test_texts_are_put_into_a_row_without_taking_it_apart(prompt, response):
    import json

    row = dict.fromkeys(LabelRow.model_fields) | {"release_reason": '"prompt":null,"response":null,"generator":null', "seq": 1}
    text = json.dumps(row, separators=(",", ":"))
    filled = json.loads(with_text(text, ShownText(prompt, response, None), generator=False))
    assert filled == row | {"prompt": prompt, "response": response}


def test_the_same_content_in_another_order_is_the_same_request():
    first = SnapshotRequest(formats=("labels", "verl"), sessions=("b", "a"), fractions={"test": 0.5, "train": 0.5})
    again = SnapshotRequest(formats=("verl", "labels", "verl"), sessions=("a", "b"), fractions={"train": 0.5, "test": 0.5})
    assert first.sha256 == again.sha256
