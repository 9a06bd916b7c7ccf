/** REST for tokens, accounts, subjects and the audit log. */
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

export interface AccountRow {
  readonly name: string;
  readonly role: string;
  readonly created_at: string;
  readonly disabled_at: string | null;
}

export const listAccounts = (): Promise<readonly AccountRow[]> => items("/api/v1/accounts");
export const makeAccount = (name: string, role: string, password: string): Promise<AccountRow> => post("/api/v1/accounts", { name, role, password });
export const setDisabled = (name: string, disabled: boolean): Promise<AccountRow> =>
  request(`/api/v1/accounts/${encodeURIComponent(name)}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ disabled }) });

export interface ConsentRow {
  readonly version: number;
  readonly scopes: readonly string[];
  readonly expires_at: string | null;
  readonly withdrawn_at: string | null;
}

export interface SubjectRow {
  readonly subject: string;
  readonly created_at: string;
  readonly withdrawn_at: string | null;
  readonly erasing_since: string | null;
  readonly erased_at: string | null;
  /** The newest version. */
  readonly consent: ConsentRow | null;
}

export interface Erased {
  readonly labels: number;
  readonly files: readonly string[];
  readonly snapshots: readonly unknown[];
  readonly decoders: readonly string[];
}

export const listSubjects = (): Promise<readonly SubjectRow[]> => items("/api/v1/subjects?limit=500");
export const enterConsent = (subject: string, scopes: readonly string[], expiresAt: string | null): Promise<unknown> =>
  post("/api/v1/subjects", { subject, consent: { scopes, expires_at: expiresAt } });
export const withdrawConsent = (subject: string): Promise<{ readonly labels: number }> => post(`/api/v1/subjects/${encodeURIComponent(subject)}/withdraw`, {});
export const eraseSubject = (subject: string): Promise<Erased> => request(`/api/v1/subjects/${encodeURIComponent(subject)}`, { method: "DELETE" });

/** What a subject's row says, in words. */
export function consentState(row: SubjectRow, nowIso: string): string {
  if (row.erased_at !== null) return "erased";
  if (row.erasing_since !== null) return "being erased";
  if (row.consent === null) return row.withdrawn_at === null ? "none on file" : "withdrawn";
  if (row.consent.withdrawn_at !== null) return "withdrawn";
  if (row.consent.expires_at !== null && Date.parse(row.consent.expires_at) <= Date.parse(nowIso)) return "expired";
  return row.consent.scopes.includes("training") ? "given" : "recording only: labels are held";
}

export interface AuditRow {
  readonly position: number;
  readonly at: string;
  readonly who: string;
  readonly what: string;
  readonly about: string;
  readonly detail: string;
}

export const auditPage = (after: string | null): Promise<{ readonly items: readonly AuditRow[]; readonly next_cursor: string | null }> =>
  request(`/api/v1/audit?limit=20${after === null ? "" : `&after=${after}`}`);
