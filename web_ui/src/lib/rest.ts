/** REST of the server: what the pages need of it. */

/** One row of `GET /api/v1/sessions`; all but the identity may be missing in an older server's answer. */
export interface SessionRow {
  readonly session_id: string;
  readonly subject?: string | null;
  readonly protocol?: string | null;
  readonly state?: string | null;
  /** Its own daemon has been gone for a while; it runs still, and may go on. */
  readonly interrupted?: boolean | null;
  readonly source?: string | null;
  readonly created_at?: string | null;
  readonly labels?: number | null;
  readonly labels_ok?: number | null;
  readonly item_set?: string | null;
  readonly decoder_name?: string | null;
  readonly consent?: string | null;
  readonly parameters?: Readonly<Record<string, number | null>> | null;
  readonly recording_id?: string | null;
  readonly decoder_version?: number | null;
  /** Reason of the operator's hold over all its labels. */
  readonly operator_hold?: string | null;
  readonly n_trials?: number | null;
  readonly trials_done?: number | null;
}

/** One of `GET /api/v1/protocols`, with its default values. */
export interface ProtocolRow {
  readonly name: string;
  readonly title: string;
  readonly task: string;
  readonly item_set: string;
  readonly soa_ms: number;
  readonly jitter_ms: number;
  readonly prior: number;
  /** Its items carry marks; a decoder is fitted on them. */
  readonly calibrates?: boolean;
}

export interface ItemSetRow {
  readonly item_set: string;
  readonly n_items: number | null;
}

/** One version of a decoder in the registry. */
export interface DecoderRow {
  readonly name: string;
  readonly version: number;
  readonly released?: boolean | null;
  readonly damaged?: string;
  readonly statement?: { readonly task?: string; readonly auc?: number | null; readonly subjects?: readonly string[] } | null;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string>>;
}

/** An answer of the server that is no success, as sentences: what happened, and what to do. */
export class ProblemError extends Error {
  constructor(
    readonly status: number,
    title: string,
    readonly detail: string,
    readonly remedy: string,
  ) {
    super(title);
  }
}

async function asProblem(response: Response): Promise<ProblemError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // Not problem+json (a proxy's page, say): the status has to do.
  }
  const text = (key: string): string => (typeof body[key] === "string" ? (body[key] as string) : "");
  return new ProblemError(response.status, text("title") || `The server answered with status ${response.status}.`, text("detail"), text("remedy"));
}

/** Ask the server; an answer that is no success, or none, becomes a ProblemError. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init, headers: { Accept: "application/json", ...init.headers } });
  } catch {
    throw new ProblemError(0, "The server cannot be reached.", "", "Check that rlhb is running on this address.");
  }
  if (!response.ok) throw await asProblem(response);
  const text = await response.text();
  return (text === "" ? null : JSON.parse(text)) as T;
}

/** Send a JSON body. */
export async function post<T>(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
  return request<T>(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}

/** Any error as one that can be shown; what is no answer of the server is a fault of the page and is thrown on. */
export function asShown(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  throw error;
}

/** Exchange the address's token for the cookie that authenticates everything else. */
export async function login(token: string): Promise<void> {
  await post<unknown>("/api/v1/login", { token });
}

/** Who is signed in, and what they may do. */
export interface Me {
  readonly name: string;
  readonly scopes: readonly string[];
  /** Signed in with a password; false: with a token. */
  readonly account: boolean;
}

export const signIn = (name: string, password: string): Promise<Me> => post("/api/v1/login", { name, password });
export const signOut = (): Promise<unknown> => request("/api/v1/logout", { method: "POST" });

/** Null: nobody is signed in. A server that cannot be reached is for the page to tell, as before. */
export async function whoAmI(): Promise<Me | null> {
  try {
    return await request<Me>("/api/v1/me");
  } catch (error) {
    if (asShown(error).status === 401) return null;
    throw error;
  }
}

/** Sessions, newest first; `after` is the cursor of the page before. */
export async function listSessions(limit = 100, after: string | null = null): Promise<readonly SessionRow[]> {
  return (await sessionPage(limit, after)).items;
}

export interface SessionPageRows {
  readonly items: readonly SessionRow[];
  readonly next_cursor: string | null;
}

export async function sessionPage(limit: number, after: string | null): Promise<SessionPageRows> {
  return request<SessionPageRows>(`/api/v1/sessions?limit=${limit}${after === null ? "" : `&after=${encodeURIComponent(after)}`}`);
}

/** The rows of a list that comes as one page. */
export async function items<T>(path: string): Promise<readonly T[]> {
  return (await request<{ items: T[] }>(path)).items;
}

/** Protocols that can be used; files that are none are left out. */
export async function listProtocols(): Promise<readonly ProtocolRow[]> {
  return (await items<ProtocolRow & { readonly damaged?: string }>("/api/v1/protocols")).filter((row) => row.damaged === undefined);
}
export const listItemSets = (): Promise<readonly ItemSetRow[]> => items("/api/v1/item_sets");
export const listDecoders = (): Promise<readonly DecoderRow[]> => items("/api/v1/decoders");

/** Make a session; the server plans its trials and answers when they are there. */
export async function makeSession(wish: Readonly<Record<string, unknown>>): Promise<SessionRow> {
  return post<SessionRow>("/api/v1/sessions", wish);
}

/** What is missing before labels can be taken; the server answers 503 with the reasons while something is. */
export async function readiness(): Promise<Readiness> {
  const response = await fetch("/readyz", { credentials: "same-origin" });
  return (await response.json()) as Readiness;
}

interface LabelPage {
  readonly items: readonly Record<string, unknown>[];
  readonly high_watermark: number;
}

/** The latest label rows of a session, so that a console opened late shows what came before. */
export async function latestLabels(sessionId: string, count: number): Promise<readonly Record<string, unknown>[]> {
  const query = `session=${encodeURIComponent(sessionId)}&release=any`;
  const { high_watermark: head } = await request<LabelPage>(`/api/v1/labels?${query}&limit=1`);
  const page = await request<LabelPage>(`/api/v1/labels?${query}&after=${Math.max(0, head - count)}&limit=${count}`);
  return page.items;
}
