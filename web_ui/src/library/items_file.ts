/** An item file before it is sent: its lines read, and each wrong one named with what is wrong. The server checks again. */

export interface FileResponse {
  readonly responseId: string;
  readonly text: string;
  /** Indexes of words that are marked as wrong. */
  readonly wrong: readonly number[];
}

export interface FileItem {
  readonly line: number;
  readonly itemId: string;
  readonly prompt: string;
  readonly responses: readonly FileResponse[];
}

export interface LineFault {
  readonly line: number;
  readonly sentence: string;
}

export interface ItemFile {
  readonly items: readonly FileItem[];
  readonly faults: readonly LineFault[];
}

const IDENTITY = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const MARKS = ["wrong", "subtle", "surprising_correct", "predictable_wrong"] as const;

/** Words of a response, as the server cuts it: runs without white space. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/u).filter((word) => word !== "");
}

/** What may be taken as the name of an item set, from the name of a file. */
export function setName(fileName: string): string {
  const plain = fileName.replace(/\.(jsonl|ndjson|json|txt)$/i, "").replace(/[^A-Za-z0-9_.:-]+/g, "_").replace(/^[^A-Za-z0-9]+/, "");
  return plain.slice(0, 128);
}

export function nameFault(name: string): string | null {
  return IDENTITY.test(name) ? null : "A name has letters, digits and . _ : - only, and begins with a letter or digit.";
}

export function readItemFile(text: string): ItemFile {
  const items: FileItem[] = [];
  const faults: LineFault[] = [];
  const seen = new Map<string, number>();
  text.split("\n").forEach((raw, k) => {
    const line = k + 1;
    if (raw.trim() === "") return;
    const found = readLine(raw, line);
    if (typeof found === "string") {
      faults.push({ line, sentence: found });
      return;
    }
    for (const name of [`item ${found.itemId}`, ...found.responses.map((response) => `response ${response.responseId}`)]) {
      const before = seen.get(name);
      if (before !== undefined) faults.push({ line, sentence: `${name} stands in line ${before} already.` });
      else seen.set(name, line);
    }
    items.push(found);
  });
  return { items, faults };
}

function readLine(raw: string, line: number): FileItem | string {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch (error) {
    return `It is no JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "It is no JSON object; each line is one item in braces.";
  const item = value as Record<string, unknown>;
  const itemId = item["item_id"];
  if (typeof itemId !== "string" || !IDENTITY.test(itemId)) return "`item_id` is missing, or has other signs than letters, digits and . _ : -.";
  if (item["prompt"] !== undefined && typeof item["prompt"] !== "string") return "`prompt` is no text.";
  const listed = item["responses"];
  if (!Array.isArray(listed) || listed.length === 0) return "`responses` is missing or empty; it is a list with at least one response.";
  const responses: FileResponse[] = [];
  for (const one of listed) {
    const response = readResponse(one);
    if (typeof response === "string") return response;
    responses.push(response);
  }
  return { line, itemId, prompt: typeof item["prompt"] === "string" ? item["prompt"] : "", responses };
}

function readResponse(value: unknown): FileResponse | string {
  if (typeof value !== "object" || value === null) return "A response is no JSON object.";
  const response = value as Record<string, unknown>;
  const responseId = response["response_id"];
  if (typeof responseId !== "string" || !IDENTITY.test(responseId)) return "A response has no `response_id`, or one with other signs than letters, digits and . _ : -.";
  const text = response["text"];
  if (typeof text !== "string" || text.trim() === "") return `response ${responseId} has no \`text\`.`;
  const n = wordsOf(text).length;
  for (const mark of MARKS) {
    const marked = response[mark] ?? [];
    if (!Array.isArray(marked)) return `response ${responseId}: \`${mark}\` is no list of word numbers.`;
    const outside = marked.find((index) => !Number.isInteger(index) || index < 0 || index >= n);
    if (outside !== undefined) return `response ${responseId}: ${mark} names word ${String(outside)}, the words are 0 to ${n - 1}.`;
  }
  return { responseId, text, wrong: (response["wrong"] ?? []) as number[] };
}
