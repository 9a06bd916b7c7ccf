import { describe, expect, it } from "vitest";
import { bandPath, firstChannels, linePath, niceLimit } from "../src/review/epoch_curves";
import { pullLine, relabelLine, snapshotLine } from "../src/review/export_lines";
import { EVERYTHING, fits, labelOf, newest, piecesOf, textsOf, type Label } from "../src/review/label_rows";
import { correlation, ratedTexts } from "../src/review/ratings";
import { matching } from "../src/sessions/matching";

const RESPONSE = "Ünit 𝛑 ends here.";
const SPANS = [
  [0, 4],
  [5, 6],
  [7, 11],
] as const;

function row(index: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const [start, end] = SPANS[index] ?? [null, null];
  return {
    label_id: `l${index}`, seq: index + 1, revision: 1, current: true, signal: "error", presentation: "p1", trial: 0, block: 0, item_id: "i1", response_id: "r1",
    prompt: "What?", response: RESPONSE, unit: { index, char_start: start, char_end: end, text: [...RESPONSE].slice(start ?? 0, end ?? 0).join("") },
    reward: 0.1, reward_sd: 0.05, p_error: 0.1, llr: -0.5, release: "ok", sample_index: 100 * index, ...more,
  }; // prettier-ignore
}

const label = (index: number, more: Record<string, unknown> = {}): Label => labelOf(row(index, more)) as Label;

describe("texts of a session", () => {
  it("cuts a response at its labels' code points and keeps every character", () => {
    const shown = textsOf([label(0), label(1), label(2)], "error")[0];
    const pieces = piecesOf(shown ?? expect.fail("no text"));
    expect(pieces.map((piece) => piece.text)).toEqual(["Ünit", " ", "𝛑", " ", "ends", " here."]);
    expect(pieces.map((piece) => piece.text).join("")).toBe(RESPONSE);
    expect(pieces.filter((piece) => piece.label !== null).map((piece) => piece.label?.labelId)).toEqual(["l0", "l1", "l2"]);
  });

  it("leaves out a span that overlaps or lies outside, and loses no character", () => {
    for (const unit of [{ index: 1, char_start: 2, char_end: 6, text: "x" }, { index: 1, char_start: 16, char_end: 99, text: "x" }]) {
      const shown = textsOf([label(0), label(1, { unit })], "error")[0];
      expect(piecesOf(shown ?? expect.fail("no text")).map((piece) => piece.text).join("")).toBe(RESPONSE);
    }
  });

  it("keeps the newest revision of a label, in whatever order they come", () => {
    const held = row(0, { seq: 9, revision: 2, release: "held", release_reason: "operator: loose" });
    for (const rows of [[row(0), held], [held, row(0)]]) expect(newest(rows).map((found) => found.release)).toEqual(["held"]);
    expect(newest([row(0), row(1, { current: false }), { label_id: "l2", superseded: true }])).toHaveLength(1);
  });

  it("puts texts in the order in which they were shown and counts what is held", () => {
    const later = { presentation: "p2", trial: 1, sample_index: 900 };
    const texts = textsOf([label(0, { ...later, label_id: "x", release: "held" }), label(1), label(0)], "error");
    expect(texts.map((text) => text.title)).toEqual(["text 1", "text 2"]);
    expect(texts.map((text) => text.held)).toEqual([0, 1]);
    expect(texts[0]?.labels.map((found) => found.index)).toEqual([0, 1]);
    expect(textsOf([label(0)], "another")).toEqual([]);
  });

  it("puts annotations of a replay together without a response", () => {
    const rows = Array.from({ length: 50 }, (_unused, k) => label(0, { label_id: `a${k}`, presentation: `p${k}`, item_id: null, response_id: null, response: null, sample_index: k }));
    const texts = textsOf(rows, "error");
    expect(texts.map((text) => text.labels.length)).toEqual([48, 2]);
    expect(piecesOf(texts[1] ?? expect.fail("no text"))).toHaveLength(2);
  });
});

describe("filter", () => {
  it("takes every label when nothing is asked", () => expect(fits(label(0, { reward: null, release: "held" }), EVERYTHING)).toBe(true));

  it("keeps to release, verdict, certainty and words", () => {
    const error = label(0, { reward: -0.3 });
    expect(fits(error, { ...EVERYTHING, pole: "error" })).toBe(true);
    expect(fits(error, { ...EVERYTHING, pole: "good" })).toBe(false);
    expect(fits(label(0, { reward: null }), { ...EVERYTHING, pole: "good" })).toBe(false);
    expect(fits(label(0, { release: "revoked" }), { ...EVERYTHING, release: "held" })).toBe(true);
    expect(fits(label(0, { release: "held" }), { ...EVERYTHING, release: "ok" })).toBe(false);
    expect(fits(label(0, { reward: null }), { ...EVERYTHING, release: "none" })).toBe(true);
    expect(fits(label(0, { reward: 0.1, reward_sd: 0.2 }), { ...EVERYTHING, certain: true })).toBe(false);
    expect(fits(label(0), { ...EVERYTHING, words: " üNIT " })).toBe(true);
    expect(fits(label(0), { ...EVERYTHING, words: "what" })).toBe(true);
    expect(fits(label(0), { ...EVERYTHING, words: "absent" })).toBe(false);
  });
});

describe("ratings", () => {
  const entry = (text: string, what = "rating"): { position: number; what: string; text: string; who: string; at: string } => ({ position: 1, what, text, who: "subject", at: "" });

  it("belong to the text they name; the last one counts", () => {
    const texts = textsOf([label(0), label(1)], "error");
    expect(ratedTexts([entry("2 on the scale fluent 1-7, text 1"), entry("5.5 on the scale fluent 1-7, text 1"), entry("3 on the scale x, text 9"), entry("4 on the scale x, text 1", "comment")], texts)).toEqual([
      { trial: 0, rating: 5.5, scale: "fluent 1-7", reward: 0.1 },
    ]);
  });

  it("correlate as Pearson says, and not where there is nothing to say", () => {
    expect(correlation([[1, 2], [2, 4], [3, 6], [4, 8]])?.r).toBeCloseTo(1, 12);
    const found = correlation([[1, 1], [2, 3], [3, 2], [4, 5], [5, 4]]);
    expect(found?.r).toBeCloseTo(0.8, 12);
    expect(found?.interval?.[0]).toBeCloseTo(-0.2797, 3);
    expect(found?.interval?.[1]).toBeCloseTo(0.9862, 3);
    expect(correlation([[1, 1], [2, 1], [3, 1]])).toBeNull();
    expect(correlation([[1, 1], [2, 2]])).toBeNull();
  });
});

describe("curves", () => {
  const axes = { x: (t: number): number => t, y: (v: number): number => -v };

  it("leave a gap where nothing was recorded", () => {
    expect(linePath([0, 1, 2, 3], [1, null, 2, 3], axes)).toBe("M0.0 -1.0M2.0 -2.0L3.0 -3.0");
    expect(bandPath([0, 1], [1, 2], [0.5, null], axes)).toBe("");
    expect(bandPath([0, 1], [1, 2], [0.5, 0.5], axes)).toBe("M0.0 -1.5L1.0 -2.5L1.0 -1.5L0.0 -0.5Z");
  });

  it("have an axis that holds every value", () => {
    expect(niceLimit([3, -4])).toBe(5);
    expect(niceLimit([12, null])).toBe(20);
    expect(niceLimit([-51])).toBe(100);
    for (const value of [5.01, 9.99, 10.01, 199, 2001]) expect(niceLimit([value])).toBeGreaterThanOrEqual(value);
  });

  it("begin with the midline", () => {
    expect(firstChannels(["Fp1", "FZ", "Pz", "Cz"], 3)).toEqual(["FZ", "Cz", "Pz"]);
    expect(firstChannels(["E1", "E2"], 3)).toEqual(["E1", "E2"]);
  });
});

describe("lines to copy", () => {
  it("name the session and the recording, and never hold a token", () => {
    expect(pullLine("http://127.0.0.1:1", "s-1")).toBe("rlhb labels pull --server http://127.0.0.1:1 --session s-1 --out labels.jsonl");
    expect(relabelLine("s-1-1")).toBe('rlhb relabel "${RLHB_DATA_DIR:-rlhb-data}/recordings/s-1-1.xdf" --decoder NAME@VERSION --out relabelled.jsonl');
    expect(snapshotLine("http://h:1", "s1", [{ path: "verl/train-0.parquet", format: "verl", split: "train", rows: 1, bytes: 1 }], "verl")).toContain('os.environ["RLHB_TOKEN"]');
  });

  it("load the Parquet files of a format by split", () => {
    const file = (split: string, ending: string): { path: string; format: string; split: string; rows: number; bytes: number } => ({ path: `verl/${split}-0.${ending}`, format: "verl", split, rows: 1, bytes: 1 });
    const files = [file("train", "jsonl"), file("train", "parquet"), file("test", "parquet"), { ...file("validation", "parquet"), rows: 0 }, { ...file("train", "jsonl"), format: "labels" }];
    const line = snapshotLine("http://h:1", "s1", files, "verl");
    expect(line).toContain('load_dataset("parquet", data_files={"train": ["http://h:1/api/v1/snapshots/s1/verl/train-0.parquet"], "test": ["http://h:1/api/v1/snapshots/s1/verl/test-0.parquet"]}');
    expect(line).not.toContain("jsonl");
    expect(snapshotLine("http://h:1", "s1", files, "stepwise")).toBe("");
  });
});

describe("finding sessions", () => {
  const sessions = [
    { session_id: "20260101-a", subject: "p01", state: "finished", created_at: "2026-01-01T10:00:00Z" },
    { session_id: "20260102-b", subject: "p02", state: "running", interrupted: true, source: "replay" },
  ];

  it("asks for every word, in any field", () => {
    expect(matching(sessions, "  ")).toHaveLength(2);
    expect(matching(sessions, "P01 finished")).toEqual([sessions[0]]);
    expect(matching(sessions, "p01 replay")).toEqual([]);
    expect(matching(sessions, "interrupted")).toEqual([sessions[1]]);
    expect(matching(sessions, "2026-01-01")).toEqual([sessions[0]]);
  });
});
