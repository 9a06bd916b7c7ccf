/**
 * EEG preview frames: one chunk of the ordered log as `messaging.records.encode_record` writes it.
 *
 * 40 bytes, little-endian: magic "EEG1", uint32 n_samples, uint32 n_channels, 4 bytes padding, int64 ordinal, int64 sample_index,
 * float64 time_lsl_s; then float32 samples (n_samples, n_channels), channel fastest, microvolt.
 */
export interface Chunk {
  readonly nSamples: number;
  readonly nChannels: number;
  readonly ordinal: number;
  /** Number of the first sample at the full sampling rate. */
  readonly sampleIndex: number;
  readonly timeLslS: number;
  /** (nSamples, nChannels), channel fastest, microvolt. */
  readonly samplesUv: Float32Array;
}

export class ChunkError extends Error {}

const HEADER_BYTES = 40;
const MAGIC = 0x31474545; // "EEG1" read as a little-endian uint32
/** Far above any preview (one second of 256 channels at 1 kHz is 1 MiB). */
const LIMIT_BYTES = 16 * 1024 * 1024;
const littleEndianHost = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Decode one binary frame; throws ChunkError when the bytes are no chunk. */
export function decodeChunk(frame: ArrayBuffer): Chunk {
  if (frame.byteLength < HEADER_BYTES) throw new ChunkError(`Preview of ${frame.byteLength} bytes is shorter than its header of ${HEADER_BYTES} bytes.`);
  const view = new DataView(frame);
  if (view.getUint32(0, true) !== MAGIC) throw new ChunkError("Preview does not start with EEG1; the sender speaks another version.");
  const nSamples = view.getUint32(4, true);
  const nChannels = view.getUint32(8, true);
  const expected = HEADER_BYTES + 4 * nSamples * nChannels;
  if (frame.byteLength !== expected || expected > LIMIT_BYTES) {
    throw new ChunkError(`Preview of ${nSamples} x ${nChannels} samples needs ${expected} bytes (limit ${LIMIT_BYTES}), got ${frame.byteLength}.`);
  }
  return {
    nSamples,
    nChannels,
    ordinal: Number(view.getBigInt64(16, true)),
    sampleIndex: Number(view.getBigInt64(24, true)),
    timeLslS: view.getFloat64(32, true),
    samplesUv: littleEndianHost ? new Float32Array(frame, HEADER_BYTES) : swapped(view, nSamples * nChannels),
  };
}

function swapped(view: DataView, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let k = 0; k < count; k += 1) values[k] = view.getFloat32(HEADER_BYTES + 4 * k, true);
  return values;
}
