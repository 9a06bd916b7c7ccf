/** REST for what sessions are made of: decoders, protocols, items. */
import { items, request, type ItemSetRow } from "../lib/rest";

export interface GateLine {
  readonly name: string;
  readonly verdict: string;
  readonly sentence: string;
}

export interface DecoderVersion {
  readonly name: string;
  readonly version: number;
  readonly released?: boolean | null;
  readonly damaged?: string;
  readonly gate?: readonly GateLine[] | null;
  readonly statement?: {
    readonly task?: string;
    readonly soa_ms?: number | null;
    readonly sha256?: string;
    readonly auc?: number | null;
    readonly auc_ci95?: readonly [number, number] | null;
    readonly trained_on?: readonly string[];
    readonly subjects?: readonly string[];
    readonly adapted_to?: string | null;
  } | null;
}

export interface ProtocolDetail {
  readonly name: string;
  readonly task: string;
  readonly title: string;
  readonly item_set: string;
  readonly soa_ms: number;
  readonly jitter_ms: number;
  readonly fixation_ms: number;
  readonly blank_ms: number;
  readonly prior: number;
  readonly trials_per_block: number;
  readonly calibrates: boolean;
  readonly units: "word" | "phrase" | "step" | "none";
  readonly rating: { readonly scale: "slider" | "thumbs"; readonly question: string; readonly share: number } | null;
  readonly verdict: Verdicts | null;
}

/** Signs that accept or reject what was read before them. */
export interface Verdicts {
  readonly accept: string;
  readonly reject: string;
  readonly delay_ms: number;
  readonly delay_jitter_ms: number;
  readonly first_word_ms: number;
  readonly word_ms: number;
  readonly reject_share: number;
  readonly wrong_share: number | null;
}

/** A file of the lab's that is no protocol, and why. */
export interface DamagedProtocol {
  readonly name: string;
  readonly damaged: string;
}

export interface StoredResponse {
  readonly position: number;
  readonly response_id: string;
  readonly item_id: string;
  readonly category: string | null;
  readonly prompt: string;
  readonly text: string;
  readonly marks: Readonly<Record<string, readonly number[]>>;
}

export interface ItemPage {
  readonly items: readonly StoredResponse[];
  readonly next_cursor: string | null;
}

export const decoderVersions = (): Promise<readonly DecoderVersion[]> => items("/api/v1/decoders");
export const protocolDetails = (): Promise<readonly (ProtocolDetail | DamagedProtocol)[]> => items("/api/v1/protocols");
export const itemSets = (): Promise<readonly ItemSetRow[]> => items("/api/v1/item_sets");

export const itemPage = (itemSet: string, after: string | null, limit = 50): Promise<ItemPage> =>
  request<ItemPage>(`/api/v1/items?item_set=${encodeURIComponent(itemSet)}&limit=${limit}${after === null ? "" : `&after=${after}`}`);

export const sendItems = (itemSet: string, text: string): Promise<{ readonly n_items: number }> =>
  request(`/api/v1/items?item_set=${encodeURIComponent(itemSet)}`, { method: "POST", headers: { "Content-Type": "application/x-ndjson" }, body: text });

/** Address of a decoder's report; null where this server or this decoder has none. */
export async function reportAddress(name: string, version: number): Promise<string | null> {
  const address = `/api/v1/decoders/${encodeURIComponent(name)}/${version}/report.html`;
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    await answer.body?.cancel();
    return answer.ok && (answer.headers.get("content-type") ?? "").startsWith("text/html") ? address : null;
  } catch {
    return null;
  }
}
