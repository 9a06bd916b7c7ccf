/** Finding sessions by words. */
import type { SessionRow } from "../lib/rest";

/** Sessions in which every word occurs somewhere: identity, subject, protocol, state, source, decoder, item set or date. */
export function matching(sessions: readonly SessionRow[], words: string): readonly SessionRow[] {
  const wanted = words.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (wanted.length === 0) return sessions;
  return sessions.filter((session) => {
    const fields = [session.session_id, session.subject, session.protocol, session.interrupted ? "interrupted" : session.state, session.source, session.decoder_name, session.item_set, session.created_at, session.consent];
    const hay = fields.filter((field) => field != null).join(" ").toLowerCase();
    return wanted.every((word) => hay.includes(word));
  });
}
