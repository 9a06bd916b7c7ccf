/** `window.rlhb` of the operator page: what has arrived and been drawn, to be read by tests and by whoever checks a machine. It steers nothing. */
import type { OperatorConsole } from "./console.svelte";

export interface ConsoleDiagnostics {
  /** Preview samples that are held and are no gap, of channel 0; and the range of slots they stand in. */
  readonly preview: { readonly filled: number; readonly start: number; readonly end: number; readonly nChannels: number } | null;
}

/** Show the diagnostics; returns how to take them away. */
export function showDiagnostics(desk: OperatorConsole): () => void {
  const diagnostics: ConsoleDiagnostics = {
    get preview() {
      const ring = desk.traces?.ring;
      if (ring === undefined) return null;
      let filled = 0;
      for (let slot = ring.start; slot < ring.end; slot += 1) if (!Number.isNaN(ring.at(slot, 0))) filled += 1;
      return { filled, start: ring.start, end: ring.end, nChannels: ring.nChannels };
    },
  };
  Object.defineProperty(window, "rlhb", { value: diagnostics, configurable: true });
  return () => void Reflect.deleteProperty(window, "rlhb");
}
