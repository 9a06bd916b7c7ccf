/** Draws the scrolling traces of all channels, and the units shown meanwhile, onto one canvas. */
import { rewardColour } from "./reward_colour";
import type { UnitReward } from "./reward_book";
import type { Traces } from "./console.svelte";

export interface TraceColours {
  readonly ink: string;
  readonly grid: string;
  readonly faint: string;
  readonly good: string;
  readonly error: string;
}

export interface TraceView {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly windowS: number;
  /** Microvolt per row height. */
  readonly scaleUv: number;
  readonly colours: TraceColours;
  readonly font: string;
}

/** Height of the band above the traces in which the units stand. */
export const UNIT_BAND_PX = 60;
/** Words stand in turn on this many lines, so that each has the room of several. */
const LANES = 3;
const LANE_PX = (UNIT_BAND_PX - 6) / LANES;

export class TracePainter {
  /** Position of the right rim in slots; moves evenly although chunks come in steps. */
  private head = Number.NaN;
  private lastMs = 0;
  private baselinesUv: Float64Array = new Float64Array(0);
  private painted: Traces | null = null;

  paint(context: CanvasRenderingContext2D, view: TraceView, traces: Traces, units: readonly UnitReward[], nowMs: number): void {
    if (this.painted !== traces) {
      this.painted = traces;
      this.head = Number.NaN;
      this.baselinesUv = new Float64Array(traces.ring.nChannels).fill(Number.NaN);
    }
    this.moveHead(traces, nowMs);
    context.clearRect(0, 0, view.widthPx, view.heightPx);
    this.paintSeconds(context, view, traces);
    this.paintUnits(context, view, traces, units);
    this.paintChannels(context, view, traces);
  }

  /** Follow the newest slot at the preview's rate, with a pull towards it; jump when far off (start, replay at speed). */
  private moveHead({ ring, previewRateHz }: Traces, nowMs: number): void {
    const elapsedS = Math.min(0.25, Math.max(0, (nowMs - this.lastMs) / 1000));
    this.lastMs = nowMs;
    const ahead = ring.end - this.head;
    if (!(Math.abs(ahead) < previewRateHz)) this.head = ring.end;
    else this.head = Math.min(ring.end, this.head + elapsedS * previewRateHz + ahead * (1 - Math.exp(-elapsedS / 1.5)));
  }

  private xOf(slot: number, view: TraceView, traces: Traces): number {
    return view.widthPx * (1 - (this.head - slot) / (view.windowS * traces.previewRateHz));
  }

  private paintSeconds(context: CanvasRenderingContext2D, view: TraceView, traces: Traces): void {
    const rate = traces.previewRateHz;
    context.strokeStyle = view.colours.grid;
    context.lineWidth = 1;
    context.beginPath();
    for (let second = Math.ceil((this.head - view.windowS * rate) / rate); second * rate <= this.head; second += 1) {
      const x = Math.round(this.xOf(second * rate, view, traces)) + 0.5;
      context.moveTo(x, UNIT_BAND_PX);
      context.lineTo(x, view.heightPx);
    }
    context.stroke();
  }

  private paintUnits(context: CanvasRenderingContext2D, view: TraceView, traces: Traces, units: readonly UnitReward[]): void {
    const slotsPerSample = traces.previewRateHz / traces.samplingRateHz;
    context.font = view.font;
    context.textBaseline = "middle";
    const rightPx: number[] = Array.from({ length: LANES }, () => view.widthPx);
    for (let k = units.length - 1; k >= 0; k -= 1) {
      const unit = units[k];
      if (unit === undefined || unit.sampleIndex === null) continue;
      const x = this.xOf(unit.sampleIndex * slotsPerSample, view, traces);
      if (x < -160) break;
      const lane = laneOf(unit);
      this.paintUnit(context, view, unit, x, lane, (rightPx[lane] ?? view.widthPx) - x - 3);
      rightPx[lane] = x;
    }
    context.globalAlpha = 1;
  }

  private paintUnit(context: CanvasRenderingContext2D, view: TraceView, unit: UnitReward, x: number, lane: number, roomPx: number): void {
    const colour = rewardColour(unit.reward, unit.rewardSd);
    const ink = colour.pole === "error" ? view.colours.error : colour.pole === "good" ? view.colours.good : view.colours.faint;
    const textPx = context.measureText(unit.text).width + 8;
    // The newest word reaches over the rim: it moves to the left until it has passed.
    const left = Math.min(x, Math.max(0, view.widthPx - textPx));
    const widthPx = Math.max(3, Math.min(textPx, roomPx + x - left));
    const top = 2 + lane * LANE_PX;
    context.globalAlpha = colour.pole === "none" ? 0.25 : Math.max(0.12, colour.share);
    context.fillStyle = ink;
    context.fillRect(left, top, widthPx, LANE_PX - 2);
    context.globalAlpha = 0.4;
    context.fillRect(Math.round(x), top, 1, view.heightPx - top);
    if (unit.release !== "ok") {
      context.globalAlpha = 0.8;
      context.strokeStyle = view.colours.faint;
      context.setLineDash([2, 2]);
      context.strokeRect(left + 0.5, top + 0.5, widthPx - 1, LANE_PX - 3);
      context.setLineDash([]);
    }
    context.globalAlpha = 1;
    context.fillStyle = view.colours.ink;
    context.fillText(shortened(context, unit.text, widthPx - 6), left + 4, top + (LANE_PX - 2) / 2 + 0.5);
  }

  private paintChannels(context: CanvasRenderingContext2D, view: TraceView, traces: Traces): void {
    const { ring } = traces;
    const rowPx = (view.heightPx - UNIT_BAND_PX) / ring.nChannels;
    const pxPerUv = rowPx / view.scaleUv;
    const firstSlot = Math.max(ring.start, Math.floor(this.head - view.windowS * traces.previewRateHz) - 1);
    const endSlot = Math.min(ring.end, Math.ceil(this.head) + 1);
    context.strokeStyle = view.colours.ink;
    // Hairlines with plain joins: round ones cost several times as much where there is no graphics card.
    context.lineWidth = 1;
    context.lineJoin = "bevel";
    for (let channel = 0; channel < ring.nChannels; channel += 1) {
      const baselineUv = this.baseline(traces, channel, firstSlot, endSlot);
      const middle = UNIT_BAND_PX + rowPx * (channel + 0.5);
      let pen = false;
      context.beginPath();
      for (let slot = firstSlot; slot < endSlot; slot += 1) {
        const valueUv = ring.at(slot, channel);
        if (Number.isNaN(valueUv)) {
          pen = false; // a gap stays a gap
          continue;
        }
        // Positive is up. Two rows at most: a swinging electrode must not paint over everything.
        const y = middle - Math.max(-2 * rowPx, Math.min(2 * rowPx, (valueUv - baselineUv) * pxPerUv));
        const x = this.xOf(slot, view, traces);
        if (pen) context.lineTo(x, y);
        else context.moveTo(x, y);
        pen = true;
      }
      context.stroke();
    }
  }

  /** Mean of what is visible, followed slowly so that the trace does not jump; the offset of the electrode means nothing here. */
  private baseline({ ring }: Traces, channel: number, firstSlot: number, endSlot: number): number {
    let sum = 0;
    let count = 0;
    for (let slot = firstSlot; slot < endSlot; slot += 1) {
      const valueUv = ring.at(slot, channel);
      if (Number.isNaN(valueUv)) continue;
      sum += valueUv;
      count += 1;
    }
    const meanUv = count > 0 ? sum / count : 0;
    const before = this.baselinesUv[channel] ?? Number.NaN;
    const next = Number.isNaN(before) ? meanUv : before + 0.15 * (meanUv - before);
    this.baselinesUv[channel] = next;
    return next;
  }
}

/** The line a word stands on; the same one on its whole way. */
function laneOf(unit: UnitReward): number {
  return (unit.annotation ? unit.seq : unit.index) % LANES;
}

/** A text cut to a width, with an ellipsis; nothing where not even a letter has room. */
function shortened(context: CanvasRenderingContext2D, text: string, widthPx: number): string {
  if (context.measureText(text).width <= widthPx) return text;
  for (let length = text.length - 1; length > 0; length -= 1) {
    const cut = `${text.slice(0, length)}…`;
    if (context.measureText(cut).width <= widthPx) return cut;
  }
  return "";
}
