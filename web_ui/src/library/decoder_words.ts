/** What is said of a decoder: its verdict in a sentence, and its versions in order. */
import type { DecoderVersion, GateLine } from "./library_rest";

export interface DecoderFamily {
  readonly name: string;
  /** Newest first. */
  readonly versions: readonly DecoderVersion[];
}

export function families(found: readonly DecoderVersion[]): readonly DecoderFamily[] {
  const names = [...new Set(found.map((decoder) => decoder.name))].sort((a, b) => a.localeCompare(b));
  return names.map((name) => ({ name, versions: found.filter((decoder) => decoder.name === name).sort((a, b) => b.version - a.version) }));
}

export type Verdict = "released" | "held" | "damaged";

export function verdictOf(decoder: DecoderVersion): Verdict {
  return decoder.damaged !== undefined ? "damaged" : decoder.released ? "released" : "held";
}

const failed = (line: GateLine): boolean => line.verdict === "failed";

/** The gate's verdict for somebody who has not read its rules. */
export function verdictSentence(decoder: DecoderVersion): string {
  if (decoder.damaged !== undefined) return `Its file is damaged: ${decoder.damaged}`;
  const gate = decoder.gate ?? [];
  const open = gate.filter((line) => line.verdict === "not assessable").length;
  const notSeen = open === 0 ? "" : ` ${open === 1 ? "One check" : `${open} checks`} could not be made.`;
  if (decoder.released) {
    const missed = gate.filter(failed).length;
    return `It passed the gate: its labels may be learnt from.${missed === 0 ? "" : ` ${missed === 1 ? "A check" : `${missed} checks`} that this task does not need failed.`}${notSeen}`;
  }
  const first = gate.find(failed);
  return first === undefined ? `It did not pass the gate: its labels are held.${notSeen}` : `Its labels are held. ${first.sentence}${notSeen}`;
}

const NAMES: Readonly<Record<string, string>> = {
  information_gain: "Does it tell anything?",
  calibration_slope: "Are its probabilities right?",
  permutation: "Is it more than chance?",
  detection_j: "Can single verdicts be trusted?",
  ocular: "Is it the eyes?",
  lexical: "Is it the words themselves?",
  state: "Is it tiredness or time?",
  pattern: "Is the pattern where a brain response would be?",
  controls: "Does it find something where nothing is?",
  rejected: "Was enough of the signal usable?",
};

/** A line of the gate as the question that it answers. */
export function question(line: GateLine): string {
  return NAMES[line.name] ?? line.name.replaceAll("_", " ");
}
