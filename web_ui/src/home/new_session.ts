/** A new session as a form: its fields as text, what is wrong with them, and what the server is asked for. */

import type { DecoderRow, ProtocolRow, SessionRow } from "../lib/rest";

export interface Wish {
  subject: string;
  protocol: string;
  itemSet: string;
  /** `NAME@VERSION`; empty: none, all labels are held. */
  decoder: string;
  consent: string;
  soaMs: string;
  jitterMs: string;
  /** Empty: every response of the item set once. */
  nTrials: string;
  /** Empty: drawn by the server and recorded. */
  seed: string;
}

export type Faults = Partial<Record<keyof Wish, string>>;

/** In place of a decoder: calibrate in this session, before its texts. */
export const CALIBRATE = "calibrate";

const IDENTITY = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

export function wishOf(protocol: ProtocolRow, earlier?: SessionRow): Wish {
  const repeated = earlier?.protocol === protocol.name ? earlier : undefined;
  const parameter = (name: string, otherwise: number | null): string => {
    const value = repeated?.parameters?.[name] ?? otherwise;
    return value === null ? "" : String(value);
  };
  return {
    subject: earlier?.subject ?? "",
    protocol: protocol.name,
    itemSet: repeated?.item_set ?? protocol.item_set,
    decoder: "",
    consent: earlier?.consent ?? "",
    soaMs: parameter("soa_ms", protocol.soa_ms),
    jitterMs: parameter("jitter_ms", protocol.jitter_ms),
    nTrials: repeated ? parameter("n_trials", null) : "",
    seed: "", // another order each time, also when a session is repeated
  };
}

function numberFault(text: string, least: number, most: number, unit: string, optional: boolean, whole: boolean): string | undefined {
  if (text.trim() === "") return optional ? undefined : `Give a number from ${least} to ${most}${unit}.`;
  const value = Number(text);
  const fits = Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value));
  return fits ? undefined : `${text} is not ${whole ? "a whole number" : "a number"} from ${least} to ${most}${unit}.`;
}

/** What has to be corrected before the server is asked; empty when nothing has. */
export function faultsOf(wish: Wish): Faults {
  const found: Faults = {};
  const put = (field: keyof Wish, sentence: string | undefined): void => {
    if (sentence !== undefined) found[field] = sentence;
  };
  if (!IDENTITY.test(wish.subject)) {
    found.subject = wish.subject.trim() === "" ? "Give a pseudonym, for example p01." : "Use letters, digits and . _ : - only, beginning with a letter or digit; no real name.";
  }
  put("soaMs", numberFault(wish.soaMs, 50, 10_000, " ms", false, false));
  put("jitterMs", numberFault(wish.jitterMs, 0, 60_000, " ms", false, false));
  put("nTrials", numberFault(wish.nTrials, 1, 10_000, "", true, true));
  put("seed", numberFault(wish.seed, 0, Number.MAX_SAFE_INTEGER, "", true, true));
  return found;
}

/** The body of `POST /api/v1/sessions`: what is left out takes the protocol's value. */
export function bodyOf(wish: Wish): Record<string, unknown> {
  return {
    subject: wish.subject,
    protocol: wish.protocol,
    item_set: wish.itemSet,
    soa_ms: Number(wish.soaMs),
    jitter_ms: Number(wish.jitterMs),
    ...(wish.decoder === "" ? {} : wish.decoder === CALIBRATE ? { calibrate: true } : { decoder: wish.decoder }),
    ...(wish.consent.trim() === "" ? {} : { consent: wish.consent.trim() }),
    ...(wish.nTrials.trim() === "" ? {} : { n_trials: Number(wish.nTrials) }),
    ...(wish.seed.trim() === "" ? {} : { seed: Number(wish.seed) }),
  };
}

export interface DecoderChoice {
  readonly value: string;
  readonly label: string;
  /** Why its labels would not be released, or that they would. */
  readonly note: string;
  readonly usable: boolean;
}

/** Decoders of the registry for a protocol and subject, newest first, those whose labels are released before the others. */
export function decoderChoices(decoders: readonly DecoderRow[], protocol: ProtocolRow | undefined, subject: string): DecoderChoice[] {
  const choices = decoders
    .filter((d) => d.damaged === undefined && (protocol === undefined || d.statement?.task === protocol.task))
    .map((d) => {
      const others = d.statement?.subjects ?? [];
      const stranger = others.length > 0 && subject !== "" && !others.includes(subject);
      const auc = d.statement?.auc;
      const accuracy = auc === null || auc === undefined ? "" : `, AUC ${auc.toFixed(2)}`;
      const note = !d.released
        ? "It did not pass the gate: its labels are held."
        : stranger
          ? `It was calibrated with ${others.join(", ")}, not with ${subject}: its labels are held.`
          : "It passed the gate: its labels are released.";
      return { value: `${d.name}@${d.version}`, label: `${d.name}@${d.version}${accuracy}${d.released && !stranger ? "" : " (held)"}`, note, usable: Boolean(d.released) && !stranger, version: d.version };
    });
  choices.sort((a, b) => Number(b.usable) - Number(a.usable) || b.version - a.version || a.value.localeCompare(b.value));
  return choices.map(({ value, label, note, usable }) => ({ value, label, note, usable }));
}
