/** What a trial looks like in time, for its picture. */
import type { ProtocolDetail } from "./library_rest";

export interface TrialPart {
  readonly text: string;
  readonly startMs: number;
  readonly durationMs: number;
  /** Nothing, or a cross: no window is cut around it. */
  readonly quiet: boolean;
  /** How much earlier or later it may come; 0 for none. */
  readonly jitterMs: number;
  /** What stands below it; empty for nothing. */
  readonly below: string;
}

const WORDS = ["The", "Earth", "is", "old"];
const PHRASE = "The Earth is";
const PHRASE_WORDS = 3;
/** Drawn lengths of what takes as long as the subject wants. */
const READ_MS = 3000;
const RATE_MS = 800;

/** The parts of a short trial, one after the other. */
export function trialParts(protocol: ProtocolDetail): TrialPart[] {
  const parts: TrialPart[] = [];
  let atMs = 0;
  const add = (text: string, durationMs: number, { quiet = false, jitterMs = 0, below = "" } = {}): void => {
    parts.push({ text, startMs: atMs, durationMs, quiet, jitterMs, below });
    atMs += durationMs;
  };
  if (protocol.fixation_ms > 0) add("+", protocol.fixation_ms, { quiet: true, below: `${protocol.fixation_ms} ms` });
  const verdict = protocol.verdict ?? null;
  if (protocol.units === "none") {
    add("the whole answer", READ_MS, { below: "until it is rated" });
    return parts;
  }
  if (verdict === null) {
    WORDS.forEach((word, k) => add(word, protocol.soa_ms, { jitterMs: k > 0 ? protocol.jitter_ms : 0, below: k === 1 ? `${protocol.soa_ms} ± ${protocol.jitter_ms} ms` : "" }));
  } else {
    const readMs = verdict.first_word_ms + PHRASE_WORDS * verdict.word_ms;
    add(PHRASE, readMs, { below: `${readMs} ms`, quiet: true });
    add("", verdict.delay_ms, { quiet: true, below: `${verdict.delay_ms} ± ${verdict.delay_jitter_ms} ms` });
    add(`${verdict.accept} or ${verdict.reject}`, protocol.soa_ms, { jitterMs: verdict.delay_jitter_ms, below: `${protocol.soa_ms} ± ${protocol.jitter_ms} ms` });
  }
  add("", protocol.blank_ms, { quiet: true, below: `${protocol.blank_ms} ms` });
  if (protocol.rating) add("a rating", RATE_MS, { below: protocol.rating.share < 1 ? `after ${Math.round(100 * protocol.rating.share)} %` : "until it is given" });
  return parts;
}
