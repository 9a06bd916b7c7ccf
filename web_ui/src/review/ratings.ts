/** Ratings a subject gave beside the EEG, against what was decoded of the same texts. */
import type { ReviewText } from "./label_rows";

export interface JournalEntry {
  readonly position: number;
  readonly what: string;
  readonly state?: string;
  readonly text: string;
  readonly who: string;
  readonly at: string;
}

export interface Rated {
  readonly trial: number;
  readonly rating: number;
  readonly scale: string;
  /** Mean reward of the text's words. */
  readonly reward: number;
}

const RATING = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?) on the scale (.*), text (\d+)$/;

/** Pair the ratings of a session's journal with the mean reward of the text that was rated; the last rating of a text counts. */
export function ratedTexts(journal: readonly JournalEntry[], texts: readonly ReviewText[]): readonly Rated[] {
  const found = new Map<string, Rated>();
  for (const entry of journal) {
    const match = entry.what === "rating" ? RATING.exec(entry.text) : null;
    if (match === null) continue;
    const trial = Number(match[3]) - 1;
    const shown = texts.filter((candidate) => candidate.trial === trial).at(-1);
    if (shown === undefined || shown.meanReward === null) continue;
    const scale = match[2] ?? "";
    found.set(`${scale} ${trial}`, { trial, rating: Number(match[1]), scale, reward: shown.meanReward });
  }
  return [...found.values()];
}

export interface Correlation {
  readonly r: number;
  readonly n: number;
  /** 95 % interval by Fisher's z; null below four pairs. */
  readonly interval: readonly [number, number] | null;
}

/** Pearson's correlation; null below three pairs or where one side does not vary. */
export function correlation(pairs: readonly (readonly [number, number])[]): Correlation | null {
  const n = pairs.length;
  if (n < 3) return null;
  const mean = (side: 0 | 1): number => pairs.reduce((sum, pair) => sum + pair[side], 0) / n;
  const [meanA, meanB] = [mean(0), mean(1)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [a, b] of pairs) {
    ab += (a - meanA) * (b - meanB);
    aa += (a - meanA) ** 2;
    bb += (b - meanB) ** 2;
  }
  if (aa === 0 || bb === 0) return null;
  const r = Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb)));
  if (n < 4 || Math.abs(r) === 1) return { r, n, interval: null };
  const z = Math.atanh(r);
  const half = 1.959964 / Math.sqrt(n - 3);
  return { r, n, interval: [Math.tanh(z - half), Math.tanh(z + half)] };
}
