import { describe, expect, it } from "vitest";
import type { CalibrationView } from "../src/lib/messages";
import { calibrationWords } from "../src/operator/calibration_words";

const VIEW: CalibrationView = { active: true, round: 1, n_trials: 60, trials_done: 15, what: null, fraction: null, result: null };
const RESULT = { type: "calibrated", recording_id: "r", name: "p01", version: 1, released: true, auc: 0.7, auc_ci95: [0.6, 0.8], gate: [], sentence: "It passed." } as const;

describe("what the operator reads of a calibration", () => {
  it("tells beforehand what comes first", () => {
    expect(calibrationWords({ ...VIEW, trials_done: 0 }, "checking").sentence).toContain("60 texts with known errors come first");
  });

  it("counts the texts while they are shown, also in a pause", () => {
    expect(calibrationWords(VIEW, "calibrating")).toEqual({ sentence: "15 of 60 calibration texts have been shown.", fraction: 0.25, tone: "calm" });
    expect(calibrationWords(VIEW, "paused").sentence).toContain("paused");
  });

  it("tells what the fit is doing, and waits for the recording before it begins", () => {
    expect(calibrationWords(VIEW, "validating").sentence).toContain("being completed");
    expect(calibrationWords({ ...VIEW, what: "filtering the recordings", fraction: 0.05 }, "validating")).toMatchObject({
      sentence: "Fitting the decoder: filtering the recordings.",
      fraction: 0.05,
    });
  });

  it("says the verdict in the words of the fit, good or not", () => {
    expect(calibrationWords({ ...VIEW, result: RESULT as unknown as NonNullable<CalibrationView["result"]> }, "ready")).toEqual({ sentence: "It passed.", fraction: null, tone: "well" });
    expect(calibrationWords({ ...VIEW, result: { ...RESULT, released: false } as unknown as NonNullable<CalibrationView["result"]> }, "validating").tone).toBe("warn");
  });

  it("does not leave a broken-off calibration without a word", () => {
    expect(calibrationWords(VIEW, "aborted")).toMatchObject({ tone: "warn", fraction: null });
  });
});
