import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pagePath, placePath, PLACES, routeOf, takeToken } from "../src/lib/address";
import { LONGEST_PAUSE_MS, ReconnectingSocket, reconnectPauseMs, type Wire } from "../src/lib/socket";
import { age, fixed, percent, signed } from "../src/lib/wording";

class FakeWire implements Wire {
  binaryType: BinaryType = "blob";
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  sent: string[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  accept(): void {
    this.readyState = 1;
    this.onopen?.({} as Event);
  }

  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code } as CloseEvent);
  }
}

describe("ReconnectingSocket", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function bench(): { wires: FakeWire[]; socket: ReconnectingSocket; log: string[] } {
    const wires: FakeWire[] = [];
    const log: string[] = [];
    const events = { opened: () => void log.push("opened"), received: (message: unknown) => void log.push(JSON.stringify(message)), lost: (code: number, final: boolean) => void log.push(`lost ${code} ${final}`) };
    const socket = new ReconnectingSocket("ws://x", events, () => {
      const wire = new FakeWire();
      wires.push(wire);
      return wire;
    });
    return { wires, socket, log };
  }

  it("opens again after a loss, with longer and longer pauses while nothing lasts", () => {
    const { wires, socket } = bench();
    socket.start();
    for (let k = 0; k < 8; k += 1) {
      wires.at(-1)?.end(1006);
      expect(wires).toHaveLength(k + 1);
      vi.advanceTimersByTime(1.25 * LONGEST_PAUSE_MS);
      expect(wires).toHaveLength(k + 2);
    }
  });

  it("sends only while it is open", () => {
    const { wires, socket, log } = bench();
    socket.start();
    expect(socket.send({ type: "ready" })).toBe(false);
    wires[0]?.accept();
    expect(socket.send({ type: "ready" })).toBe(true);
    expect(wires[0]?.sent).toEqual(['{"type":"ready"}']);
    wires[0]?.onmessage?.({ data: '{"a":1}' } as MessageEvent);
    wires[0]?.onmessage?.({ data: "no json" } as MessageEvent);
    expect(log).toEqual(["opened", '{"a":1}']);
  });

  it("does not come back after a refusal for good, or after it was stopped", () => {
    for (const code of [4401, 4403, 4404, 4409]) {
      const { wires, socket, log } = bench();
      socket.start();
      wires[0]?.end(code);
      vi.advanceTimersByTime(60_000);
      expect(wires).toHaveLength(1);
      expect(log).toEqual([`lost ${code} true`]);
      socket.start();
      expect(wires).toHaveLength(2);
    }
    const { wires, socket } = bench();
    socket.start();
    socket.stop();
    wires[0]?.end(1000);
    vi.advanceTimersByTime(60_000);
    expect(wires).toHaveLength(1);
  });

  it("comes back after being cut off for slowness", () => {
    const { wires, socket, log } = bench();
    socket.start();
    wires[0]?.end(4408);
    vi.advanceTimersByTime(10_000);
    expect(wires).toHaveLength(2);
    expect(log).toEqual(["lost 4408 false"]);
  });

  it("gives a silent connection up and ignores its late close", () => {
    const { wires, socket, log } = bench();
    socket.start();
    wires[0]?.accept();
    vi.advanceTimersByTime(10_001);
    expect(log).toEqual(["opened", "lost 1006 false"]);
    vi.advanceTimersByTime(1000);
    expect(wires).toHaveLength(2);
    wires[0]?.end(4409);
    expect(log).toHaveLength(2);
  });

  it("pauses between 75 and 125 percent of a doubling time, never much over five seconds", () => {
    expect(reconnectPauseMs(0, 0)).toBe(187.5);
    expect(reconnectPauseMs(1, 1)).toBe(625);
    expect(reconnectPauseMs(1000, 0.5)).toBe(LONGEST_PAUSE_MS);
  });
});

describe("address", () => {
  it("names the page and the session", () => {
    expect(routeOf("/")).toEqual({ page: "home" });
    expect(routeOf("/operator/a%20b")).toEqual({ page: "operator", sessionId: "a b" });
    expect(routeOf("/subject/20310402-1/")).toEqual({ page: "subject", sessionId: "20310402-1" });
    expect(routeOf("/sessions/20310402-1")).toEqual({ page: "review", sessionId: "20310402-1" });
    for (const place of PLACES) expect(routeOf(placePath(place))).toEqual({ page: place });
    for (const page of ["operator", "subject", "review"] as const) expect(routeOf(pagePath(page, "a/b c"))).toEqual({ page, sessionId: "a/b c" });
    for (const path of ["/home", "/items/x", "/operator", "/operator/", "/other/x", "/subject/a/b", "/subject/%E0%A4%A"]) expect(routeOf(path)).toEqual({ page: "unknown" });
  });

  it("takes the token out of the query and leaves the rest", () => {
    expect(takeToken("?token=abc")).toEqual({ token: "abc", search: "" });
    expect(takeToken("?auto=1&token=a%2Bb")).toEqual({ token: "a+b", search: "?auto=1" });
    expect(takeToken("?auto=1")).toEqual({ token: null, search: "?auto=1" });
  });
});

describe("wording", () => {
  it("writes numbers with a true minus, units and a dash for nothing", () => {
    expect(fixed(-0.004, 2)).toBe("0.00");
    expect(fixed(-1.5, 1, "µV")).toBe("−1.5 µV");
    expect(fixed(null, 1, "µV")).toBe("–");
    expect(signed(0.25, 2)).toBe("+0.25");
    expect(percent(0.0123, 1)).toBe("1.2 %");
    expect(age(38.4)).toBe("38 ms");
    expect(age(12_000)).toBe("12 s");
  });
});
