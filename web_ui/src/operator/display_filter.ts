/**
 * Filters for looking at the traces; nothing that is recorded or decoded passes through them.
 *
 * Second-order sections after R. Bristow-Johnson's audio EQ cookbook (bilinear transform), transposed direct form II, causal.
 */
import type { TraceRing } from "./trace_ring";

export interface FilterWish {
  /** High pass, hertz; 0 for none. */
  readonly highPassHz: number;
  /** Low pass, hertz; 0 for none. */
  readonly lowPassHz: number;
  /** Mains frequency to be taken out, hertz; 0 for none. */
  readonly notchHz: number;
}

export const NO_FILTER: FilterWish = { highPassHz: 0, lowPassHz: 0, notchHz: 0 };

/** Coefficients b0, b1, b2, a1, a2 with a0 = 1. */
export type Section = readonly [number, number, number, number, number];

const BUTTERWORTH_Q = Math.SQRT1_2;
/** 50 Hz ± .8 Hz: narrow enough that what lies beside it stays. */
const NOTCH_Q = 30;

function section(kind: "high" | "low" | "notch", hz: number, rateHz: number, q: number): Section {
  const w = (2 * Math.PI * hz) / rateHz;
  const [cos, alpha] = [Math.cos(w), Math.sin(w) / (2 * q)];
  const a0 = 1 + alpha;
  const a1 = (-2 * cos) / a0;
  const a2 = (1 - alpha) / a0;
  if (kind === "notch") return [1 / a0, a1, 1 / a0, a1, a2];
  const side = (kind === "low" ? 1 - cos : 1 + cos) / (2 * a0);
  return [side, kind === "low" ? 2 * side : -2 * side, side, a1, a2];
}

/** The sections of a wish at a rate; a frequency at or above half the rate cannot be filtered and is left out. */
export function sectionsOf(wish: FilterWish, rateHz: number): readonly Section[] {
  const possible = (hz: number): boolean => hz > 0 && hz < rateHz / 2;
  const found: Section[] = [];
  if (possible(wish.highPassHz)) found.push(section("high", wish.highPassHz, rateHz, BUTTERWORTH_Q));
  if (possible(wish.notchHz)) found.push(section("notch", wish.notchHz, rateHz, NOTCH_Q));
  if (possible(wish.lowPassHz)) found.push(section("low", wish.lowPassHz, rateHz, BUTTERWORTH_Q));
  return found;
}

/** Filters all channels sample by sample, with a state for each. */
export class DisplayFilter {
  private readonly sections: readonly Section[];
  /** Two values per channel and section. */
  private readonly state: Float64Array;
  private readonly settled: Uint8Array;

  constructor(
    wish: FilterWish,
    rateHz: number,
    private readonly nChannels: number,
  ) {
    this.sections = sectionsOf(wish, rateHz);
    this.state = new Float64Array(2 * nChannels * this.sections.length);
    this.settled = new Uint8Array(nChannels);
  }

  /** Forget what came before: a gap. */
  reset(): void {
    this.settled.fill(0);
  }

  /**
   * Filter samples of all channels.
   *
   * @param samplesUv (nSamples, nChannels), channel fastest; filtered in place
   */
  apply(samplesUv: Float32Array, nSamples: number): void {
    if (this.sections.length === 0) return;
    for (let k = 0; k < nSamples; k += 1) {
      for (let channel = 0; channel < this.nChannels; channel += 1) {
        const at = k * this.nChannels + channel;
        const valueUv = samplesUv[at] ?? Number.NaN;
        if (Number.isNaN(valueUv)) this.settled[channel] = 0;
        else samplesUv[at] = this.step(channel, valueUv);
      }
    }
  }

  private step(channel: number, valueUv: number): number {
    let x = valueUv;
    const first = this.settled[channel] === 0;
    this.settled[channel] = 1;
    this.sections.forEach(([b0, b1, b2, a1, a2], k) => {
      const at = 2 * (k * this.nChannels + channel);
      if (first) {
        // As if the first value had stood for ever, so that an electrode's offset makes no swing.
        const still = (x * (b0 + b1 + b2)) / (1 + a1 + a2);
        this.state[at] = still - b0 * x;
        this.state[at + 1] = b2 * x - a2 * still;
      }
      const y = b0 * x + (this.state[at] ?? 0);
      this.state[at] = b1 * x - a1 * y + (this.state[at + 1] ?? 0);
      this.state[at + 1] = b2 * x - a2 * y;
      x = y;
    });
    return x;
  }
}

/** Write a whole ring anew, filtered, into another of its size. */
export function refilter(raw: TraceRing, shown: TraceRing, filter: DisplayFilter): void {
  const row = new Float32Array(raw.nChannels);
  for (let slot = raw.start; slot < raw.end; slot += 1) {
    for (let channel = 0; channel < raw.nChannels; channel += 1) row[channel] = raw.at(slot, channel);
    filter.apply(row, 1);
    shown.write(slot, row, 1);
  }
}
