import type { Trial } from "../src/lib/messages";

/** A trial of n words, SOA 450 ms, the first one 1500 ms after the trial's first frame. */
export function trialOf(n: number, changes: Partial<Trial> = {}): Trial {
  const units = Array.from({ length: n }, (_unused, index) => ({ index, text: `word${index}`, onset_ms: 1500 + 450 * index }));
  return { type: "trial", trial: 0, block: 0, n_trials: 3, presentation: "p0", repeat: 0, prompt: "Why?", prompt_ms: 1000, fixation_ms: 500, units, unit_ms: null, blank_ms: 800, ...changes };
}
