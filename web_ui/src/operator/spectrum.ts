/** Power spectra of the preview, per channel: Welch's method on the last seconds. */
import type { TraceRing } from "./trace_ring";

export interface Spectrum {
  /** Middle of each bin, hertz. */
  readonly frequenciesHz: readonly number[];
  /** Per channel: 10 log10 of µV²/Hz; null for a channel with gaps all over. */
  readonly levelsDb: readonly (readonly number[] | null)[];
}

const SEGMENT_S = 2;
const SPAN_S = 8;
const FLOOR_UV2 = 1e-6;

/**
 * Spectra of all channels of a ring.
 *
 * @param rateHz rate of the ring's slots
 * @param group samples of the board whose mean is one slot; its sinc is divided out
 * @param highestHz what lies above is left out
 */
export function spectrumOf(ring: TraceRing, rateHz: number, group: number, highestHz = 60): Spectrum | null {
  const n = 2 ** Math.round(Math.log2(SEGMENT_S * rateHz));
  const first = Math.max(ring.start, ring.end - Math.round(SPAN_S * rateHz));
  if (ring.end - first < n) return null;
  const window = Float64Array.from({ length: n }, (_unused, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / n));
  const power = window.reduce((sum, value) => sum + value * value, 0);
  const bins = Array.from({ length: n / 2 }, (_unused, k) => (k * rateHz) / n).filter((hz) => hz > 0.4 && hz <= Math.min(highestHz, 0.48 * rateHz));
  const lowest = Math.round(((bins[0] ?? 0) * n) / rateHz);
  const levelsDb = Array.from({ length: ring.nChannels }, (_unused, channel) => {
    const density = welch(ring, channel, first, n, window);
    return density === null ? null : bins.map((hz, k) => 10 * Math.log10(Math.max(FLOOR_UV2, (2 * (density[lowest + k] ?? 0)) / (power * rateHz) / groupGain(hz, rateHz, group) ** 2)));
  });
  return { frequenciesHz: bins, levelsDb };
}

/** What a mean over `group` samples leaves of a frequency, 0 to 1. */
export function groupGain(hz: number, rateHz: number, group: number): number {
  const half = (Math.PI * hz) / (rateHz * group);
  return group <= 1 || half === 0 ? 1 : Math.abs(Math.sin(group * half) / (group * Math.sin(half)));
}

/** Mean periodogram (not yet scaled) of half overlapping segments without a gap. */
function welch(ring: TraceRing, channel: number, first: number, n: number, window: Float64Array): Float64Array | null {
  const sum = new Float64Array(n / 2);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  let segments = 0;
  for (let start = first; start + n <= ring.end; start += n / 2) {
    let mean = 0;
    for (let k = 0; k < n; k += 1) mean += (re[k] = ring.at(start + k, channel)) / n;
    if (Number.isNaN(mean)) continue;
    for (let k = 0; k < n; k += 1) re[k] = ((re[k] ?? 0) - mean) * (window[k] ?? 0);
    im.fill(0);
    fft(re, im);
    for (let k = 0; k < n / 2; k += 1) sum[k] = (sum[k] ?? 0) + (re[k] ?? 0) ** 2 + (im[k] ?? 0) ** 2;
    segments += 1;
  }
  return segments === 0 ? null : sum.map((value) => value / segments);
}

/** Fast Fourier transform in place, radix 2; the length is a power of two. */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let k = 1, j = 0; k < n; k += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (k < j) {
      [re[k], re[j]] = [re[j] ?? 0, re[k] ?? 0];
      [im[k], im[j]] = [im[j] ?? 0, im[k] ?? 0];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const turn = (-2 * Math.PI) / size;
    for (let at = 0; at < n; at += size) {
      for (let k = 0; k < size / 2; k += 1) {
        const [cos, sin] = [Math.cos(turn * k), Math.sin(turn * k)];
        const [a, b] = [at + k, at + k + size / 2];
        const [x, y] = [(re[b] ?? 0) * cos - (im[b] ?? 0) * sin, (re[b] ?? 0) * sin + (im[b] ?? 0) * cos];
        [re[b], im[b]] = [(re[a] ?? 0) - x, (im[a] ?? 0) - y];
        [re[a], im[a]] = [(re[a] ?? 0) + x, (im[a] ?? 0) + y];
      }
    }
  }
}
