/** What is said of a channel, in words and numbers; the panels only lay it out. */
import type { ChannelImpedance, ChannelQuality } from "../lib/messages";
import { fixed, percent } from "../lib/wording";
import { ELECTRODES } from "./electrodes";

const PLACES: ReadonlyMap<string, readonly [number, number]> = new Map(ELECTRODES.map(([name, x, y]) => [name, [x, y] as const]));

/** Where an electrode of the 10-05 system sits (x right, y front, outline at radius 1); null for a name that is none. */
export function placeOf(channel: string): readonly [number, number] | null {
  return PLACES.get(channel.trim().toUpperCase()) ?? null;
}

/** Why a channel is bad, a few words each; from its flags where the daemon gave no reason. */
export function reasonsOf(quality: ChannelQuality): readonly string[] {
  if (quality.reasons !== undefined && quality.reasons.length > 0) return quality.reasons;
  const found: string[] = [];
  if (quality.railed === true) found.push("at the amplifier's rail");
  if (quality.flat === true) found.push("flat");
  if (quality.bridged_with) found.push(`bridged with ${quality.bridged_with}`);
  if ((quality.missing ?? 0) > 0) found.push(`${percent(quality.missing, 0)} of the samples missing`);
  return found;
}

export function isBad(quality: ChannelQuality): boolean {
  return quality.bad === true || reasonsOf(quality).length > 0;
}

/** One word for the narrow column beside the traces. */
export function faultWord(quality: ChannelQuality | undefined): string {
  if (quality === undefined || !isBad(quality)) return "";
  if (quality.railed === true) return "railed";
  if (quality.flat === true) return "flat";
  if (quality.bridged_with) return `= ${quality.bridged_with}`;
  return "bad";
}

/** The channel in one sentence. */
export function channelSentence(quality: ChannelQuality): string {
  const figures = `RMS ${fixed(quality.rms_uv, 1, "µV")}, mains ${percent(quality.mains_ratio, 0)}, muscle ${percent(quality.emg_ratio, 0)}`;
  return isBad(quality) ? `${quality.name} is bad: ${reasonsOf(quality).join("; ")}. ${figures}.` : `${quality.name} is good: ${figures}.`;
}

export type Verdict = "good" | "bad" | "unknown";

/** An electrode on the head map. */
export interface Spot {
  readonly name: string;
  readonly verdict: Verdict;
  /** The figure in the circle. */
  readonly figure: string;
  readonly sentence: string;
}

export function qualitySpot(name: string, quality: ChannelQuality | undefined): Spot {
  if (quality === undefined) return { name, verdict: "unknown", figure: "", sentence: `${name}: no figures yet.` };
  return { name, verdict: isBad(quality) ? "bad" : "good", figure: quality.rms_uv >= 9999 ? ">9k" : fixed(quality.rms_uv, 0), sentence: channelSentence(quality) };
}

export function impedanceSpot(name: string, measured: ChannelImpedance | undefined, measuring: boolean): Spot {
  if (measuring) return { name, verdict: "unknown", figure: "…", sentence: `${name} is being measured.` };
  const kohm = measured?.impedance_kohm ?? null;
  if (kohm === null) return { name, verdict: "unknown", figure: "", sentence: `${name} has not been measured yet.` };
  return { name, verdict: measured?.bad === true ? "bad" : "good", figure: fixed(kohm, kohm < 10 ? 1 : 0), sentence: `${name}: ${fixed(kohm, 1, "kΩ")}${measured?.bad === true ? ", too high" : ""}.` };
}
