/**
 * Plays a trial on animation frames alone.
 *
 * `onset_page_ms` is the timestamp that `requestAnimationFrame` gave to the frame in whose callback the text was set: the start of
 * that frame on the `performance.now()` scale. The text lights up a constant while later (composition and the display's own
 * latency), which a photodiode measures per set-up (`display_latency_ms`); it is not added here.
 */
import type { ShownUnit, Trial } from "../lib/messages";
import { FramePeriod, TrialSchedule, trialSteps, type Shown } from "./schedule";

/** The places of the stage; each shows text or nothing, and none ever moves another. */
export interface Stage {
  prompt(text: string): void;
  fixation(visible: boolean): void;
  phrase(text: string): void;
  unit(text: string): void;
}

/** Where frames come from: `requestAnimationFrame`, or a test. */
export interface Frames {
  request(callback: (nowMs: number) => void): void;
  /** Run something soon, outside the frame's callback. */
  after(task: () => void): void;
}

/** Diagnostics: one unit as planned and as shown. */
export interface UnitTiming {
  readonly presentation: string;
  readonly index: number;
  readonly target_page_ms: number;
  readonly onset_page_ms: number;
  readonly frames_missed: number;
  readonly period_ms: number;
}

export interface PlayerEvents {
  /** A unit is on the screen. */
  unitShown(trial: Trial, unit: ShownUnit): void;
  /** The last unit has gone. */
  unitsOver(trial: Trial): void;
  /** The blank after the last unit is over. */
  trialOver(trial: Trial): void;
}

const KEPT_TIMINGS = 5000;

/** Frames straight from the browser. */
export function browserFrames(): Frames {
  const channel = new MessageChannel();
  const tasks: (() => void)[] = [];
  channel.port1.onmessage = () => tasks.shift()?.();
  return {
    request: (callback) => void requestAnimationFrame(callback),
    after: (task) => {
      tasks.push(task);
      channel.port2.postMessage(null);
    },
  };
}

export class TrialPlayer {
  readonly period = new FramePeriod();
  readonly timing: UnitTiming[] = [];
  private schedule: TrialSchedule | null = null;
  private trial: Trial | null = null;

  constructor(
    private readonly stage: Stage,
    private readonly frames: Frames,
    private readonly events: PlayerEvents,
  ) {}

  get playing(): Trial | null {
    return this.trial;
  }

  /** Begin to watch frames; the refresh period is known half a second later. */
  start(): void {
    const frame = (nowMs: number): void => {
      this.frames.request(frame);
      this.frame(nowMs);
    };
    this.frames.request(frame);
  }

  /** Show this trial from the next frame on. */
  play(trial: Trial): void {
    this.trial = trial;
    this.schedule = new TrialSchedule(trialSteps(trial));
  }

  /** Break the trial off and clear the stage. */
  abort(): void {
    this.trial = null;
    this.schedule = null;
    this.clear();
  }

  private frame(nowMs: number): void {
    this.period.add(nowMs);
    const trial = this.trial;
    const shown = this.schedule?.frame(nowMs, this.period.ms);
    if (trial !== null && shown) this.show(trial, shown, nowMs);
  }

  private show(trial: Trial, { step, targetMs, framesMissed }: Shown, nowMs: number): void {
    this.clear(step.kind);
    if (step.kind === "prompt") this.stage.prompt(step.text);
    else if (step.kind === "fixation") this.stage.fixation(true);
    else if (step.kind === "phrase") this.stage.phrase(step.text);
    else if (step.kind === "unit") {
      this.stage.unit(step.unit.sign ?? step.unit.text);
      const { index } = step.unit;
      this.note({ presentation: trial.presentation, index, target_page_ms: targetMs, onset_page_ms: nowMs, frames_missed: framesMissed, period_ms: this.period.ms });
      this.frames.after(() => this.events.unitShown(trial, { index, onset_page_ms: nowMs, offset_page_ms: null, frames_missed: framesMissed }));
    } else if (step.kind === "blank" && step.last) this.frames.after(() => this.events.unitsOver(trial));
    else if (step.kind === "end") {
      this.trial = null;
      this.schedule = null;
      this.frames.after(() => this.events.trialOver(trial));
    }
  }

  private clear(except?: string): void {
    if (except !== "prompt") this.stage.prompt("");
    if (except !== "fixation") this.stage.fixation(false);
    if (except !== "phrase") this.stage.phrase("");
    if (except !== "unit") this.stage.unit("");
  }

  private note(timing: UnitTiming): void {
    this.timing.push(timing);
    if (this.timing.length > KEPT_TIMINGS) this.timing.shift();
  }
}
