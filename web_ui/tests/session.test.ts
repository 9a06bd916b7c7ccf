import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Onsets, SubjectUp, Trial } from "../src/lib/messages";
import { openOutbox, type Outbox } from "../src/subject/outbox";
import { SubjectSession } from "../src/subject/session.svelte";
import { trialOf } from "./trials";

const PERIOD_MS = 1000 / 60;

/** A subject page without a browser: frames are given by hand, the server is a list of messages. */
class Bench {
  sent: SubjectUp[] = [];
  open = false;
  nowMs = 5000;
  texts: string[] = [];
  readonly session: SubjectSession;
  private callback: ((nowMs: number) => void) | null = null;
  private tasks: (() => void)[] = [];

  constructor(outbox: Outbox, pageLife = "life1", auto = true) {
    this.session = new SubjectSession({
      pageLife,
      auto,
      outbox,
      stage: { prompt: () => undefined, fixation: () => undefined, phrase: () => undefined, unit: (text) => void (text !== "" && this.texts.push(text)) },
      frames: { request: (callback) => void (this.callback = callback), after: (task) => void this.tasks.push(task) },
      nowMs: () => this.nowMs,
      connect: () => ({
        start: () => this.connect(),
        stop: () => void (this.open = false),
        send: (message) => {
          if (this.open) this.sent.push(message);
          return this.open;
        },
      }),
    });
  }

  connect(): void {
    this.open = true;
    this.session.opened();
  }

  /** The connection breaks; nothing sent from here on arrives. */
  drop(closeCode = 1006, final = false): void {
    this.open = false;
    this.session.lost(closeCode, final);
  }

  welcome(): void {
    this.session.received({ type: "welcome", session_id: "s", protocol: "token_rsvp", n_trials: 3, trials_done: 0 });
    for (let k = 0; k < 6; k += 1) {
      this.session.received({ type: "clock_pong", t0: this.nowMs / 1000, t1: this.nowMs / 1000 + 100, t2: this.nowMs / 1000 + 100 });
      this.nowMs += 1;
    }
  }

  /** Give frames for some time; what was put off runs after each. */
  frames(durationMs: number): void {
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs; ) {
      this.nowMs += PERIOD_MS;
      this.callback?.(this.nowMs);
      this.settle();
    }
  }

  settle(): void {
    for (const task of this.tasks.splice(0)) task();
  }

  get onsets(): Onsets[] {
    return this.sent.filter((message) => message.type === "onsets");
  }

  count(type: SubjectUp["type"]): number {
    return this.sent.filter((message) => message.type === type).length;
  }

  acknowledgeAll(): void {
    for (const batch of this.onsets) this.session.received({ type: "ack", page_life: batch.page_life, batch: batch.batch });
  }

  give(trial: Trial): void {
    this.session.received(trial);
  }
}

let sessionNumber = 0;
let name = "";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  sessionNumber += 1;
  name = `session-${sessionNumber}`;
});
afterEach(() => void vi.useRealTimers());

async function ready(auto = true): Promise<Bench> {
  const bench = new Bench(await openOutbox(name), "life1", auto);
  await bench.session.start();
  bench.welcome();
  return bench;
}

describe("SubjectSession", () => {
  it("says hello, compares clocks, and only then is ready", async () => {
    const bench = new Bench(await openOutbox(name));
    await bench.session.start();
    expect(bench.sent).toEqual([{ type: "hello", token: null, page_life: "life1", take_over: false, refresh_hz: null }]);
    bench.session.received({ type: "welcome", session_id: "s", protocol: "token_rsvp", n_trials: 3, trials_done: 0 });
    expect(bench.count("clock_ping")).toBe(1);
    expect(bench.count("ready")).toBe(0);
    bench.welcome();
    expect(bench.count("ready")).toBeGreaterThan(0);
  });

  it("waits for the subject unless it plays by itself", async () => {
    const bench = await ready(false);
    expect(bench.session.screen.name).toBe("begin");
    expect(bench.count("ready")).toBe(0);
    bench.session.proceed();
    expect(bench.count("ready")).toBe(1);
  });

  it("shows every unit once, reports each with its frame time and the fit, and asks for the next trial after the blank", async () => {
    const bench = await ready();
    const before = bench.count("ready");
    bench.give(trialOf(4));
    bench.frames(1500 + 4 * 450 + 100);
    expect(bench.texts).toEqual(["word0", "word1", "word2", "word3"]);
    const onsets = bench.onsets;
    expect(onsets.map((batch) => [batch.batch, batch.units.map((unit) => unit.index), batch.trial_ended])).toEqual([[1, [0], false], [2, [1], false], [3, [2], false], [4, [3], false], [5, [], true]]);
    const timing = bench.session.player.timing;
    expect(onsets.flatMap((batch) => batch.units.map((unit) => unit.onset_page_ms))).toEqual(timing.map((unit) => unit.onset_page_ms));
    expect(onsets[0]?.page_to_server.offset_s).toBeCloseTo(100, 6);
    expect(bench.count("ready")).toBe(before);
    bench.frames(900);
    expect(bench.count("ready")).toBe(before + 1);
    expect(bench.session.trialsDone).toBe(1);
  });

  it("goes on with the trial when the connection drops, and sends what it showed when it is back", async () => {
    const bench = await ready();
    bench.give(trialOf(4));
    bench.frames(1700);
    bench.acknowledgeAll();
    bench.drop();
    bench.sent = [];
    bench.frames(4000);
    expect(bench.texts).toHaveLength(4);
    expect(bench.sent).toEqual([]);
    bench.connect();
    bench.welcome();
    expect(bench.onsets.flatMap((batch) => batch.units.map((unit) => unit.index))).toEqual([1, 2, 3]);
    expect(bench.onsets.at(-1)?.trial_ended).toBe(true);
    expect(bench.sent.findIndex((message) => message.type === "ready")).toBeGreaterThan(bench.sent.findLastIndex((message) => message.type === "onsets"));
  });

  it("sends the unacknowledged batches of an earlier life of the page first, unchanged", async () => {
    const first = await ready();
    first.give(trialOf(3));
    first.frames(2200);
    const acknowledged = first.onsets[0];
    first.session.received({ type: "ack", page_life: "life1", batch: acknowledged?.batch });
    await vi.waitFor(async () => expect(await (await openOutbox(name)).waiting()).toHaveLength(1));

    const second = new Bench(await openOutbox(name), "life2");
    await second.session.start();
    second.welcome();
    expect(second.onsets).toEqual([first.onsets[1]]);
    second.acknowledgeAll();
    await vi.waitFor(async () => expect(await (await openOutbox(name)).waiting()).toEqual([]));
    expect(second.session.unacknowledgedCount).toBe(0);
  });

  it("keeps the batches of other sessions out", async () => {
    const bench = await ready();
    bench.give(trialOf(1));
    bench.frames(1700);
    await vi.waitFor(async () => expect(await (await openOutbox(name)).waiting()).toHaveLength(1));
    expect(await (await openOutbox(`${name}-other`)).waiting()).toEqual([]);
  });

  it("rests after the last text of a block until the subject goes on", async () => {
    const bench = await ready(false);
    bench.session.proceed();
    bench.give({ ...trialOf(2), last_of_block: true });
    const before = bench.count("ready");
    bench.frames(1500 + 2 * 450 + 1500);
    expect(bench.session.screen.name).toBe("break");
    expect(bench.count("ready")).toBe(before);
    bench.session.received({ type: "pause", reason: "Electrode check." });
    expect(bench.session.screen.name).toBe("paused");
    bench.session.received({ type: "resume" });
    expect(bench.session.screen.name).toBe("break");
    bench.session.proceed();
    expect(bench.session.screen.name).toBe("trials");
    expect(bench.count("ready")).toBe(before + 1);
  });

  it("does not rest when it plays by itself", async () => {
    const bench = await ready();
    const before = bench.count("ready");
    bench.give({ ...trialOf(2), last_of_block: true });
    bench.frames(1500 + 2 * 450 + 1500);
    expect(bench.count("ready")).toBe(before + 1);
  });

  it("breaks a presentation off when the page is hidden, after what it has shown", async () => {
    const bench = await ready(false);
    bench.session.proceed();
    bench.give(trialOf(4));
    bench.frames(1700);
    bench.session.visibilityChanged(true);
    bench.settle();
    bench.session.visibilityChanged(false);
    expect(bench.onsets.map((batch) => [batch.units.length, batch.aborted])).toEqual([[1, false], [0, true]]);
    expect(bench.session.screen.name).toBe("interrupted");
    const before = bench.count("ready");
    bench.session.proceed();
    expect(bench.count("ready")).toBe(before + 1);
    bench.frames(3000);
    expect(bench.texts).toEqual(["word0"]);
  });

  it("pauses after the current trial and goes on when told", async () => {
    const bench = await ready();
    bench.give(trialOf(1));
    bench.frames(500);
    bench.session.received({ type: "pause", reason: "Electrode check." });
    expect(bench.session.screen.name).toBe("trials");
    const before = bench.count("ready");
    bench.frames(3000);
    expect(bench.texts).toEqual(["word0"]);
    expect(bench.session.screen).toEqual({ name: "paused", reason: "Electrode check.", byThisPage: false });
    expect(bench.count("ready")).toBe(before);
    bench.session.proceed(); // the subject cannot end the operator's pause
    expect(bench.count("ready")).toBe(before);
    bench.session.received({ type: "resume" });
    expect(bench.count("ready")).toBe(before + 1);
  });

  it("does not show a presentation twice", async () => {
    const bench = await ready();
    bench.give(trialOf(1));
    bench.frames(3500);
    bench.give(trialOf(1));
    bench.frames(3500);
    expect(bench.texts).toEqual(["word0"]);
  });

  it("as a second page says so, and takes over on request", async () => {
    const bench = new Bench(await openOutbox(name));
    await bench.session.start();
    bench.session.received({ type: "refused", reason: "Another page shows this session.", remedy: "Use this page instead." });
    bench.drop(4409, true);
    expect(bench.session.screen).toMatchObject({ name: "refused", reason: "Another page shows this session.", mayTakeOver: true });
    bench.session.useThisPage();
    expect(bench.sent.at(-1)).toMatchObject({ type: "hello", take_over: true });
    bench.welcome();
    expect(bench.session.screen.name).toBe("trials");
  });

  it("without a login offers no take-over", async () => {
    const bench = new Bench(await openOutbox(name));
    await bench.session.start();
    bench.session.received({ type: "refused", reason: "No token.", remedy: "Open the address of the ready line." });
    bench.drop(4401, true);
    expect(bench.session.screen).toMatchObject({ name: "refused", mayTakeOver: false });
  });

  it("ends", async () => {
    const bench = await ready();
    bench.session.received({ type: "end", reason: "All done." });
    bench.drop();
    expect(bench.session.screen).toEqual({ name: "over", reason: "All done." });
    expect(bench.open).toBe(false);
  });

  it("asks about a text before it goes on, and keeps the answer until the server has it", async () => {
    const bench = await ready(false);
    bench.session.proceed();
    const asked = { scale: "slider" as const, question: "How good?", low: "bad", high: "good", text: null };
    bench.give(trialOf(1, { rating: asked }));
    bench.frames(4000);
    expect(bench.session.screen.name).toBe("rating");
    const readyBefore = bench.count("ready");
    bench.drop();
    bench.nowMs += 500;
    bench.session.rate(70);
    bench.session.rate(10);
    expect(bench.session.screen.name).not.toBe("rating");
    const before = bench.onsets.length;
    bench.open = true;
    bench.welcome();
    const given = bench.onsets.slice(before).filter((batch) => batch.rating !== undefined);
    expect(given.map((batch) => [batch.rating?.value, batch.rating?.scale])).toEqual([[70, "slider"]]);
    expect(given[0]?.rating?.rt_ms).toBeGreaterThanOrEqual(500);
    expect(bench.count("ready")).toBe(readyBefore + 1);
  });
});
