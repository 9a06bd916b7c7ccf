/** Lines to be copied that bring a session's labels elsewhere. They never hold a token. */

const HEADERS = `{"Authorization": "Bearer " + os.environ["RLHB_TOKEN"]`;

/** A command that pulls the released labels of a session, revisions included. */
export function pullLine(origin: string, sessionId: string): string {
  return `rlhb labels pull --server ${origin} --session ${sessionId} --out labels.jsonl`;
}

export interface SnapshotFile {
  readonly path: string;
  readonly format: string;
  readonly split: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Files of one format in one kind of file, Parquet where there is one; `datasets` refuses a split without rows, so such are left out. */
export function filesOf(files: readonly SnapshotFile[], format: string): readonly SnapshotFile[] {
  const ofFormat = files.filter((file) => file.format === format && file.rows > 0);
  const parquet = ofFormat.filter((file) => file.path.endsWith(".parquet"));
  return parquet.length > 0 ? parquet : ofFormat;
}

/** A Python line that loads a format of a snapshot with its splits; empty when it has no file. */
export function snapshotLine(origin: string, snapshotId: string, files: readonly SnapshotFile[], format: string): string {
  const chosen = filesOf(files, format);
  if (chosen.length === 0) return "";
  const kind = chosen[0]?.path.endsWith(".parquet") ? "parquet" : "json";
  const splits = [...new Set(chosen.map((file) => file.split))].map((split) => {
    const addresses = chosen.filter((file) => file.split === split).map((file) => `"${origin}/api/v1/snapshots/${encodeURIComponent(snapshotId)}/${file.path}"`);
    return `"${split}": [${addresses.join(", ")}]`;
  });
  return `import os; from datasets import load_dataset; snapshot = load_dataset("${kind}", data_files={${splits.join(", ")}}, storage_options={"headers": ${HEADERS}}})`;
}

/** A command that decodes the recording again. */
export function relabelLine(recordingId: string): string {
  return `rlhb relabel "\${RLHB_DATA_DIR:-rlhb-data}/recordings/${recordingId}.xdf" --decoder NAME@VERSION --out relabelled.jsonl`;
}
