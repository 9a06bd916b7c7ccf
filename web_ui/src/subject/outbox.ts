/**
 * Onset batches that the server has not acknowledged, kept in IndexedDB so that they survive a reload or a crash of the page.
 *
 * Batches of earlier lives of the page are found again by session; their clock fit travels inside them.
 */
import type { Onsets } from "../lib/messages";

export interface Outbox {
  /** All batches that wait, oldest first. */
  waiting(): Promise<Onsets[]>;
  put(batch: Onsets): Promise<void>;
  remove(pageLife: string, batch: number): Promise<void>;
}

interface StoredBatch {
  readonly session_id: string;
  readonly page_life: string;
  readonly batch: number;
  readonly stored_at_ms: number;
  readonly message: Onsets;
}

const DATABASE = "rlhb-subject";
const STORE = "onsets";

function completed<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB refused a request."));
  });
}

class IndexedDbOutbox implements Outbox {
  constructor(
    private readonly database: IDBDatabase,
    private readonly sessionId: string,
  ) {}

  async waiting(): Promise<Onsets[]> {
    const range = IDBKeyRange.bound([this.sessionId], [this.sessionId, []]);
    const stored = await completed<StoredBatch[]>(this.store("readonly").getAll(range));
    stored.sort((a, b) => a.stored_at_ms - b.stored_at_ms || a.batch - b.batch);
    return stored.map((row) => row.message);
  }

  async put(batch: Onsets): Promise<void> {
    const row: StoredBatch = { session_id: this.sessionId, page_life: batch.page_life, batch: batch.batch, stored_at_ms: Date.now(), message: batch };
    await completed(this.store("readwrite").put(row));
  }

  async remove(pageLife: string, batch: number): Promise<void> {
    await completed(this.store("readwrite").delete([this.sessionId, pageLife, batch]));
  }

  private store(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }
}

/** Where the browser has no IndexedDB (private windows of some): batches live as long as the page. */
export class MemoryOutbox implements Outbox {
  private readonly rows = new Map<string, Onsets>();

  waiting(): Promise<Onsets[]> {
    return Promise.resolve([...this.rows.values()]);
  }

  put(batch: Onsets): Promise<void> {
    this.rows.set(`${batch.page_life} ${batch.batch}`, batch);
    return Promise.resolve();
  }

  remove(pageLife: string, batch: number): Promise<void> {
    this.rows.delete(`${pageLife} ${batch}`);
    return Promise.resolve();
  }
}

export async function openOutbox(sessionId: string): Promise<Outbox> {
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: ["session_id", "page_life", "batch"] });
    return new IndexedDbOutbox(await completed(opening), sessionId);
  } catch (error) {
    console.warn("This browser keeps no IndexedDB for the page; onsets that are not acknowledged are lost on reload.", error);
    return new MemoryOutbox();
  }
}
