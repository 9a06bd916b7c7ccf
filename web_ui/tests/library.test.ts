import { describe, expect, it } from "vitest";
import { tokenState } from "../src/access/access_rest";
import { families, verdictSentence } from "../src/library/decoder_words";
import type { ProtocolDetail, Verdicts } from "../src/library/library_rest";
import { trialParts } from "../src/library/trial_parts";
import { nameFault, readItemFile, setName, wordsOf } from "../src/library/items_file";

const good = JSON.stringify({ item_id: "i1", prompt: "Why?", responses: [{ response_id: "r1", text: "It is so.", wrong: [2] }] });
const line = (value: unknown): string => JSON.stringify(value);

const TIMES = { soa_ms: 450, jitter_ms: 50, fixation_ms: 500, blank_ms: 800 };
const protocolOf = (verdict: Verdicts | null): ProtocolDetail => ({
  ...{ name: "p", task: "p", title: "P", item_set: "first", prior: 0.15, trials_per_block: 10, calibrates: false, units: "phrase" as const, rating: null },
  ...TIMES,
  verdict,
});

describe("the picture of a trial", () => {
  const verdict: Verdicts = { accept: "ja", reject: "nein", delay_ms: 400, delay_jitter_ms: 100, first_word_ms: 400, word_ms: 200, reject_share: 0.3, wrong_share: null };

  it("has words one after the other, without a gap", () => {
    const parts = trialParts(protocolOf(null));
    expect(parts.map((part) => part.startMs)).toEqual([0, 500, 950, 1400, 1850, 2300]);
    expect(parts.filter((part) => part.jitterMs > 0)).toHaveLength(3);
  });

  it("ends with a rating where one is asked for, and is nothing else where nothing is timed", () => {
    const rating = { scale: "slider" as const, question: "?", share: 0.25 };
    expect(trialParts({ ...protocolOf(null), rating }).at(-1)).toMatchObject({ text: "a rating", below: "after 25 %" });
    expect(trialParts({ ...protocolOf(null), rating, units: "none", fixation_ms: 0 }).map((part) => part.text)).toEqual(["the whole answer"]);
  });

  it("has a phrase, a blank and a sign, as long as the protocol says", () => {
    const parts = trialParts(protocolOf(verdict));
    expect(parts.map((part) => [part.text, part.durationMs])).toEqual([["+", 500], ["The Earth is", 1000], ["", 400], ["ja or nein", 450], ["", 800]]);
  });
});

describe("item files", () => {
  it("reads items with their marks and passes over empty lines", () => {
    const file = readItemFile(`${good}\n\n  \n`);
    expect(file.faults).toEqual([]);
    expect(file.items).toEqual([{ line: 1, itemId: "i1", prompt: "Why?", responses: [{ responseId: "r1", text: "It is so.", wrong: [2] }] }]);
  });

  it("names each wrong line with what is wrong", () => {
    const wrong = [
      "{",
      "[]",
      line({ responses: [] }),
      line({ item_id: "a b", responses: [] }),
      line({ item_id: "i2" }),
      line({ item_id: "i3", responses: [{ response_id: "r3", text: " " }] }),
      line({ item_id: "i4", responses: [{ response_id: "r4", text: "two words", wrong: [2] }] }),
      line({ item_id: "i5", responses: [{ text: "x" }] }),
    ];
    const file = readItemFile([good, ...wrong].join("\n"));
    expect(file.faults.map((fault) => fault.line)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(file.faults[6]?.sentence).toBe("response r4: wrong names word 2, the words are 0 to 1.");
  });

  it("finds what stands twice, with both lines", () => {
    const other = line({ item_id: "i9", responses: [{ response_id: "r1", text: "x" }] });
    expect(readItemFile(`${good}\n${other}\n${good}`).faults.map((fault) => `${fault.line}: ${fault.sentence}`)).toEqual([
      "2: response r1 stands in line 1 already.",
      "3: item i1 stands in line 1 already.",
      "3: response r1 stands in line 1 already.",
    ]);
  });

  it("makes a name out of a file's name that the server takes", () => {
    for (const name of ["My items (2).jsonl", "größe.json", "a".repeat(300), "_x.ndjson"]) expect(nameFault(setName(name))).toBeNull();
    expect(nameFault("")).not.toBeNull();
    expect(nameFault("a/b")).not.toBeNull();
  });

  it("cuts words as runs without white space", () => expect(wordsOf("  a\u00a0b\tc ")).toEqual(["a", "b", "c"]));
});

describe("decoders in words", () => {
  const gate = [
    { name: "information_gain", verdict: "failed", sentence: "Information gain 0." },
    { name: "lexical", verdict: "not assessable", sentence: "Nothing." },
  ];

  it("says why labels are held, and what could not be looked at", () => {
    expect(verdictSentence({ name: "d", version: 1, released: false, gate })).toBe("Its labels are held. Information gain 0. One check could not be made.");
    expect(verdictSentence({ name: "d", version: 1, released: true, gate: [] })).toBe("It passed the gate: its labels may be learnt from.");
    expect(verdictSentence({ name: "d", version: 1, damaged: "cut" })).toContain("damaged");
  });

  it("are put together by name, newest version first", () => {
    const found = families([{ name: "b", version: 1 }, { name: "a", version: 2 }, { name: "a", version: 10 }]);
    expect(found.map((family) => [family.name, family.versions.map((decoder) => decoder.version)])).toEqual([["a", [10, 2]], ["b", [1]]]);
  });
});

describe("tokens", () => {
  it("are valid until they end or are revoked", () => {
    const token = { token_id: "t", name: "n", scopes: [], created_at: "", expires_at: "2026-01-02T00:00:00Z", revoked_at: null };
    expect(tokenState(token, "2026-01-01T00:00:00Z")).toBe("valid");
    expect(tokenState(token, "2026-01-02T00:00:00Z")).toBe("expired");
    expect(tokenState({ ...token, expires_at: null }, "2030-01-01T00:00:00Z")).toBe("valid");
    expect(tokenState({ ...token, expires_at: null, revoked_at: "x" }, "2026-01-01T00:00:00Z")).toBe("revoked");
  });
});
