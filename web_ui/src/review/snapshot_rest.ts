/** REST for snapshots: asked for, waited for, given up. */
import { post, ProblemError, request } from "../lib/rest";
import type { SnapshotFile } from "./export_lines";

export type Snapshot =
  | { readonly state: "ready"; readonly snapshot_id: string; readonly high_watermark: number; readonly files: readonly SnapshotFile[] }
  | { readonly state: "building"; readonly snapshot_id: string; readonly done: number }
  | { readonly state: "failed"; readonly snapshot_id: string; readonly problem: string };

export const FORMATS: readonly (readonly [string, string])[] = [
  ["labels", "label rows"],
  ["token-rewards", "token rewards"],
  ["trl-preference", "preferences (TRL)"],
  ["trl-unpaired", "good or bad (TRL)"],
  ["verl", "veRL"],
  ["stepwise", "steps"],
  ["cothb-tree", "tree of steps"],
];

const ASK_EVERY_MS = 500;

/**
 * Make a snapshot of a session and wait until it is whole.
 *
 * @param progress hears the share that is done, 0 to 1
 * @param signal stops the waiting; the server goes on building
 */
export async function makeSnapshot(sessionId: string, formats: readonly string[], splitBy: string, progress: (done: number) => void, signal: AbortSignal): Promise<Snapshot & { readonly state: "ready" }> {
  let made = await post<Snapshot>("/api/v1/snapshots", { sessions: [sessionId], formats, split_by: splitBy });
  while (made.state === "building") {
    progress(made.done);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    if (signal.aborted) throw new ProblemError(0, "Nobody waits for the snapshot any more.", "The server goes on building it.", "Ask for the same again; it is found then.");
    made = await request<Snapshot>(`/api/v1/snapshots/${encodeURIComponent(made.snapshot_id)}`);
  }
  if (made.state === "failed") throw new ProblemError(0, "The snapshot could not be built.", made.problem, "Make room on the server's disk, and ask again.");
  return made;
}
