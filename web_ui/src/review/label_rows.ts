/** Label rows of a session as texts: the words of each presentation in their order, with what lies between them. */
import { unitReward, type UnitReward } from "../operator/reward_book";

type Row = Readonly<Record<string, unknown>>;

/** A label with all of its row that the page shows. */
export interface Label extends UnitReward {
  readonly labelId: string;
  readonly row: Row;
  readonly trial: number | null;
  readonly block: number;
  readonly prompt: string;
  readonly response: string | null;
  readonly itemId: string | null;
  readonly charStart: number | null;
  readonly charEnd: number | null;
}

/** A response as it was shown, or a stretch of annotations of a replayed recording. */
export interface ReviewText {
  readonly key: string;
  readonly title: string;
  readonly prompt: string;
  readonly itemId: string | null;
  readonly trial: number | null;
  readonly response: string | null;
  readonly labels: readonly Label[];
  readonly meanReward: number | null;
  readonly held: number;
}

/** A run of a response: a word with its label, or what has none. */
export interface Piece {
  readonly text: string;
  readonly label: Label | null;
}

/** Annotations have no text around them; this many stand together. */
export const ANNOTATIONS_TOGETHER = 48;

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const whole = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** Read a row of `rlhb.label.v1`; null when it is not about a unit, or not by the current decoder. */
export function labelOf(row: Row): Label | null {
  const unit = unitReward(row);
  const labelId = text(row["label_id"]);
  if (unit === null || labelId === null) return null;
  const span = (row["unit"] ?? {}) as Row;
  return {
    ...unit,
    labelId,
    row,
    trial: whole(row["trial"]),
    block: whole(row["block"]) ?? 0,
    prompt: text(row["prompt"]) ?? "",
    response: text(row["response"]),
    itemId: text(row["item_id"]),
    charStart: whole(span["char_start"]),
    charEnd: whole(span["char_end"]),
  };
}

/** The newest revision of every label, in the order of the log. */
export function newest(rows: readonly Row[]): readonly Label[] {
  const found = new Map<string, Label>();
  for (const row of rows) {
    const label = labelOf(row);
    const known = label === null ? undefined : found.get(label.labelId);
    if (label !== null && (known === undefined || known.seq < label.seq)) found.set(label.labelId, label);
  }
  return [...found.values()];
}

/** Labels of one signal as texts, in the order in which they were shown. */
export function textsOf(labels: readonly Label[], signal: string): readonly ReviewText[] {
  const shown = new Map<string, Label[]>();
  const annotations: Label[] = [];
  for (const label of labels) {
    if (label.signal !== signal) continue;
    if (label.annotation) annotations.push(label);
    else {
      const there = shown.get(label.presentation);
      if (there === undefined) shown.set(label.presentation, [label]);
      else there.push(label);
    }
  }
  const texts = [...shown].map(([key, words]) => textOf(key, words.sort((a, b) => a.index - b.index)));
  texts.sort((a, b) => (a.labels[0]?.sampleIndex ?? 0) - (b.labels[0]?.sampleIndex ?? 0) || (a.trial ?? 0) - (b.trial ?? 0));
  annotations.sort((a, b) => (a.sampleIndex ?? 0) - (b.sampleIndex ?? 0));
  for (let k = 0; k < annotations.length; k += ANNOTATIONS_TOGETHER) {
    const part = annotations.slice(k, k + ANNOTATIONS_TOGETHER);
    texts.push({ ...textOf(`annotations ${k}`, part), title: `annotations ${k + 1} to ${k + part.length}`, response: null, trial: null });
  }
  return texts;
}

function textOf(key: string, labels: readonly Label[]): ReviewText {
  const first = labels[0];
  const rewards = labels.map((label) => label.reward).filter((reward) => reward !== null);
  return {
    key,
    title: first?.trial === null || first === undefined ? "text" : `text ${first.trial + 1}`,
    prompt: first?.prompt ?? "",
    itemId: first?.itemId ?? null,
    trial: first?.trial ?? null,
    response: first?.response ?? null,
    labels,
    meanReward: rewards.length === 0 ? null : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length,
    held: labels.filter((label) => label.release !== "ok").length,
  };
}

/** The response cut at its labels' spans (Unicode code points); without a response, its labels one after the other. */
export function piecesOf(shown: ReviewText): readonly Piece[] {
  if (shown.response === null) return shown.labels.map((label) => ({ text: label.text || "(no description)", label }));
  const points = [...shown.response];
  const pieces: Piece[] = [];
  let at = 0;
  for (const label of shown.labels) {
    const [start, end] = [label.charStart, label.charEnd];
    if (start === null || end === null || start < at || end > points.length) continue; // spans that overlap cannot be drawn in one line
    if (start > at) pieces.push({ text: points.slice(at, start).join(""), label: null });
    pieces.push({ text: points.slice(start, end).join(""), label });
    at = end;
  }
  if (at < points.length) pieces.push({ text: points.slice(at).join(""), label: null });
  return pieces;
}

export interface LabelWish {
  readonly words: string;
  readonly release: "any" | "ok" | "held" | "none";
  /** Only words with a negative reward (error), or none such. */
  readonly pole: "any" | "error" | "good";
  /** Leave out words whose interval reward ± sd contains zero. */
  readonly certain: boolean;
}

export const EVERYTHING: LabelWish = { words: "", release: "any", pole: "any", certain: false };

/** Whether a label is among those that are looked for; the words are found in the word, its prompt or its item. */
export function fits(label: Label, wish: LabelWish): boolean {
  if (wish.release === "none" ? label.reward !== null : wish.release === "held" ? label.release === "ok" : wish.release === "ok" && label.release !== "ok") return false;
  if (wish.pole !== "any" && (label.reward === null || label.reward < 0 !== (wish.pole === "error"))) return false;
  if (wish.certain && (label.reward === null || (label.rewardSd ?? 0) >= Math.abs(label.reward))) return false;
  const wanted = wish.words.toLowerCase().trim();
  return wanted === "" || `${label.text} ${label.prompt} ${label.itemId ?? ""}`.toLowerCase().includes(wanted);
}
