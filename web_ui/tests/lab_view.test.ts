import { describe, expect, it } from "vitest";
import type { ChannelQuality } from "../src/lib/messages";
import { Acknowledged, standingAlarms, type Shelf, type StandingAlarm } from "../src/operator/alarms";
import { channelSentence, faultWord, impedanceSpot, isBad, placeOf, qualitySpot } from "../src/operator/channel_view";

class Memory implements Shelf {
  readonly kept = new Map<string, string>();
  getItem(key: string): string | null {
    return this.kept.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.kept.set(key, value);
  }
}

const report = (what: string, at: string): StandingAlarm => ({ what, sentence: `${what}.`, at, count: 1, lasting: false, known: false });
const fault = (since: string) => ({ what: "board_stalled" as const, sentence: "Silent.", since });

describe("alarms", () => {
  it("stand with the latest on top", () => {
    const list = standingAlarms([], [report("a", "2031-01-01T10:00:00Z"), report("b", "2031-01-01T10:00:05Z")], new Acknowledged("s", null));
    expect(list.map((alarm) => alarm.what)).toEqual(["b", "a"]);
  });

  it("name a fault that lasts once, although it was reported too", () => {
    const list = standingAlarms([fault("2031-01-01T10:00:00Z")], [report("board_stalled", "2031-01-01T10:00:01Z")], new Acknowledged("s", null));
    expect(list.map(({ what, lasting }) => [what, lasting])).toEqual([["board_stalled", true]]);
  });

  it("keep a fault that was acknowledged until it is over, below those that were not", () => {
    const acknowledged = new Acknowledged("s", null);
    const lasting = fault("2031-01-01T10:00:09Z");
    acknowledged.add({ what: lasting.what, at: lasting.since });
    const list = standingAlarms([lasting], [report("disk_slow", "2031-01-01T10:00:00Z")], acknowledged);
    expect(list.map(({ what, known }) => [what, known])).toEqual([["disk_slow", false], ["board_stalled", true]]);
    expect(standingAlarms([], [], acknowledged)).toEqual([]);
    expect(standingAlarms([fault("2031-01-01T11:00:00Z")], [], acknowledged)[0]?.known).toBe(false); // a new fault is news
  });

  it("stay acknowledged when the page is loaded again, in its own session only", () => {
    const shelf = new Memory();
    const alarm = report("a", "2031-01-01T10:00:00Z");
    new Acknowledged("s", shelf).add(alarm);
    expect(new Acknowledged("s", shelf).has(alarm)).toBe(true);
    expect(new Acknowledged("other", shelf).has(alarm)).toBe(false);
    shelf.setItem("rlhb acknowledged s", "{broken");
    expect(new Acknowledged("s", shelf).has(alarm)).toBe(false);
  });
});

describe("a channel", () => {
  const good: ChannelQuality = { name: "Cz", rms_uv: 12.34, mains_ratio: 0.03, emg_ratio: 0.2 };
  const bad: ChannelQuality = { ...good, bad: true, bridged_with: "Pz", reasons: ["bridged with Pz", "mains 80 %, limit 50 %"] };

  it("is told in a sentence with its figures and every reason", () => {
    expect(channelSentence(good)).toBe("Cz is good: RMS 12.3 µV, mains 3 %, muscle 20 %.");
    expect(channelSentence(bad)).toBe("Cz is bad: bridged with Pz; mains 80 %, limit 50 %. RMS 12.3 µV, mains 3 %, muscle 20 %.");
    expect(faultWord(bad)).toBe("= Pz");
    expect(faultWord(good)).toBe("");
  });

  it("is bad by its flags even where the daemon gives no reason", () => {
    expect(isBad({ name: "Cz", rms_uv: 0, flat: true })).toBe(true);
    expect(channelSentence({ name: "Cz", rms_uv: 0, flat: true })).toContain("Cz is bad: flat.");
  });

  it("has its place on the head whatever the case of its name, or none", () => {
    expect(placeOf("cz")?.[0]).toBeCloseTo(0);
    expect(placeOf("Fp1")?.[0]).toBeLessThan(0);
    expect(placeOf("O2")?.[1]).toBeLessThan(0);
    expect(placeOf("accel x")).toBeNull();
  });

  it("says on the map that it is unknown until there is a figure", () => {
    expect(qualitySpot("Cz", undefined).verdict).toBe("unknown");
    expect(qualitySpot("Cz", bad)).toMatchObject({ verdict: "bad", figure: "12" });
    expect(impedanceSpot("Cz", undefined, false).verdict).toBe("unknown");
    expect(impedanceSpot("Cz", { name: "Cz", impedance_kohm: 7.26 }, false)).toMatchObject({ verdict: "good", figure: "7.3" });
    expect(impedanceSpot("Cz", { name: "Cz", impedance_kohm: 86, bad: true }, false)).toMatchObject({ verdict: "bad", figure: "86" });
    expect(impedanceSpot("Cz", undefined, true).sentence).toBe("Cz is being measured.");
  });
});
