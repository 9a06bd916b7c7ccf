/**
 * When each step of a trial appears: pure, driven by the animation-frame times it is given, never by a timer.
 *
 * Targets are counted from the trial's first frame, so a late frame never shifts what follows it. A step is shown on the frame
 * nearest its target: at a frame time `now` it is due when now + period / 2 ≥ target (the next frame would be further away).
 * Only a stall so long that two steps are due on one frame moves the rest of the trial, by the lateness: otherwise a word would
 * flash for one frame or never be seen.
 */
import type { Trial, TrialUnit } from "../lib/messages";

export type Step =
  | { readonly kind: "prompt"; readonly atMs: number; readonly text: string }
  | { readonly kind: "fixation"; readonly atMs: number }
  /** A unit that is read before its sign. */
  | { readonly kind: "phrase"; readonly atMs: number; readonly text: string }
  /** What the window is cut around: the unit's text, or the sign that follows it. */
  | { readonly kind: "unit"; readonly atMs: number; readonly unit: TrialUnit }
  /** Nothing on the screen; `last` when no unit follows. */
  | { readonly kind: "blank"; readonly atMs: number; readonly last: boolean }
  | { readonly kind: "end"; readonly atMs: number };

/** How long a lone unit stays when neither the trial nor a neighbour says. */
const LONE_UNIT_MS = 500;

/**
 * The steps of a trial in their order: prompt, fixation, units with the blanks between them, blank, end.
 *
 * `onset_ms` counts from the trial's first frame. Where the first unit would cover the prompt or the fixation, all units move
 * together behind them.
 */
export function trialSteps(trial: Trial): Step[] {
  const steps: Step[] = [];
  const leadMs = trial.prompt_ms + trial.fixation_ms;
  if (trial.prompt_ms > 0) steps.push({ kind: "prompt", atMs: 0, text: trial.prompt });
  if (trial.fixation_ms > 0) steps.push({ kind: "fixation", atMs: trial.prompt_ms });
  const units = [...trial.units].sort((a, b) => a.onset_ms - b.onset_ms);
  const [firstUnit] = units;
  const shiftMs = Math.max(0, leadMs - (firstUnit === undefined ? leadMs : beginsMs(firstUnit)));
  units.forEach((unit, k) => {
    const before = unit.before ?? null;
    if (before !== null) {
      steps.push({ kind: "phrase", atMs: before.onset_ms + shiftMs, text: unit.text });
      steps.push({ kind: "blank", atMs: before.onset_ms + before.duration_ms + shiftMs, last: false });
    }
    const atMs = unit.onset_ms + shiftMs;
    steps.push({ kind: "unit", atMs, unit });
    const next = units[k + 1];
    const stayMs = trial.unit_ms ?? null;
    if (next !== undefined && stayMs !== null && atMs + stayMs < beginsMs(next) + shiftMs) steps.push({ kind: "blank", atMs: atMs + stayMs, last: false });
  });
  const lastUnit = units.at(-1);
  const lastMs = lastUnit === undefined ? leadMs : lastUnit.onset_ms + shiftMs + (trial.unit_ms ?? typicalSoaMs(units));
  steps.push({ kind: "blank", atMs: lastMs, last: true });
  steps.push({ kind: "end", atMs: lastMs + trial.blank_ms });
  return steps;
}

/** When anything of a unit appears first. */
function beginsMs(unit: TrialUnit): number {
  return unit.before?.onset_ms ?? unit.onset_ms;
}

function typicalSoaMs(units: readonly TrialUnit[]): number {
  const soas = units.slice(1).map((unit, k) => unit.onset_ms - (units[k]?.onset_ms ?? 0));
  return median(soas) ?? LONE_UNIT_MS;
}

/** What a frame shows anew. */
export interface Shown {
  readonly step: Step;
  /** When it should have been shown, on the page's clock. */
  readonly targetMs: number;
  /** Refreshes after the nearest one: 0 when it was shown as early as the display could. */
  readonly framesMissed: number;
}

/** Refreshes by which a step came later than on the frame nearest its target. */
export function framesMissed(shownMs: number, targetMs: number, periodMs: number): number {
  // 0.05: a frame exactly between two refreshes is not late; frame times have jitter of their own.
  return Math.max(0, Math.ceil((shownMs - targetMs) / periodMs - 0.5 - 0.05));
}

export class TrialSchedule {
  private next = 0;
  private startMs: number | null = null;
  private stallMs = 0;

  constructor(readonly steps: readonly Step[]) {}

  get done(): boolean {
    return this.next >= this.steps.length;
  }

  /** Milliseconds by which stalls have moved the rest of the trial. */
  get movedMs(): number {
    return this.stallMs;
  }

  /**
   * The step that this frame shows, or null when the screen stays.
   *
   * @param nowMs time of the frame (`requestAnimationFrame`), rising from call to call; the first call starts the trial
   * @param periodMs refresh period of the display
   */
  frame(nowMs: number, periodMs: number): Shown | null {
    this.startMs ??= nowMs;
    const step = this.steps[this.next];
    if (step === undefined || !this.isDue(step, nowMs, periodMs)) return null;
    const targetMs = this.targetOf(step);
    this.next += 1;
    const following = this.steps[this.next];
    if (following !== undefined && this.isDue(following, nowMs, periodMs)) this.stallMs += Math.max(0, nowMs - targetMs);
    return { step, targetMs, framesMissed: framesMissed(nowMs, targetMs, periodMs) };
  }

  private targetOf(step: Step): number {
    return (this.startMs ?? 0) + this.stallMs + step.atMs;
  }

  private isDue(step: Step, nowMs: number, periodMs: number): boolean {
    return nowMs + periodMs / 2 >= this.targetOf(step);
  }
}

/** Frame intervals that are looked at: one second at 60 Hz. */
const INTERVALS = 61;
const DEFAULT_PERIOD_MS = 1000 / 60;

/** Refresh period of the display: the median of the last frame intervals, so that a missed frame does not count. */
export class FramePeriod {
  private readonly intervals: number[] = [];
  private lastMs: number | null = null;

  add(nowMs: number): void {
    const last = this.lastMs;
    this.lastMs = nowMs;
    // Over 250 ms the page was hidden or the machine was busy: no refresh.
    if (last === null || nowMs <= last || nowMs - last > 250) return;
    this.intervals.push(nowMs - last);
    if (this.intervals.length > INTERVALS) this.intervals.shift();
  }

  /** Whether enough frames have been seen to state a rate. */
  get known(): boolean {
    return this.intervals.length >= 20;
  }

  get ms(): number {
    return (this.known ? median(this.intervals) : undefined) ?? DEFAULT_PERIOD_MS;
  }

  get hz(): number {
    return 1000 / this.ms;
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half];
  const lower = sorted[half - 1];
  return sorted.length % 2 === 1 || upper === undefined || lower === undefined ? upper : (lower + upper) / 2;
}
