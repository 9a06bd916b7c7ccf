/** What the operator's page knows: sockets write here, the components read. */
import { decodeChunk, type Chunk } from "../lib/chunk";
import type { ChannelQuality, OperatorAlarm, OperatorCommand, OperatorDown, OperatorImpedance, OperatorState, OperatorUp, Refusal, StreamQuality } from "../lib/messages";
import { Acknowledged, standingAlarms, type StandingAlarm } from "./alarms";
import { latestLabels } from "../lib/rest";
import { ReconnectingSocket, socketAddress, type SocketEvents } from "../lib/socket";
import { RewardBook } from "./reward_book";
import { DisplayFilter, NO_FILTER, refilter, type FilterWish } from "./display_filter";
import { signalVerdict, type SignalVerdict } from "./signal_verdict";
import { TraceRing } from "./trace_ring";

/** Longest window of the traces. */
export const LONGEST_WINDOW_S = 20;
const FLUSH_MS = 80;
const RATE_WINDOW_MS = 60_000;
/** Label rows asked for when the console opens. */
const HISTORY = 400;

/** The preview's rings and how their slots relate to sample numbers. */
export interface Traces {
  /** As it came. */
  readonly raw: TraceRing;
  /** What is drawn: through the display filter. */
  readonly ring: TraceRing;
  readonly previewRateHz: number;
  readonly samplingRateHz: number;
}

export class OperatorConsole implements SocketEvents {
  state = $state.raw<OperatorState | null>(null);
  quality = $state.raw<ReadonlyMap<string, ChannelQuality>>(new Map());
  stream = $state.raw<StreamQuality | null>(null);
  impedance = $state.raw<OperatorImpedance | null>(null);
  alarms = $state.raw<readonly StandingAlarm[]>([]);
  private acknowledgements = $state(0);
  connected = $state(false);
  refusal = $state.raw<Refusal | null>(null);
  labelsPerMinute = $state<number | null>(null);
  /** Rises whenever `book` changed. */
  bookVersion = $state(0);
  signal = $state("");

  readonly book = new RewardBook();
  /** Read by the drawing loop, not by the components. */
  traces: Traces | null = null;
  /** For the display alone. */
  filterWish = $state.raw<FilterWish>(NO_FILTER);
  private filter: DisplayFilter | null = null;

  private readonly socket: ReconnectingSocket;
  private readonly acknowledged: Acknowledged;
  private waitingRows: Record<string, unknown>[] = [];
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private counts: { readonly atMs: number; readonly labels: number }[] = [];

  constructor(private readonly sessionId: string) {
    this.acknowledged = new Acknowledged(sessionId);
    this.socket = new ReconnectingSocket(socketAddress(`/ws/v1/sessions/${encodeURIComponent(sessionId)}/operator`), this);
  }

  start(): void {
    this.socket.start();
  }

  stop(): void {
    this.socket.stop();
    clearTimeout(this.flushTimer);
  }

  /** Returns false when there is no connection; commands are never kept for later. */
  command(command: OperatorCommand["command"], more: Omit<Partial<OperatorCommand>, "type" | "command"> = {}): boolean {
    const message: OperatorUp = { type: "command", command, ...more };
    return this.socket.send(message);
  }

  /** What is known of the signal now; null while nothing is. */
  verdict(): SignalVerdict | null {
    return signalVerdict((this.state?.channels ?? []).flatMap((name) => this.quality.get(name) ?? []), this.stream);
  }

  /** Start although the signal check fails: what is wrong and why it is started goes into the journal. */
  startAnyway(reason: string): boolean {
    const wrong = (this.verdict()?.findings ?? []).map((finding) => `${finding.where} ${finding.wrong}`).join("; ");
    const text = `Started although the signal check fails (${wrong}): ${reason || "no reason given"}`;
    return this.command("start", { text: text.slice(0, 2000) });
  }

  /** An alarm goes; what is wrong still stays, but quietly. */
  acknowledge(alarm: StandingAlarm): void {
    this.acknowledged.add(alarm);
    this.alarms = this.alarms.filter((other) => other.what !== alarm.what);
    this.acknowledgements += 1;
  }

  /** What is wrong now and what was reported, latest on top. */
  standing(): readonly StandingAlarm[] {
    void this.acknowledgements;
    return standingAlarms(this.state?.faults ?? [], this.alarms, this.acknowledged);
  }

  opened(): void {
    const hello: OperatorUp = { type: "hello", token: null };
    this.socket.send(hello);
    // Rows committed while the console was away come from the log.
    latestLabels(this.sessionId, HISTORY).then(
      (rows) => this.takeRows(rows),
      (error: unknown) => console.warn("Earlier labels could not be read; the console shows those that come from now on.", error),
    );
  }

  lost(): void {
    this.connected = false;
    this.counts = [];
  }

  received(message: unknown): void {
    if (message instanceof ArrayBuffer) {
      this.preview(message);
      return;
    }
    if (typeof message !== "object" || message === null) return;
    const down = message as OperatorDown;
    switch (down.type) {
      case "state":
        this.connected = true;
        this.refusal = null;
        this.state = down;
        this.countLabels(down.labels);
        if (down.over === true && down.lab === null) this.forgetLab();
        break;
      case "quality":
        this.quality = new Map(down.channels.map((channel) => [channel.name, channel]));
        this.stream = down.stream ?? null;
        break;
      case "impedance":
        this.impedance = down;
        break;
      case "alarm":
        this.alarm(down);
        break;
      case "rewards":
        this.takeRows(down.items);
        break;
      case "refused":
        this.refusal = down;
        break;
    }
  }

  /** Rows come one by one or by the hundred; the components look again a few times a second at most. */
  private takeRows(rows: readonly Record<string, unknown>[]): void {
    this.waitingRows.push(...rows);
    this.flushTimer ??= setTimeout(() => {
      this.flushTimer = undefined;
      if (this.book.take(this.waitingRows) > 0) this.bookVersion += 1;
      this.waitingRows = [];
      if (this.signal === "") this.signal = this.book.signals[0] ?? "";
    }, FLUSH_MS);
  }

  private alarm(alarm: OperatorAlarm): void {
    if (this.acknowledged.has(alarm)) return;
    const before = this.alarms.find((other) => other.what === alarm.what);
    // After a reconnection the server tells its latest alarms once more.
    if (before !== undefined && before.at >= alarm.at) return;
    const standing: StandingAlarm = { ...alarm, count: (before?.count ?? 0) + 1, lasting: false, known: false };
    this.alarms = [standing, ...this.alarms.filter((other) => other.what !== alarm.what)].slice(0, 20);
  }

  /** The session is over: what the lab does from now on is another session's. */
  private forgetLab(): void {
    this.traces = null;
    if (this.quality.size > 0) this.quality = new Map();
    this.stream = null;
    this.impedance = null;
  }

  private countLabels(labels: number): void {
    const nowMs = performance.now();
    this.counts.push({ atMs: nowMs, labels });
    this.counts = this.counts.filter((count) => nowMs - count.atMs <= RATE_WINDOW_MS);
    const first = this.counts[0];
    // Under five seconds the quotient says nothing.
    const spanMs = first === undefined ? 0 : nowMs - first.atMs;
    this.labelsPerMinute = first !== undefined && spanMs >= 5000 ? ((labels - first.labels) * 60_000) / spanMs : null;
  }

  private preview(frame: ArrayBuffer): void {
    const lab = this.state?.lab;
    const previewRateHz = lab?.preview_rate_hz ?? 0;
    const samplingRateHz = lab?.sampling_rate_hz ?? 0;
    if (previewRateHz <= 0 || samplingRateHz <= 0) return;
    let chunk: Chunk;
    try {
      chunk = decodeChunk(frame);
    } catch (error) {
      console.warn(error);
      return;
    }
    const known = this.traces;
    if (known === null || known.raw.nChannels !== chunk.nChannels || known.previewRateHz !== previewRateHz || known.samplingRateHz !== samplingRateHz) {
      const ring = (): TraceRing => new TraceRing(chunk.nChannels, Math.ceil((LONGEST_WINDOW_S + 2) * previewRateHz));
      this.traces = { raw: ring(), ring: ring(), previewRateHz, samplingRateHz };
      this.filter = new DisplayFilter(this.filterWish, previewRateHz, chunk.nChannels);
    }
    this.write(Math.round((chunk.sampleIndex * previewRateHz) / samplingRateHz), chunk);
  }

  private write(slot: number, chunk: Chunk): void {
    const { traces, filter } = this;
    if (traces === null || filter === null) return;
    const end = traces.raw.end;
    traces.raw.write(slot, chunk.samplesUv, chunk.nSamples);
    // What is sent twice must not pass the filter twice, and a gap or a new start is a new beginning for it.
    if (slot < end && traces.raw.end === end) return;
    if (slot !== end) filter.reset();
    filter.apply(chunk.samplesUv, chunk.nSamples);
    traces.ring.write(slot, chunk.samplesUv, chunk.nSamples);
  }

  /** Filter the display from now on, and what is on it. */
  filterBy(wish: FilterWish): void {
    this.filterWish = wish;
    const known = this.traces;
    if (known === null) return;
    const ring = new TraceRing(known.raw.nChannels, known.raw.capacity);
    this.filter = new DisplayFilter(wish, known.previewRateHz, known.raw.nChannels);
    refilter(known.raw, ring, this.filter);
    this.traces = { ...known, ring };
  }
}
