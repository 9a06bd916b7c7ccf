import { describe, expect, it } from "vitest";
import type { ChannelQuality } from "../src/lib/messages";
import { DisplayFilter, NO_FILTER, refilter, sectionsOf } from "../src/operator/display_filter";
import { remedyFor, signalVerdict } from "../src/operator/signal_verdict";
import { fft, groupGain, spectrumOf } from "../src/operator/spectrum";
import { TraceRing } from "../src/operator/trace_ring";

const RATE_HZ = 125;
const sine = (hz: number, count: number, amplitudeUv = 1): Float32Array => Float32Array.from({ length: count }, (_unused, k) => amplitudeUv * Math.sin((2 * Math.PI * hz * k) / RATE_HZ));

/** Largest value after the swing-in. */
const settledUv = (samples: Float32Array): number => samples.slice(-RATE_HZ).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe("display filter", () => {
  it("lets through what lies in the band and takes out what does not", () => {
    const gain = (hz: number): number => {
      const samples = sine(hz, 20 * RATE_HZ);
      new DisplayFilter({ highPassHz: 1, lowPassHz: 30, notchHz: 50 }, RATE_HZ, 1).apply(samples, samples.length);
      return settledUv(samples);
    };
    expect(gain(8)).toBeGreaterThan(0.95);
    expect(gain(1)).toBeCloseTo(Math.SQRT1_2, 1);
    expect(gain(0.1)).toBeLessThan(0.02);
    expect(gain(50)).toBeLessThan(0.005);
  });

  it("makes no swing out of an electrode's offset, nor after a gap", () => {
    const samples = new Float32Array(40).fill(30_000);
    samples[20] = Number.NaN;
    samples.fill(-12_000, 21);
    new DisplayFilter({ highPassHz: 0.5, lowPassHz: 30, notchHz: 50 }, RATE_HZ, 1).apply(samples, samples.length);
    expect(samples.filter((value) => !Number.isNaN(value)).every((value) => Math.abs(value) < 0.05)).toBe(true);
    expect(samples[20]).toBeNaN();
  });

  it("gives the same for any cutting into chunks, and for each channel by itself", () => {
    const wish = { highPassHz: 0.5, lowPassHz: 15, notchHz: 50 };
    const whole = Float32Array.from({ length: 60 }, (_unused, k) => Math.sin(k * k));
    const cut = whole.slice();
    new DisplayFilter(wish, RATE_HZ, 2).apply(whole, 30);
    const filter = new DisplayFilter(wish, RATE_HZ, 2);
    for (let k = 0; k < 30; k += 3) filter.apply(cut.subarray(2 * k, 2 * k + 6), 3);
    expect(cut).toEqual(whole);
  });

  it("leaves out frequencies that the rate cannot hold, and is nothing without a wish", () => {
    expect(sectionsOf({ highPassHz: 1, lowPassHz: 45, notchHz: 60 }, 100)).toHaveLength(2);
    expect(sectionsOf(NO_FILTER, RATE_HZ)).toHaveLength(0);
  });

  it("filters a ring anew as it would have filtered it live", () => {
    const wish = { highPassHz: 1, lowPassHz: 0, notchHz: 0 };
    const [raw, live, anew] = [new TraceRing(1, 50), new TraceRing(1, 50), new TraceRing(1, 50)];
    const samples = sine(3, 40, 20);
    raw.write(7, samples, 40);
    const filtered = samples.slice();
    new DisplayFilter(wish, RATE_HZ, 1).apply(filtered, 40);
    live.write(7, filtered, 40);
    refilter(raw, anew, new DisplayFilter(wish, RATE_HZ, 1));
    for (let slot = 7; slot < 47; slot += 1) expect(anew.at(slot, 0)).toBe(live.at(slot, 0));
  });
});

describe("spectrum", () => {
  it("has a transform like the sum that defines it", () => {
    const values = Float64Array.from({ length: 16 }, (_unused, k) => Math.sin(k * k));
    const [re, im] = [values.slice(), new Float64Array(16)];
    fft(re, im);
    for (let f = 0; f < 16; f += 1) {
      let [a, b] = [0, 0];
      values.forEach((value, k) => {
        a += value * Math.cos((2 * Math.PI * f * k) / 16);
        b -= value * Math.sin((2 * Math.PI * f * k) / 16);
      });
      expect(re[f]).toBeCloseTo(a, 12);
      expect(im[f]).toBeCloseTo(b, 12);
    }
  });

  it("holds the power of a sine at its frequency", () => {
    const ring = new TraceRing(1, 10 * RATE_HZ);
    ring.write(0, sine(10, 9 * RATE_HZ, 10), 9 * RATE_HZ);
    const found = spectrumOf(ring, RATE_HZ, 1) ?? expect.fail("no spectrum");
    const levels = found.levelsDb[0] ?? expect.fail("no channel");
    const peak = levels.indexOf(Math.max(...levels));
    expect(found.frequenciesHz[peak]).toBeCloseTo(10, 0);
    const step = (found.frequenciesHz[1] ?? 0) - (found.frequenciesHz[0] ?? 0);
    const power = levels.reduce((sum, db) => sum + 10 ** (db / 10) * step, 0);
    expect(power).toBeCloseTo(50, 0);
  });

  it("waits for enough samples and passes over stretches with a gap", () => {
    const ring = new TraceRing(2, 10 * RATE_HZ);
    ring.write(0, new Float32Array(200), 100);
    expect(spectrumOf(ring, RATE_HZ, 1)).toBeNull();
    ring.write(300, new Float32Array(400), 200);
    expect(spectrumOf(ring, RATE_HZ, 1)?.levelsDb).toEqual([null, null]);
  });

  it("knows what the mean over a group takes away", () => {
    expect(groupGain(10, 125, 1)).toBe(1);
    expect(groupGain(0, 125, 4)).toBe(1);
    expect(groupGain(50, 125, 2)).toBeCloseTo(Math.abs(Math.cos((Math.PI * 50) / 250)), 12);
  });
});

describe("signal verdict", () => {
  const channel = (name: string, more: Partial<ChannelQuality> = {}): ChannelQuality => ({ name, rms_uv: 10, ...more });

  it("waits for samples, and is ready when nothing is wrong", () => {
    expect(signalVerdict([], null)).toBeNull();
    expect(signalVerdict([channel("Cz"), channel("Pz")], { reasons: [] })).toMatchObject({ ready: true, sentence: "Ready: all 2 channels are good, and the stream is." });
  });

  it("names what is wrong where, and what to do", () => {
    const found = signalVerdict([channel("Cz", { bad: true, reasons: ["flat: 0.1 µV peak to peak (limit 0.5 µV)"] }), channel("Pz")], { reasons: ["loss 3.0% of the samples (limit 1.0%)"] });
    expect(found?.ready).toBe(false);
    expect(found?.sentence).toBe("1 of 2 channels needs attention; the stream is not steady.");
    expect(found?.findings.map((finding) => finding.where)).toEqual(["Stream", "Cz"]);
    expect(found?.findings[1]?.remedy).toBe("Check the electrode: its plug, and that it touches the skin.");
  });

  it("has a remedy for whatever a daemon may say", () => {
    for (const reason of ["missing 20% (limit 1%)", "at the rail: 187500 µV (limit 180000 µV)", "bridged with C3: difference", "RMS 300 µV", "mains 80% of the power", "muscle 70%", "drift +90 ppm", "newest sample 900 ms old"])
      expect(remedyFor(reason)).not.toBe("Check the electrode.");
    expect(remedyFor("")).toBe("Check the electrode.");
  });
});
