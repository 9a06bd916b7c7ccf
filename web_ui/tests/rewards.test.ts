import { describe, expect, it } from "vitest";
import { RewardBook, unitReward } from "../src/operator/reward_book";
import { cssColour, FULL_REWARD, rewardColour } from "../src/operator/reward_colour";

describe("rewardColour", () => {
  const rewards = Array.from({ length: 41 }, (_unused, k) => -1 + k * 0.05);

  it("is orange below zero, blue above, nothing at zero and without a value", () => {
    expect(rewardColour(-0.2, 0).pole).toBe("error");
    expect(rewardColour(0.2, 0).pole).toBe("good");
    expect(rewardColour(0, 0)).toMatchObject({ pole: "none", share: 0 });
    expect(rewardColour(null, null)).toMatchObject({ pole: "none", share: 0 });
    expect(rewardColour(Number.NaN, 0.1).pole).toBe("none");
  });

  it("is as strong for a reward as for its opposite, and never weaker for a larger one", () => {
    for (const reward of rewards) expect(rewardColour(reward, 0.1).share).toBe(rewardColour(-reward, 0.1).share);
    const shares = rewards.filter((reward) => reward >= 0).map((reward) => rewardColour(reward, 0.1).share);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(rewardColour(5, 0).share).toBe(rewardColour(FULL_REWARD, 0).share);
  });

  it("fades with uncertainty and says when the interval contains zero", () => {
    expect(rewardColour(0.3, 0.4).share).toBeLessThan(rewardColour(0.3, 0.1).share);
    expect(rewardColour(0.3, 0.31).uncertain).toBe(true);
    expect(rewardColour(0.3, 0.29).uncertain).toBe(false);
    expect(rewardColour(0.3, null).uncertain).toBe(false);
  });

  it("becomes CSS over the page's own poles", () => {
    expect(cssColour(rewardColour(FULL_REWARD, 0))).toBe("color-mix(in oklab, var(--reward-good) 78.0%, transparent)");
    expect(cssColour(rewardColour(0, 0))).toBe("transparent");
  });
});

function row(seq: number, presentation: string, index: number, more: object = {}): Record<string, unknown> {
  return { seq, kind: "unit", signal: "error", current: true, presentation, unit: { index, text: `w${index}` }, item_id: "i", response_id: "r", llr: 0.5, reward: -0.1, release: "ok", ...more };
}

describe("RewardBook", () => {
  it("keeps the newest revision of each unit, in the order in which units first came", () => {
    const book = new RewardBook();
    expect(book.take([row(1, "a", 0), row(2, "a", 1)])).toBe(2);
    expect(book.take([row(3, "a", 0, { release: "held", release_reason: "the operator" }), row(2, "a", 1)])).toBe(1);
    expect(book.take([row(1, "a", 0)])).toBe(0);
    expect(book.latest(10, "error").map((unit) => [unit.index, unit.seq, unit.release])).toEqual([[0, 3, "held"], [1, 2, "ok"]]);
    expect(book.find("a", 0, "error")?.releaseReason).toBe("the operator");
  });

  it("keeps signals apart", () => {
    const book = new RewardBook();
    book.take([row(1, "a", 0), row(2, "a", 0, { signal: "surprise", llr: -1 })]);
    expect(book.signals).toEqual(["error", "surprise"]);
    expect(book.find("a", 0, "surprise")?.llr).toBe(-1);
    expect(book.latest(10, "error")).toHaveLength(1);
  });

  it("leaves out decoders that are not current, superseded rows, and rows without a unit", () => {
    const book = new RewardBook();
    const foreign = [row(1, "a", 0, { current: false }), { label_id: "x", seq: 2, superseded: true }, row(3, "a", 0, { unit: null }), {}];
    expect(book.take(foreign)).toBe(0);
  });

  it("forgets the oldest units", () => {
    const book = new RewardBook();
    book.take(Array.from({ length: 2500 }, (_unused, k) => row(k + 1, "a", k)));
    expect(book.find("a", 0, "error")).toBeUndefined();
    expect(book.latest(1, "error")[0]?.index).toBe(2499);
  });

  it("tells a replayed annotation, and takes numbers for numbers only", () => {
    const unit = unitReward(row(1, "a", 0, { item_id: null, response_id: null, llr: "0.5", reward: null, decoder: { name: "lda", version: 2, auc: 0.7, auc_ci95: [0.6, 0.8] } }));
    expect(unit).toMatchObject({ annotation: true, llr: null, reward: null, decoder: "lda@2", decoderAuc: 0.7, decoderAucCi95: [0.6, 0.8] });
  });
});
