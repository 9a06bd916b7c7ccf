/** Keeps the fit between the page's and the server's clock: a burst of pings on every connection, then one every two seconds. */
import { ClockFitter } from "../lib/clock_fit";
import type { ClockFit, ClockPing, ClockPong } from "../lib/messages";

const BURST = 12;
const BURST_STEP_MS = 40;
const STEP_MS = 2000;

export class ClockSync {
  private current = new ClockFitter();
  /** Fit of the connection before: used while the new one has too few exchanges. */
  private previous: ClockFitter | null = null;
  private sent = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly send: (ping: ClockPing) => boolean,
    private readonly nowMs: () => number,
    /** Called when this connection's fit becomes usable. */
    private readonly became: () => void,
  ) {}

  /** A new connection, perhaps to another server process: measure anew. */
  restart(): void {
    this.stop();
    if (this.current.ready) this.previous = this.current;
    this.current = new ClockFitter();
    this.sent = 0;
    this.ping();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  received(pong: ClockPong): void {
    const wasReady = this.current.ready;
    this.current.add(pong.t0, pong.t1, pong.t2, this.nowMs() / 1000);
    if (!wasReady && this.current.ready) this.became();
  }

  /** Whether this connection has been measured. */
  get ready(): boolean {
    return this.current.ready;
  }

  fitAt(pageMs: number): ClockFit | null {
    return this.current.at(pageMs) ?? this.previous?.at(pageMs) ?? null;
  }

  private ping(): void {
    if (!this.send({ type: "clock_ping", t0: this.nowMs() / 1000 })) return;
    this.sent += 1;
    this.timer = setTimeout(() => this.ping(), this.sent < BURST ? BURST_STEP_MS : STEP_MS);
  }
}
