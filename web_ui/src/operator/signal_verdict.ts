/** Whether the signal may be used, and if not, what is wrong where and what to do about it. */
import type { ChannelQuality, StreamQuality } from "../lib/messages";
import { isBad, reasonsOf } from "./channel_view";

export interface Finding {
  /** Channel, or "Stream". */
  readonly where: string;
  readonly wrong: string;
  readonly remedy: string;
}

export interface SignalVerdict {
  readonly ready: boolean;
  readonly sentence: string;
  readonly findings: readonly Finding[];
}

/** What to do, by the first word of the reason that the daemon gives. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^missing/, "Check the radio link, the battery and the distance to the receiver."],
  [/^flat/, "Check the electrode: its plug, and that it touches the skin."],
  [/^(at the|railed)/, "Press the electrode on or add gel; check reference and ground."],
  [/^bridged/, "Gel or saline joins the two: wipe between them."],
  [/^RMS/, "Fasten the electrode, and keep cables and head still."],
  [/^mains/, "Check the ground electrode; take power supplies and cables away."],
  [/^muscle/, "Ask the subject to relax jaw, forehead and neck."],
  [/^loss/, "Check the radio link, the battery and the USB plug."],
  [/^jitter|^newest/, "Close other programs; plug the receiver into this machine itself."],
  [/^drift/, "The board's clock is off; start the board anew, and check its rate in the profile."],
];

export function remedyFor(reason: string): string {
  return REMEDIES.find(([pattern]) => pattern.test(reason))?.[1] ?? "Check the electrode.";
}

/** What is known of the signal now; null while nothing is. */
export function signalVerdict(channels: readonly ChannelQuality[], stream: StreamQuality | null): SignalVerdict | null {
  if (channels.length === 0) return null;
  const findings: Finding[] = channels.filter(isBad).map((channel) => {
    const why = reasonsOf(channel);
    return { where: channel.name, wrong: why[0] ?? "bad", remedy: remedyFor(why[0] ?? "") };
  });
  const ofStream = (stream?.reasons ?? []).map((reason): Finding => ({ where: "Stream", wrong: reason, remedy: remedyFor(reason) }));
  const all = [...ofStream, ...findings];
  if (all.length === 0) return { ready: true, sentence: `Ready: all ${channels.length} channels are good, and the stream is.`, findings: all };
  const bad = findings.length;
  const parts = [bad > 0 ? `${bad} of ${channels.length} channels ${bad === 1 ? "needs" : "need"} attention` : "", ofStream.length > 0 ? "the stream is not steady" : ""];
  const sentence = parts.filter((part) => part !== "").join("; ");
  return { ready: false, sentence: `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`, findings: all };
}
