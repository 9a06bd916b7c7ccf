/** A websocket that opens itself again: with growing, jittered pauses, until it is stopped. Nothing is queued here. */

export const FIRST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 5000;

/** Pause before the n-th attempt to reconnect (n from 0): doubles up to five seconds, ± 25 % so that pages do not come in step. */
export function reconnectPauseMs(attempt: number, random: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10)) * (0.75 + 0.5 * random);
}

/** The part of WebSocket that is used. */
export interface Wire {
  binaryType: BinaryType;
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  /** Connected anew; say hello. */
  opened(): void;
  /** A text frame, as the JSON value it holds, or the bytes of a binary frame. */
  received(message: unknown): void;
  /** The connection is gone; another attempt follows unless it is final (refused for good, or stopped). */
  lost(closeCode: number, final: boolean): void;
}

const OPEN = 1;
/** The server's close code for a page that another page replaced, or that comes second. */
export const CLOSED_FOR_ANOTHER = 4409;
/** Close codes after which the same connection would be refused again: bad message, no or wrong token, missing scope, no such session, another page. */
const FINAL_CLOSE_CODES: ReadonlySet<number> = new Set([4400, 4401, 4403, 4404, CLOSED_FOR_ANOTHER]);
/** A connection that lasted this long was a good one: the next pause is short again. */
const GOOD_CONNECTION_MS = 3000;
/** Both pages hear from the server at least every two seconds; after this silence the connection counts as dead. */
const SILENCE_MS = 10_000;

export class ReconnectingSocket {
  private wire: Wire | null = null;
  private attempt = 0;
  private openedAtMs: number | null = null;
  private stopped = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly address: string,
    private readonly events: SocketEvents,
    private readonly connect: (address: string) => Wire = (target) => new WebSocket(target),
  ) {}

  start(): void {
    this.stopped = false;
    this.open();
  }

  /** Close for good; start() opens again. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.silenceTimer);
    this.wire?.close();
  }

  /** Send a message now; false when there is no connection (the caller sends again after `opened`). */
  send(message: object): boolean {
    if (this.wire === null || this.wire.readyState !== OPEN) return false;
    this.wire.send(JSON.stringify(message));
    return true;
  }

  private open(): void {
    const wire = this.connect(this.address);
    wire.binaryType = "arraybuffer";
    this.wire = wire;
    wire.onopen = () => {
      this.openedAtMs = performance.now();
      this.watchSilence();
      this.events.opened();
    };
    wire.onmessage = (event) => {
      this.watchSilence();
      const message = decoded(event.data);
      if (message !== undefined) this.events.received(message);
    };
    wire.onclose = (event) => {
      if (this.wire === wire) this.closed(event.code);
    };
    // A connection that never opens is given up like one that has gone silent.
    this.watchSilence();
  }

  private closed(closeCode: number): void {
    this.wire = null;
    clearTimeout(this.silenceTimer);
    if (this.openedAtMs !== null && performance.now() - this.openedAtMs >= GOOD_CONNECTION_MS) this.attempt = 0;
    this.openedAtMs = null;
    if (FINAL_CLOSE_CODES.has(closeCode)) this.stopped = true;
    this.events.lost(closeCode, this.stopped);
    if (this.stopped) return;
    this.retryTimer = setTimeout(() => this.open(), reconnectPauseMs(this.attempt, Math.random()));
    this.attempt += 1;
  }

  private watchSilence(): void {
    clearTimeout(this.silenceTimer);
    if (!this.stopped) this.silenceTimer = setTimeout(() => this.giveUp(), SILENCE_MS);
  }

  /** A dead connection may take minutes to report its close, so its late close event is ignored. */
  private giveUp(): void {
    const wire = this.wire;
    this.wire = null;
    wire?.close();
    this.closed(1006);
  }
}

function decoded(frame: unknown): unknown {
  if (typeof frame !== "string") return frame;
  try {
    return JSON.parse(frame);
  } catch {
    console.warn(`A text frame of ${frame.length} characters is not JSON; left out.`);
    return undefined;
  }
}

/** Address of a websocket at the page's own origin. */
export function socketAddress(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
