/**
 * The subject's side of a session: says hello, keeps the clocks together, plays trials, and keeps every onset until it is
 * acknowledged. A trial goes on when the connection drops; what it showed is sent when the connection is back.
 */
import type { Onsets, RatingAsked, RatingGiven, Refusal, ShownUnit, SubjectDown, SubjectHello, SubjectUp, Trial } from "../lib/messages";
import { CLOSED_FOR_ANOTHER, ReconnectingSocket, type SocketEvents } from "../lib/socket";
import { ClockSync } from "./clock_sync";
import type { Outbox } from "./outbox";
import { TrialPlayer, type Frames, type Stage } from "./player";

/** What the page shows besides the stage. */
export type Screen =
  | { readonly name: "connecting" }
  /** Instruction; a key begins. */
  | { readonly name: "begin" }
  /** The stage belongs to the trials. */
  | { readonly name: "trials" }
  | { readonly name: "paused"; readonly reason: string; readonly byThisPage: boolean }
  /** A question about the text that was shown. */
  | { readonly name: "rating"; readonly trial: Trial; readonly asked: RatingAsked }
  /** Between two blocks; a key goes on. */
  | { readonly name: "break" }
  /** The page was hidden in a trial; a key goes on. */
  | { readonly name: "interrupted" }
  | { readonly name: "over"; readonly reason: string }
  | { readonly name: "refused"; readonly reason: string; readonly remedy: string; readonly mayTakeOver: boolean };

/** The part of ReconnectingSocket that is used; a test has its own. */
export interface Connection {
  start(): void;
  stop(): void;
  send(message: SubjectUp): boolean;
}

export interface SubjectParts {
  readonly pageLife: string;
  readonly auto: boolean;
  readonly outbox: Outbox;
  readonly stage: Stage;
  readonly frames: Frames;
  readonly nowMs: () => number;
  readonly connect: (events: SocketEvents) => Connection;
}

export function websocketConnection(address: string): (events: SocketEvents) => Connection {
  return (events) => new ReconnectingSocket(address, events);
}

export class SubjectSession implements SocketEvents {
  screen = $state<Screen>({ name: "connecting" });
  connected = $state(false);
  nTrials = $state(0);
  trialsDone = $state(0);
  protocol = $state("");
  /** What to read before the first trial: a heading, then paragraphs. */
  instruction = $state<readonly string[]>(instructionLines(""));

  readonly player: TrialPlayer;
  readonly clock: ClockSync;
  private readonly connection: Connection;
  private readonly unacknowledged = new Map<string, Onsets>();
  /** Presentations that this page began, so that none is shown twice. */
  private readonly begun = new Set<string>();
  private batch = 0;
  private started = false;
  private takeOver = false;
  private interrupted = false;
  /** A block is over, and the subject has not gone on. */
  private resting = false;
  private endsBlock = false;
  /** The trial whose question is not answered yet, and since when it is asked. */
  private asking: { readonly trial: Trial; readonly asked: RatingAsked; readonly sinceMs: number } | null = null;
  private pausedFor: string | null = null;
  private pausedHere = false;
  /** Why the server is about to close the connection; whether for good, the close code says. */
  private refusal: Refusal | null = null;
  /** Batches of earlier lives are in `unacknowledged`. */
  private restored = false;

  constructor(private readonly parts: SubjectParts) {
    this.player = new TrialPlayer(parts.stage, parts.frames, {
      unitShown: (trial, unit) => this.report(trial, [unit]),
      unitsOver: (trial) => this.report(trial, [], { trialEnded: true }),
      trialOver: (trial) => this.trialOver(trial),
    });
    this.connection = parts.connect(this);
    this.clock = new ClockSync((ping) => this.connection.send(ping), parts.nowMs, () => this.clockReady());
  }

  /** Batches of onsets that wait for their acknowledgement. */
  get unacknowledgedCount(): number {
    return this.unacknowledged.size;
  }

  /** Find what earlier lives of the page left, then connect. */
  async start(): Promise<void> {
    this.player.start();
    for (const batch of await this.parts.outbox.waiting()) this.unacknowledged.set(keyOf(batch.page_life, batch.batch), batch);
    this.restored = true;
    this.connection.start();
  }

  /** The subject begins, or goes on after a break, an interruption or a pause of their own. */
  proceed(): void {
    if (this.screen.name === "begin") this.started = true;
    else if (this.screen.name === "interrupted") this.interrupted = false;
    else if (this.screen.name === "break") this.resting = false;
    else if (this.screen.name === "paused" && this.screen.byThisPage) this.resume(true);
    else return;
    this.showScreen();
    this.askForTrial();
  }

  /** The subject's answer to the question; kept like an onset until the server has it. */
  rate(value: number): void {
    const asking = this.asking;
    if (asking === null) return;
    this.asking = null;
    this.report(asking.trial, [], { rating: { value, scale: asking.asked.scale, rt_ms: Math.max(0, this.parts.nowMs() - asking.sinceMs) } });
    this.showScreen();
    this.askForTrial();
  }

  /** The subject wants a break after this trial. */
  pause(): void {
    if (!this.started || this.pausedFor !== null || this.screen.name !== "trials") return;
    this.pausedHere = true;
    this.pausedFor = "";
    this.connection.send({ type: "pause", reason: "The subject asked for a break." });
    this.showScreen();
  }

  /** Close another page of this session and go on here. */
  useThisPage(): void {
    this.takeOver = true;
    this.screen = { name: "connecting" };
    this.connection.start();
  }

  /** The page became hidden or visible. A hidden page shows nothing, so its trial is broken off. */
  visibilityChanged(hidden: boolean): void {
    const trial = this.player.playing;
    if (hidden && trial !== null) {
      this.player.abort();
      this.interrupted = true;
      this.parts.frames.after(() => this.report(trial, [], { aborted: true }));
    } else if (!hidden && this.parts.auto && this.interrupted) {
      this.interrupted = false;
      this.askForTrial();
    }
    this.showScreen();
  }

  opened(): void {
    const refreshHz = this.player.period.known ? this.player.period.hz : null;
    const hello: SubjectHello = { type: "hello", token: null, page_life: this.parts.pageLife, take_over: this.takeOver, refresh_hz: refreshHz };
    this.connection.send(hello);
  }

  received(message: unknown): void {
    if (typeof message !== "object" || message === null || message instanceof ArrayBuffer) return;
    const down = message as SubjectDown;
    switch (down.type) {
      case "welcome":
        this.instruction = instructionLines(down.instruction ?? "");
        this.welcomed(down.protocol, down.n_trials, down.trials_done);
        break;
      case "clock_pong":
        this.clock.received(down);
        break;
      case "trial":
        this.play(down);
        break;
      case "ack":
        this.acknowledged(down.page_life, down.batch);
        break;
      case "pause":
        this.pausedFor ??= down.reason ?? "";
        this.showScreen();
        break;
      case "resume":
        this.resume(false);
        break;
      case "end":
        this.end(down.reason);
        break;
      case "refused":
        this.refusal = down;
        break;
    }
  }

  lost(closeCode: number, final: boolean): void {
    this.connected = false;
    this.clock.stop();
    if (!final || this.over) return;
    this.player.abort();
    const { reason, remedy } = this.refusal ?? { reason: `The server closed the connection (code ${closeCode}).`, remedy: "Reload the page." };
    this.screen = { name: "refused", reason, remedy, mayTakeOver: closeCode === CLOSED_FOR_ANOTHER };
  }

  private welcomed(protocol: string, nTrials: number, trialsDone: number): void {
    this.connected = true;
    this.takeOver = false;
    this.refusal = null;
    this.protocol = protocol;
    this.nTrials = nTrials;
    this.trialsDone = trialsDone;
    if (this.parts.auto) this.started = true;
    this.showScreen();
    this.clock.restart();
    for (const batch of this.unacknowledged.values()) this.connection.send(batch);
  }

  private clockReady(): void {
    this.askForTrial();
  }

  /** Ready for a trial: begun, nothing on the stage, nobody paused, and the clocks of this connection compared. */
  private askForTrial(): void {
    if (!this.started || !this.restored || this.interrupted || this.resting || this.asking !== null || this.pausedFor !== null || this.over) return;
    if (this.player.playing !== null || !this.clock.ready) return;
    this.connection.send({ type: "ready" });
  }

  private play(trial: Trial): void {
    if (this.begun.has(trial.presentation) || this.player.playing !== null) return;
    this.begun.add(trial.presentation);
    this.trialsDone = trial.trial; // trials are numbered in their order, broken-off ones included
    this.nTrials = trial.n_trials;
    this.endsBlock = trial.last_of_block === true;
    this.showScreen();
    this.player.play(trial);
  }

  private trialOver(trial: Trial): void {
    this.trialsDone += 1;
    const asked = trial.rating ?? null;
    // A page that plays by itself has no opinion.
    if (asked !== null && !this.parts.auto) this.asking = { trial, asked, sinceMs: this.parts.nowMs() };
    this.resting = this.endsBlock && !this.parts.auto;
    this.showScreen();
    this.askForTrial();
  }

  private report(trial: Trial, units: readonly ShownUnit[], { trialEnded = false, aborted = false, rating = null }: { trialEnded?: boolean; aborted?: boolean; rating?: RatingGiven | null } = {}): void {
    const fit = this.clock.fitAt(this.parts.nowMs());
    if (fit === null) return; // Cannot be: a trial comes after `ready`, and `ready` after the first fit.
    this.batch += 1;
    const message: Onsets = {
      type: "onsets",
      batch: this.batch,
      page_life: this.parts.pageLife,
      presentation: trial.presentation,
      units: [...units],
      page_to_server: fit,
      trial_ended: trialEnded,
      aborted,
      ...(rating === null ? {} : { rating }),
    };
    this.unacknowledged.set(keyOf(message.page_life, message.batch), message);
    this.connection.send(message);
    this.parts.outbox.put(message).catch((error: unknown) => console.warn("A batch of onsets could not be stored; it is kept in memory.", error));
  }

  private acknowledged(pageLife: string, batch: number): void {
    this.unacknowledged.delete(keyOf(pageLife, batch));
    this.parts.outbox.remove(pageLife, batch).catch((error: unknown) => console.warn("An acknowledged batch could not be removed; it is sent again after a reload.", error));
    if (this.over && this.unacknowledged.size === 0) this.connection.stop();
  }

  private resume(here: boolean): void {
    this.pausedFor = null;
    this.pausedHere = false;
    if (here) this.connection.send({ type: "resume" });
    this.showScreen();
    this.askForTrial();
  }

  private get over(): boolean {
    return this.screen.name === "over";
  }

  private end(reason: string): void {
    this.player.abort();
    this.screen = { name: "over", reason };
    if (this.unacknowledged.size === 0) this.connection.stop();
  }

  private showScreen(): void {
    if (this.over || this.screen.name === "refused") return;
    if (this.player.playing !== null) this.screen = { name: "trials" };
    else if (this.nTrials === 0 && !this.connected) this.screen = { name: "connecting" };
    else if (!this.started) this.screen = { name: "begin" };
    else if (this.interrupted && !this.parts.auto) this.screen = { name: "interrupted" };
    else if (this.asking !== null) this.screen = { name: "rating", trial: this.asking.trial, asked: this.asking.asked };
    else if (this.pausedFor !== null) this.screen = { name: "paused", reason: this.pausedFor, byThisPage: this.pausedHere };
    else if (this.resting) this.screen = { name: "break" };
    else this.screen = { name: "trials" };
  }
}

const PLAIN_INSTRUCTION = ["Read what appears", "Sit still, keep your eyes on the middle of the screen, and blink between the texts. Press P when you want a break after the current text."];

function instructionLines(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.length > 0 ? lines : PLAIN_INSTRUCTION;
}

function keyOf(pageLife: string, batch: number): string {
  return `${pageLife} ${batch}`;
}
