/** The last seconds of all channels: the socket writes, the drawing loop reads. No allocation after construction. */
export class TraceRing {
  private readonly values: Float32Array;
  private endSlot = 0;
  private firstSlot = 0;

  /**
   * @param nChannels channels of every frame
   * @param capacity slots (preview samples) that are kept
   */
  constructor(
    readonly nChannels: number,
    readonly capacity: number,
  ) {
    this.values = new Float32Array(nChannels * capacity).fill(Number.NaN);
  }

  /** Slot after the newest one. */
  get end(): number {
    return this.endSlot;
  }

  /** Oldest slot that still holds a value. */
  get start(): number {
    return Math.max(this.firstSlot, this.endSlot - this.capacity);
  }

  /**
   * Write consecutive samples from a slot on; slots that were skipped become gaps (NaN).
   *
   * What lies before the end (sent twice) is left out, except that a jump back by more than the ring starts it anew: the board
   * was restarted and counts from 0.
   *
   * @param samplesUv (nSamples, nChannels), channel fastest
   */
  write(slot: number, samplesUv: Float32Array, nSamples: number): void {
    if (this.endSlot === 0 || slot + nSamples < this.endSlot - this.capacity) this.restart(slot);
    for (let gap = Math.max(this.endSlot, slot - this.capacity); gap < slot; gap += 1) {
      const row = (gap % this.capacity) * this.nChannels;
      this.values.fill(Number.NaN, row, row + this.nChannels);
    }
    for (let k = Math.max(0, this.endSlot - slot); k < nSamples; k += 1) {
      const row = ((slot + k) % this.capacity) * this.nChannels;
      for (let channel = 0; channel < this.nChannels; channel += 1) this.values[row + channel] = samplesUv[k * this.nChannels + channel] ?? Number.NaN;
    }
    this.endSlot = Math.max(this.endSlot, slot + nSamples);
  }

  /** Value of a channel in a slot, microvolt; NaN where there is none. */
  at(slot: number, channel: number): number {
    if (slot < this.start || slot >= this.endSlot) return Number.NaN;
    return this.values[(slot % this.capacity) * this.nChannels + channel] ?? Number.NaN;
  }

  private restart(slot: number): void {
    this.values.fill(Number.NaN);
    this.firstSlot = slot;
    this.endSlot = slot;
  }
}
