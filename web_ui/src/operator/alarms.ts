/** Alarms of the lab: reported ones until they are acknowledged, and what is wrong for as long as it is. */
import type { OperatorAlarm, StandingFault } from "../lib/messages";

export interface StandingAlarm {
  readonly what: string;
  readonly sentence: string;
  readonly at: string;
  /** How often it was reported since it was last acknowledged. */
  readonly count: number;
  /** It is wrong still; it cannot be put away before it is mended. */
  readonly lasting: boolean;
  /** Somebody has acknowledged it. */
  readonly known: boolean;
}

/** Where acknowledgements are kept, so that a reloaded page does not show them anew. */
export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEPT = 200;

export class Acknowledged {
  private readonly key: string;
  private readonly seen: Set<string>;

  constructor(
    sessionId: string,
    private readonly shelf: Shelf | null = typeof sessionStorage === "undefined" ? null : sessionStorage,
  ) {
    this.key = `rlhb acknowledged ${sessionId}`;
    this.seen = new Set(readList(this.shelf?.getItem(this.key) ?? null));
  }

  has(alarm: Pick<OperatorAlarm, "what" | "at">): boolean {
    return this.seen.has(`${alarm.what} ${alarm.at}`);
  }

  add(alarm: Pick<OperatorAlarm, "what" | "at">): void {
    this.seen.add(`${alarm.what} ${alarm.at}`);
    this.shelf?.setItem(this.key, JSON.stringify([...this.seen].slice(-KEPT)));
  }
}

function readList(text: string | null): string[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

/**
 * One list, latest on top: a fault that lasts stands once, whether or not it was reported as well; acknowledged, it stays but says so.
 *
 * @param faults what is wrong now
 * @param alarms reported and not acknowledged
 */
export function standingAlarms(faults: readonly StandingFault[], alarms: readonly StandingAlarm[], acknowledged: Acknowledged): readonly StandingAlarm[] {
  const lasting = faults.map((fault): StandingAlarm => {
    const reported = alarms.find((alarm) => alarm.what === fault.what);
    return { what: fault.what, sentence: fault.sentence, at: fault.since, count: reported?.count ?? 1, lasting: true, known: acknowledged.has({ what: fault.what, at: fault.since }) };
  });
  const others = alarms.filter((alarm) => !faults.some((fault) => fault.what === alarm.what));
  return [...lasting, ...others].sort((a, b) => Number(a.known) - Number(b.known) || b.at.localeCompare(a.at));
}
