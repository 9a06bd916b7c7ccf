/** The label rows that a console shows: the newest revision of each, in the order in which they first came. */

export interface UnitReward {
  readonly key: string;
  readonly presentation: string;
  readonly index: number;
  readonly text: string;
  readonly signal: string;
  readonly seq: number;
  /** Not shown as a text of ours: the annotation of a replayed recording. */
  readonly annotation: boolean;
  readonly llr: number | null;
  readonly llrSd: number | null;
  readonly pError: number | null;
  readonly reward: number | null;
  readonly rewardSd: number | null;
  readonly confidence: number | null;
  readonly release: string;
  readonly releaseReason: string | null;
  readonly late: boolean;
  /** Sample of the onset at the full sampling rate. */
  readonly sampleIndex: number | null;
  readonly decoder: string | null;
  /** Held-out AUC of the decoder and its 95 % interval. */
  readonly decoderAuc: number | null;
  readonly decoderAucCi95: readonly [number, number] | null;
}

type Row = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const figure = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const group = (value: unknown): Row => (typeof value === "object" && value !== null ? (value as Row) : {});

/** Read a row of `rlhb.label.v1`; null when it is not about a unit or says only that an earlier row is superseded. */
export function unitReward(row: Row): UnitReward | null {
  const unit = group(row["unit"]);
  const index = figure(unit["index"]);
  const presentation = text(row["presentation"]);
  const signal = text(row["signal"]) ?? "";
  if (index === null || presentation === null || row["superseded"] === true || row["current"] === false) return null;
  const decoder = group(row["decoder"]);
  const decoderName = text(decoder["name"]);
  const interval: readonly unknown[] = Array.isArray(decoder["auc_ci95"]) ? decoder["auc_ci95"] : [];
  const [low, high] = [figure(interval[0]), figure(interval[1])];
  return {
    key: rewardKey(presentation, index, signal),
    presentation,
    index,
    text: text(unit["text"]) ?? "",
    signal,
    seq: figure(row["seq"]) ?? 0,
    annotation: text(row["item_id"] ?? unit["item_id"]) === null && text(row["response_id"] ?? unit["response_id"]) === null,
    llr: figure(row["llr"]),
    llrSd: figure(row["llr_sd"]),
    pError: figure(row["p_error"]),
    reward: figure(row["reward"]),
    rewardSd: figure(row["reward_sd"]),
    confidence: figure(row["confidence"]),
    release: text(row["release"]) ?? "held",
    releaseReason: text(row["release_reason"]),
    late: row["late"] === true,
    sampleIndex: figure(row["sample_index"]),
    decoder: decoderName === null ? null : `${decoderName}@${figure(decoder["version"]) ?? "?"}`,
    decoderAuc: figure(decoder["auc"]),
    decoderAucCi95: low === null || high === null ? null : [low, high],
  };
}

export function rewardKey(presentation: string, index: number, signal: string): string {
  return `${presentation} ${index} ${signal}`;
}

/** Rows that are kept; older ones are forgotten first. */
const KEPT = 2000;

export class RewardBook {
  // A Map keeps its keys in the order in which they were first set.
  private readonly rows = new Map<string, UnitReward>();
  /** Signals seen, in the order in which they came. */
  readonly signals: string[] = [];

  /** Take committed rows; returns how many were new or changed something. */
  take(raw: readonly Row[]): number {
    let changed = 0;
    for (const item of raw) {
      const row = unitReward(item);
      const known = row === null ? undefined : this.rows.get(row.key);
      if (row === null || (known !== undefined && known.seq >= row.seq)) continue;
      this.rows.set(row.key, row);
      if (!this.signals.includes(row.signal)) this.signals.push(row.signal);
      changed += 1;
    }
    for (const oldest of this.rows.keys()) {
      if (this.rows.size <= KEPT) break;
      this.rows.delete(oldest);
    }
    return changed;
  }

  find(presentation: string, index: number, signal: string): UnitReward | undefined {
    return this.rows.get(rewardKey(presentation, index, signal));
  }

  byKey(key: string): UnitReward | undefined {
    return this.rows.get(key);
  }

  /** The latest rows of a signal, oldest first. */
  latest(count: number, signal: string): UnitReward[] {
    return [...this.rows.values()].filter((row) => row.signal === signal).slice(-count);
  }
}
