/** What the page's address says: which page, of which session, with what to log in. */

/** Pages that stand in the navigation. */
export const PLACES = ["home", "sessions", "decoders", "protocols", "items", "access"] as const;
export type Place = (typeof PLACES)[number];
export type SessionPage = "operator" | "subject" | "review";

export type Route = { readonly page: Place } | { readonly page: SessionPage; readonly sessionId: string } | { readonly page: "unknown" };

/** The first word of the address of each page of a session. */
const SESSION_PAGES: Readonly<Record<string, SessionPage>> = { operator: "operator", subject: "subject", sessions: "review" };

export function routeOf(path: string): Route {
  if (path === "/" || path === "/index.html") return { page: "home" };
  const plain = /^\/([a-z]+)\/?$/.exec(path)?.[1];
  const place = PLACES.find((name) => name === plain);
  if (place !== undefined && place !== "home") return { page: place };
  const match = /^\/([a-z]+)\/([^/]+)\/?$/.exec(path);
  const page = SESSION_PAGES[match?.[1] ?? ""];
  const name = match?.[2];
  if (page === undefined || name === undefined) return { page: "unknown" };
  try {
    return { page, sessionId: decodeURIComponent(name) };
  } catch {
    return { page: "unknown" };
  }
}

/** The token of a query, and the query without it (the other words, such as `auto=1`, stay). */
export function takeToken(search: string): { readonly token: string | null; readonly search: string } {
  const words = new URLSearchParams(search);
  const token = words.get("token");
  if (token === null) return { token: null, search };
  words.delete("token");
  const rest = words.toString();
  return { token, search: rest === "" ? "" : `?${rest}` };
}

/** Address of a page of a session. */
export function pagePath(page: SessionPage, sessionId: string): string {
  return `/${page === "review" ? "sessions" : page}/${encodeURIComponent(sessionId)}`;
}

/** Address of a page of the navigation. */
export function placePath(place: Place): string {
  return place === "home" ? "/" : `/${place}`;
}
