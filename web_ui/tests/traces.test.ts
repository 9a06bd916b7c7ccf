import { describe, expect, it } from "vitest";
import { ChunkError, decodeChunk } from "../src/lib/chunk";
import { TraceRing } from "../src/operator/trace_ring";
import fixture from "./chunk.fixture.json";

function bytesOf(base64: string): ArrayBuffer {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return bytes.buffer;
}

describe("decodeChunk", () => {
  it("reads what the daemon's encoder wrote", () => {
    const chunk = decodeChunk(bytesOf(fixture.base64));
    expect({ ...chunk, samplesUv: [...chunk.samplesUv] }).toEqual({
      nSamples: fixture.samples_uv.length,
      nChannels: fixture.samples_uv[0]?.length,
      ordinal: fixture.ordinal,
      sampleIndex: fixture.sample_index,
      timeLslS: fixture.time_lsl_s,
      samplesUv: fixture.samples_uv.flat(),
    });
  });

  it("refuses other bytes in a sentence", () => {
    const whole = bytesOf(fixture.base64);
    expect(() => decodeChunk(whole.slice(0, 20))).toThrow(/20 bytes is shorter than its header of 40/);
    expect(() => decodeChunk(whole.slice(0, whole.byteLength - 4))).toThrow(ChunkError);
    const foreign = whole.slice(0);
    new DataView(foreign).setUint8(3, 0x39);
    expect(() => decodeChunk(foreign)).toThrow(/does not start with EEG1/);
    const huge = whole.slice(0);
    new DataView(huge).setUint32(4, 0xffffffff, true);
    expect(() => decodeChunk(huge)).toThrow(/limit/);
  });
});

describe("TraceRing", () => {
  const ramp = (from: number, n: number): Float32Array => Float32Array.from({ length: 2 * n }, (_unused, k) => (k % 2 === 0 ? 1 : -1) * (from + (k >> 1)));

  it("gives back the last samples of each channel however they were cut", () => {
    const ring = new TraceRing(2, 10);
    let slot = 100;
    for (const n of [1, 4, 7, 3, 9, 2]) {
      ring.write(slot, ramp(slot, n), n);
      slot += n;
    }
    expect(ring.end).toBe(slot);
    expect(ring.start).toBe(slot - 10);
    for (let k = ring.start; k < ring.end; k += 1) expect([ring.at(k, 0), ring.at(k, 1)]).toEqual([k, -k]);
    expect(ring.at(ring.start - 1, 0)).toBeNaN();
    expect(ring.at(ring.end, 0)).toBeNaN();
  });

  it("does not claim what it never got", () => {
    const ring = new TraceRing(2, 10);
    ring.write(5000, ramp(5000, 3), 3);
    expect(ring.start).toBe(5000);
    expect(ring.at(4999, 0)).toBeNaN();
  });

  it("keeps lost samples as a gap, also one longer than itself", () => {
    const ring = new TraceRing(2, 10);
    ring.write(0, ramp(0, 10), 10);
    ring.write(13, ramp(13, 2), 2);
    expect([9, 10, 11, 12, 13].map((slot) => ring.at(slot, 0))).toEqual([9, Number.NaN, Number.NaN, Number.NaN, 13]);
    ring.write(1000, ramp(1000, 1), 1);
    expect(ring.at(995, 0)).toBeNaN();
    expect(ring.at(1000, 1)).toBe(-1000);
  });

  it("leaves out what it has already, and starts anew when the count does", () => {
    const ring = new TraceRing(2, 10);
    ring.write(100, ramp(100, 6), 6);
    ring.write(103, ramp(0, 4), 4);
    expect(ring.at(105, 0)).toBe(105);
    expect(ring.at(106, 0)).toBe(3);
    ring.write(0, ramp(0, 2), 2);
    expect([ring.start, ring.end, ring.at(1, 0)]).toEqual([0, 2, 1]);
  });

  it("keeps the newest part of a chunk longer than itself", () => {
    const ring = new TraceRing(2, 10);
    ring.write(0, ramp(0, 25), 25);
    for (let slot = 15; slot < 25; slot += 1) expect(ring.at(slot, 0)).toBe(slot);
  });
});
