/**
 * Offset between the page's clock (`performance.now()`) and the server's clock, from pings and pongs.
 *
 * One exchange: the page sends at t0, the server receives at t1 and answers at t2 (its own clock), the page receives at t3.
 *   rtt = (t3 − t0) − (t2 − t1)        offset = ((t1 − t0) + (t2 − t3)) / 2
 * The offset is wrong by half the difference between the two ways, so by at most rtt / 2. Exchanges that were held up have a
 * larger rtt; only those near the smallest rtt are used (minimum-round-trip filter, as in NTP: RFC 5905, section 10).
 */
import type { ClockFit } from "./messages";

export interface Exchange {
  /** Page clock, seconds, in the middle of the exchange. */
  readonly pageS: number;
  /** Server clock minus page clock, seconds. */
  readonly offsetS: number;
  readonly rttS: number;
}

/** Exchanges kept: four minutes at one every two seconds. */
export const KEPT_EXCHANGES = 120;
/** Fewer exchanges than this are no fit. */
export const LEAST_EXCHANGES = 5;
/** Share of the exchanges, those with the smallest rtt, that is used once there are many. */
const USED_SHARE = 0.25;
/** Shortest span over which a drift can be told from jitter. */
const DRIFT_SPAN_S = 30;

export class ClockFitter {
  private readonly exchanges: Exchange[] = [];

  get count(): number {
    return this.exchanges.length;
  }

  get ready(): boolean {
    return this.exchanges.length >= LEAST_EXCHANGES;
  }

  /** Take one exchange; all four times in seconds. Exchanges that cannot be (negative round trip, not a number) are left out. */
  add(t0: number, t1: number, t2: number, t3: number): void {
    const rttS = t3 - t0 - (t2 - t1);
    const offsetS = (t1 - t0 + (t2 - t3)) / 2;
    if (!Number.isFinite(offsetS) || !Number.isFinite(rttS) || rttS < 0 || t2 < t1) return;
    this.exchanges.push({ pageS: (t0 + t3) / 2, offsetS, rttS });
    if (this.exchanges.length > KEPT_EXCHANGES) this.exchanges.shift();
  }

  /**
   * The fit at a page time: server seconds = page_ms / 1000 + offset_s.
   *
   * sd² = (residual sd of the used offsets)² + (smallest rtt / 2)²: the bound that the unknown asymmetry leaves counts as a
   * standard deviation. Returns null while there are too few exchanges.
   */
  at(pageMs: number): ClockFit | null {
    if (!this.ready) return null;
    const used = this.fastest();
    const line = fitLine(used);
    const offsetS = line.offsetS + line.slope * (pageMs / 1000 - line.centreS);
    const leastRttS = used.reduce((least, exchange) => Math.min(least, exchange.rttS), Infinity);
    const sdS = Math.hypot(line.residualSdS, leastRttS / 2);
    return { offset_s: offsetS, drift_ppm: line.slope * 1e6, sd_ms: sdS * 1000, rtt_ms: leastRttS * 1000 };
  }

  private fastest(): Exchange[] {
    const sorted = [...this.exchanges].sort((a, b) => a.rttS - b.rttS);
    return sorted.slice(0, Math.max(LEAST_EXCHANGES, Math.ceil(sorted.length * USED_SHARE)));
  }
}

interface Line {
  readonly centreS: number;
  readonly offsetS: number;
  /** Seconds of server clock gained per second of page clock. */
  readonly slope: number;
  readonly residualSdS: number;
}

/** Least squares of offset on page time, weighted by 1 / rtt²; without slope while the exchanges span too little time. */
function fitLine(used: readonly Exchange[]): Line {
  let weights = 0;
  let sumX = 0;
  let sumY = 0;
  let first = Infinity;
  let last = -Infinity;
  // 0.1 ms: the clocks' own resolution; keeps one lucky exchange from having all the weight.
  const weightOf = (exchange: Exchange): number => 1 / (exchange.rttS + 1e-4) ** 2;
  for (const exchange of used) {
    const weight = weightOf(exchange);
    weights += weight;
    sumX += weight * exchange.pageS;
    sumY += weight * exchange.offsetS;
    first = Math.min(first, exchange.pageS);
    last = Math.max(last, exchange.pageS);
  }
  const centreS = sumX / weights;
  const offsetS = sumY / weights;
  let slope = 0;
  if (last - first >= DRIFT_SPAN_S) {
    let sxx = 0;
    let sxy = 0;
    for (const exchange of used) {
      const weight = weightOf(exchange);
      sxx += weight * (exchange.pageS - centreS) ** 2;
      sxy += weight * (exchange.pageS - centreS) * (exchange.offsetS - offsetS);
    }
    slope = sxx > 0 ? sxy / sxx : 0;
  }
  let squares = 0;
  for (const exchange of used) squares += weightOf(exchange) * (exchange.offsetS - offsetS - slope * (exchange.pageS - centreS)) ** 2;
  return { centreS, offsetS, slope, residualSdS: Math.sqrt(squares / weights) };
}
