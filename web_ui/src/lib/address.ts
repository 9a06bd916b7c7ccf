/** What the page's address says: which page, of which session, with what to log in. */

export type Route = { readonly page: "home" } | { readonly page: "operator" | "subject"; readonly sessionId: string } | { readonly page: "unknown" };

export function routeOf(path: string): Route {
  if (path === "/" || path === "/index.html") return { page: "home" };
  const match = /^\/(operator|subject)\/([^/]+)\/?$/.exec(path);
  const page = match?.[1];
  const name = match?.[2];
  if ((page !== "operator" && page !== "subject") || name === undefined) return { page: "unknown" };
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
export function pagePath(page: "operator" | "subject", sessionId: string): string {
  return `/${page}/${encodeURIComponent(sessionId)}`;
}
