/** REST for tokens. */
import { items, post, request } from "../lib/rest";

export interface TokenRow {
  readonly token_id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
}

export const listTokens = (): Promise<readonly TokenRow[]> => items("/api/v1/tokens");
export const makeToken = (name: string, scopes: readonly string[], expiresAt: string | null): Promise<TokenRow & { readonly token: string }> => post("/api/v1/tokens", { name, scopes, expires_at: expiresAt });
export const revokeToken = (tokenId: string): Promise<unknown> => request(`/api/v1/tokens/${encodeURIComponent(tokenId)}`, { method: "DELETE" });

/** What a token may do, in words. */
export const SCOPES: readonly (readonly [string, string])[] = [
  ["labels:read", "read labels and their revisions"],
  ["snapshots:create", "make snapshots of the label log"],
  ["rewards:read", "follow rewards as they are committed"],
  ["sessions:operate", "make and run sessions, see EEG"],
  ["rewards:publish", "a decoder worker"],
  ["lab:connect", "an acquisition daemon"],
  ["admin", "everything, tokens included"],
];

export type TokenState = "valid" | "expired" | "revoked";

export function tokenState(token: TokenRow, nowIso: string): TokenState {
  if (token.revoked_at !== null) return "revoked";
  return token.expires_at !== null && Date.parse(token.expires_at) <= Date.parse(nowIso) ? "expired" : "valid";
}
