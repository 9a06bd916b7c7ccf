import { describe, expect, it } from "vitest";
import { bodyOf, decoderChoices, faultsOf, wishOf } from "../src/home/new_session";
import type { DecoderRow, ProtocolRow } from "../src/lib/rest";

const rsvp: ProtocolRow = { name: "token_rsvp", title: "Words", task: "token_rsvp", item_set: "first", soa_ms: 450, jitter_ms: 50, prior: 0.15 };
const decoder = (version: number, released: boolean, subjects: string[] = [], task = "token_rsvp"): DecoderRow => ({ name: "d", version, released, statement: { task, auc: 0.7, subjects } });

describe("a new session", () => {
  it("begins with the protocol's values and lacks only a subject", () => {
    const wish = wishOf(rsvp);
    expect(faultsOf(wish)).toEqual({ subject: "Give a pseudonym, for example p01." });
    expect(bodyOf({ ...wish, subject: "p01" })).toEqual({ subject: "p01", protocol: "token_rsvp", item_set: "first", soa_ms: 450, jitter_ms: 50 });
  });

  it("repeats an earlier one with a new order", () => {
    const earlier = { session_id: "s", subject: "p07", protocol: "token_rsvp", item_set: "mine", consent: "v2", parameters: { soa_ms: 500, jitter_ms: 20, n_trials: 40, seed: 7 } };
    expect(bodyOf(wishOf(rsvp, earlier))).toEqual({ subject: "p07", protocol: "token_rsvp", item_set: "mine", soa_ms: 500, jitter_ms: 20, n_trials: 40, consent: "v2" });
  });

  it.each([
    ["subject", "Jane Doe"],
    ["subject", "-x"],
    ["soaMs", ""],
    ["soaMs", "49"],
    ["jitterMs", "-1"],
    ["nTrials", "2.5"],
    ["nTrials", "10001"],
    ["seed", "x"],
  ] as const)("says what is wrong with %s = %s", (field, text) => {
    const found = faultsOf({ ...wishOf(rsvp), subject: "p01", [field]: text });
    expect(Object.keys(found)).toEqual([field]);
    expect(found[field]).toMatch(/\.$/);
  });

  it("offers decoders of the protocol's task, those that release labels of this subject first", () => {
    const all = [decoder(1, true, ["p02"]), decoder(2, false), decoder(3, true, ["p01"]), decoder(4, true, [], "replay"), { name: "x", version: 1, damaged: "cut" }];
    const choices = decoderChoices(all, rsvp, "p01");
    expect(choices.map((c) => c.value)).toEqual(["d@3", "d@2", "d@1"]);
    expect(choices.map((c) => c.usable)).toEqual([true, false, false]);
    expect(choices[2]?.note).toContain("p02");
  });
});
