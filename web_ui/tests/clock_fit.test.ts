import { describe, expect, it } from "vitest";
import { ClockFitter, KEPT_EXCHANGES, LEAST_EXCHANGES } from "../src/lib/clock_fit";

/** Numbers from 0 to 1 that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (1664525 * state + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

interface Network {
  readonly offsetS: number;
  readonly driftPpm: number;
  readonly upS: () => number;
  readonly downS: () => number;
}

function exchange(fitter: ClockFitter, pageS: number, network: Network): void {
  const server = (s: number): number => s + network.offsetS + network.driftPpm * 1e-6 * s;
  const arrived = pageS + network.upS();
  const answered = arrived + 0.0002;
  fitter.add(pageS, server(arrived), server(answered), answered + network.downS());
}

const constant = (s: number) => (): number => s;

describe("ClockFitter", () => {
  it("is not ready before it has seen enough exchanges", () => {
    const fitter = new ClockFitter();
    for (let k = 0; k < LEAST_EXCHANGES; k += 1) {
      expect(fitter.at(0)).toBeNull();
      exchange(fitter, k * 0.04, { offsetS: 1, driftPpm: 0, upS: constant(0.001), downS: constant(0.001) });
    }
    expect(fitter.at(0)).not.toBeNull();
  });

  it("finds the offset exactly on a symmetric network, and bounds it by half the round trip", () => {
    const fitter = new ClockFitter();
    for (let k = 0; k < 12; k += 1) exchange(fitter, 10 + k * 0.04, { offsetS: 1234.5, driftPpm: 0, upS: constant(0.004), downS: constant(0.004) });
    const fit = fitter.at(10_500);
    expect(fit?.offset_s).toBeCloseTo(1234.5, 9);
    expect(fit?.rtt_ms).toBeCloseTo(8, 6);
    expect(fit?.sd_ms).toBeCloseTo(4, 6);
    expect(fit?.drift_ppm).toBe(0);
  });

  it("stays within its own bound however asymmetric the network is", () => {
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const fitter = new ClockFitter();
      const random = seeded(7);
      for (let k = 0; k < 60; k += 1) exchange(fitter, k * 0.5, { offsetS: -20, driftPpm: 0, upS: () => 0.02 * share + 0.05 * random() ** 6, downS: () => 0.02 * (1 - share) + 0.05 * random() ** 6 });
      const fit = fitter.at(30_000);
      if (fit === null) throw new Error("no fit");
      expect(Math.abs(fit.offset_s + 20) * 1000).toBeLessThanOrEqual(fit.sd_ms + 0.5);
    }
  });

  it("does not follow exchanges that were held up", () => {
    const fitter = new ClockFitter();
    const random = seeded(3);
    // Three of four are delayed on one way only, by up to 300 ms: their mean offset is wrong by tens of milliseconds.
    for (let k = 0; k < 100; k += 1) exchange(fitter, k * 0.2, { offsetS: 5, driftPpm: 0, upS: () => 0.002 + (k % 4 === 0 ? 0 : 0.3 * random()), downS: constant(0.002) });
    expect(fitter.at(20_000)?.offset_s).toBeCloseTo(5, 3);
  });

  it("follows a drift once the exchanges span long enough", () => {
    const fitter = new ClockFitter();
    const random = seeded(11);
    for (let k = 0; k < KEPT_EXCHANGES; k += 1) exchange(fitter, k * 2, { offsetS: 3, driftPpm: 80, upS: () => 0.001 + 0.01 * random() ** 4, downS: () => 0.001 + 0.01 * random() ** 4 });
    const nowS = KEPT_EXCHANGES * 2;
    const fit = fitter.at(nowS * 1000);
    expect(fit?.drift_ppm).toBeGreaterThan(75);
    expect(fit?.drift_ppm).toBeLessThan(85);
    expect(fit?.offset_s).toBeCloseTo(3 + 80e-6 * nowS, 3);
  });

  it("forgets old exchanges and leaves out impossible ones", () => {
    const fitter = new ClockFitter();
    fitter.add(1, 5, 5, 0.9); // came back before it left
    fitter.add(1, Number.NaN, 5, 2);
    fitter.add(1, 5, 4, 2); // the server answered before it was asked
    expect(fitter.count).toBe(0);
    for (let k = 0; k < KEPT_EXCHANGES + 30; k += 1) exchange(fitter, k, { offsetS: 1, driftPpm: 0, upS: constant(0.001), downS: constant(0.001) });
    expect(fitter.count).toBe(KEPT_EXCHANGES);
  });
});
