/** `window.rlhb`: what the page did, to be read by tests and by whoever checks a set-up. Read-only; it steers nothing. */
import type { ClockFit } from "../lib/messages";
import type { UnitTiming } from "./player";
import type { SubjectSession } from "./session.svelte";

export interface SubjectDiagnostics {
  readonly state: {
    readonly screen: string;
    readonly connected: boolean;
    readonly trials_done: number;
    readonly n_trials: number;
    readonly playing: string | null;
    readonly unacknowledged: number;
    readonly refresh_hz: number;
    readonly page_to_server: ClockFit | null;
  };
  /** Units as planned and as shown, oldest first. */
  readonly timing: readonly UnitTiming[];
}

declare global {
  interface Window {
    readonly rlhb?: SubjectDiagnostics;
  }
}

export function exposeDiagnostics(session: SubjectSession): void {
  const diagnostics: SubjectDiagnostics = {
    get state() {
      return {
        screen: session.screen.name,
        connected: session.connected,
        trials_done: session.trialsDone,
        n_trials: session.nTrials,
        playing: session.player.playing?.presentation ?? null,
        unacknowledged: session.unacknowledgedCount,
        refresh_hz: session.player.period.hz,
        page_to_server: session.clock.fitAt(performance.now()),
      };
    },
    get timing() {
      return [...session.player.timing];
    },
  };
  Object.defineProperty(window, "rlhb", { value: diagnostics, configurable: true });
}
