import { describe, expect, it } from "vitest";
import { FramePeriod, framesMissed, TrialSchedule, trialSteps, type Shown } from "../src/subject/schedule";
import { trialOf } from "./trials";

const PERIOD_MS = 1000 / 60;

/** Run a schedule over frames; a frame is lost when `lost` says so. */
function run(schedule: TrialSchedule, periodMs: number, lost: (frame: number) => boolean = () => false, startMs = 1000): { shown: Shown; atMs: number }[] {
  const seen: { shown: Shown; atMs: number }[] = [];
  for (let frame = 0; !schedule.done && frame < 1_000_000; frame += 1) {
    if (lost(frame)) continue;
    const atMs = startMs + frame * periodMs;
    const shown = schedule.frame(atMs, periodMs);
    if (shown !== null) seen.push({ shown, atMs });
  }
  return seen;
}

describe("trialSteps", () => {
  it("goes from the prompt over fixation, units and blank to the end", () => {
    const steps = trialSteps(trialOf(3));
    expect(steps.map((step) => [step.kind, step.atMs])).toEqual([["prompt", 0], ["fixation", 1000], ["unit", 1500], ["unit", 1950], ["unit", 2400], ["blank", 2850], ["end", 3650]]);
  });

  it("puts a blank between units that stay shorter than their SOA", () => {
    const kinds = trialSteps(trialOf(2, { unit_ms: 300 })).map((step) => `${step.kind}@${step.atMs}`);
    expect(kinds).toEqual(["prompt@0", "fixation@1000", "unit@1500", "blank@1800", "unit@1950", "blank@2250", "end@3050"]);
  });

  it("shows a phrase, a blank and then its sign, which stays until the next phrase", () => {
    const before = (atMs: number) => ({ onset_ms: atMs, duration_ms: 900 });
    const units = [
      { index: 0, text: "two and two", onset_ms: 2800, before: before(1500), sign: "✓" },
      { index: 1, text: "are five", onset_ms: 5200, before: before(3950), sign: "✗" },
    ];
    const steps = trialSteps(trialOf(2, { units, unit_ms: 1200 }));
    expect(steps.map((step) => `${step.kind}@${step.atMs}`)).toEqual([
      "prompt@0", "fixation@1000", "phrase@1500", "blank@2400", "unit@2800", "phrase@3950", "blank@4850", "unit@5200", "blank@6400", "end@7200",
    ]);
    expect(steps.filter((step) => step.kind === "phrase").map((step) => step.text)).toEqual(["two and two", "are five"]);
  });

  it("moves phrases and signs together behind prompt and fixation", () => {
    const units = [{ index: 0, text: "a", onset_ms: 1000, before: { onset_ms: 0, duration_ms: 600 }, sign: "✓" }];
    expect(trialSteps(trialOf(1, { units, unit_ms: 1200 })).filter((step) => step.kind === "phrase" || step.kind === "unit").map((step) => step.atMs)).toEqual([1500, 2500]);
  });

  it("moves all units together behind prompt and fixation when they would cover them", () => {
    const trial = trialOf(2, { units: [{ index: 0, text: "a", onset_ms: 0 }, { index: 1, text: "b", onset_ms: 430 }] });
    const units = trialSteps(trial).filter((step) => step.kind === "unit");
    expect(units.map((step) => step.atMs)).toEqual([1500, 1930]);
  });

  it("ends a trial without units", () => {
    expect(trialSteps(trialOf(0)).map((step) => step.kind)).toEqual(["prompt", "fixation", "blank", "end"]);
  });
});

describe("TrialSchedule", () => {
  it.each([30, 59.94, 60, 75, 120, 144, 240])("shows every unit on the frame nearest its target at %s Hz, for 1000 units without drift", (hz) => {
    const periodMs = 1000 / hz;
    const seen = run(new TrialSchedule(trialSteps(trialOf(1000))), periodMs).filter(({ shown }) => shown.step.kind === "unit");
    expect(seen).toHaveLength(1000);
    for (const { shown, atMs } of seen) {
      expect(shown.targetMs).toBeCloseTo(1000 + shown.step.atMs, 9);
      expect(Math.abs(atMs - shown.targetMs)).toBeLessThanOrEqual(periodMs / 2 + 1e-6);
      expect(shown.framesMissed).toBe(0);
    }
  });

  it("starts at the first frame it sees", () => {
    const first = run(new TrialSchedule(trialSteps(trialOf(1))), PERIOD_MS, () => false, 98_765.4)[0];
    expect(first?.atMs).toBe(98_765.4);
    expect(first?.shown.step.kind).toBe("prompt");
  });

  it("counts missed frames for the late unit and does not shift the next one", () => {
    // Unit 1 (1950 ms) is due on frame 117; frames 117-120 are lost.
    const seen = run(new TrialSchedule(trialSteps(trialOf(3))), PERIOD_MS, (frame) => frame >= 117 && frame < 121);
    const units = seen.filter(({ shown }) => shown.step.kind === "unit");
    expect(units.map(({ shown }) => shown.framesMissed)).toEqual([0, 4, 0]);
    expect(units[2]?.atMs).toBeCloseTo(1000 + 2400, 6);
  });

  it("after a stall over a whole unit shows each unit for its time, moving the rest", () => {
    const schedule = new TrialSchedule(trialSteps(trialOf(4)));
    // Nothing from 1900 ms to 2500 ms: units 1 (1950) and 2 (2400) are both due at 2500.
    const seen = run(schedule, PERIOD_MS, (frame) => frame >= 114 && frame < 150);
    const units = seen.filter(({ shown }) => shown.step.kind === "unit");
    expect(units.map(({ shown }) => (shown.step.kind === "unit" ? shown.step.unit.index : -1))).toEqual([0, 1, 2, 3]);
    expect(schedule.movedMs).toBeCloseTo(550, 3);
    const gaps = units.slice(1).map(({ atMs }, k) => atMs - (units[k]?.atMs ?? 0));
    expect(gaps[1]).toBeCloseTo(450, 0);
    expect(gaps[2]).toBeCloseTo(450, 0);
  });

  it("shows at most one step on a frame", () => {
    const schedule = new TrialSchedule(trialSteps(trialOf(2)));
    schedule.frame(0, PERIOD_MS);
    expect(schedule.frame(60_000, PERIOD_MS)?.step.kind).toBe("fixation");
    expect(schedule.frame(60_001, PERIOD_MS)).toBeNull();
  });
});

describe("framesMissed", () => {
  it("is 0 up to half a period and then counts refreshes", () => {
    expect(framesMissed(1000, 1005, 16)).toBe(0);
    expect(framesMissed(1008, 1000, 16)).toBe(0);
    expect(framesMissed(1010, 1000, 16)).toBe(1);
    expect(framesMissed(1032, 1000, 16)).toBe(2);
  });
});

describe("FramePeriod", () => {
  it("is the median interval, whatever frames were missed or hidden", () => {
    const period = new FramePeriod();
    let nowMs = 0;
    for (let k = 0; k < 100; k += 1) {
      nowMs += k % 10 === 0 ? 3 * PERIOD_MS : k === 55 ? 60_000 : PERIOD_MS;
      period.add(nowMs);
    }
    expect(period.known).toBe(true);
    expect(period.ms).toBeCloseTo(PERIOD_MS, 6);
  });

  it("assumes 60 Hz until it knows better", () => {
    const period = new FramePeriod();
    period.add(0);
    period.add(8);
    expect(period.known).toBe(false);
    expect(period.hz).toBeCloseTo(60, 6);
  });
});
