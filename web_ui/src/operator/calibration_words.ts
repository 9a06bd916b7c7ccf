/** What the operator reads of a calibration: one sentence, how far it is, and whether it is good. */

import type { CalibrationView } from "../lib/messages";

export interface CalibrationWords {
  readonly sentence: string;
  /** 0 to 1; null where nothing is under way. */
  readonly fraction: number | null;
  readonly tone: "calm" | "well" | "warn";
}

export function calibrationWords(view: CalibrationView, state: string): CalibrationWords {
  const texts = `${view.trials_done} of ${view.n_trials} calibration texts have been shown`;
  const result = view.result ?? null;
  if (result !== null) {
    return { sentence: result.sentence, fraction: null, tone: result.released ? "well" : "warn" };
  }
  if (state === "checking" || state === "created") {
    return { sentence: `${view.n_trials} texts with known errors come first; the decoder is fitted on them. Check the electrodes, then start.`, fraction: null, tone: "calm" };
  }
  if (state === "validating") {
    const what = view.what ?? null;
    return { sentence: what === null ? "The recording of the calibration is being completed." : `Fitting the decoder: ${what}.`, fraction: view.fraction ?? 0, tone: "calm" };
  }
  if (state === "aborted" || state === "finished" || !view.active) {
    return { sentence: `${texts}; no decoder came of it.`, fraction: null, tone: "warn" };
  }
  return { sentence: `${texts}${state === "paused" ? "; paused" : ""}.`, fraction: view.n_trials > 0 ? view.trials_done / view.n_trials : 0, tone: "calm" };
}
