/** REST for the review of a session. */
import { post, request, type SessionRow } from "../lib/rest";
import type { JournalEntry } from "./ratings";

export interface SessionDetail extends SessionRow {
  readonly events: readonly JournalEntry[];
}

export interface ClassAverage {
  readonly n_windows: number;
  /** (channel, bin), microvolt; null where nothing counts. */
  readonly mean_uv: readonly (readonly (number | null)[])[];
  readonly sem_uv: readonly (readonly (number | null)[])[];
}

export interface Epoch {
  readonly label_id: string;
  readonly channels: readonly string[];
  readonly times_ms: readonly number[];
  /** What the decoder looked at, after the onset. */
  readonly window_ms: readonly [number, number];
  readonly epoch_uv: readonly (readonly (number | null)[])[];
  readonly error: ClassAverage;
  readonly good: ClassAverage;
}

interface LabelPage {
  readonly items: readonly Record<string, unknown>[];
  readonly next_cursor: string;
  readonly has_more: boolean;
}

const PAGE = 2000;
const path = (sessionId: string): string => `/api/v1/sessions/${encodeURIComponent(sessionId)}`;

export const showSession = (sessionId: string): Promise<SessionDetail> => request<SessionDetail>(path(sessionId));

/** All label rows of a session, page by page; `progress` hears how many there are. */
export async function allLabels(sessionId: string, progress: (count: number) => void): Promise<readonly Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  let after = "0";
  for (;;) {
    const page = await request<LabelPage>(`/api/v1/labels?session=${encodeURIComponent(sessionId)}&release=any&catch=any&limit=${PAGE}&after=${encodeURIComponent(after)}`);
    rows.push(...page.items);
    progress(rows.length);
    if (!page.has_more) return rows;
    after = page.next_cursor;
  }
}

export const showEpoch = (sessionId: string, labelId: string): Promise<Epoch> => request<Epoch>(`${path(sessionId)}/labels/${encodeURIComponent(labelId)}/epoch`);

export const commandSession = (sessionId: string, command: "hold" | "release" | "comment", text: string): Promise<SessionRow> => post<SessionRow>(`${path(sessionId)}/${command}`, { text });
