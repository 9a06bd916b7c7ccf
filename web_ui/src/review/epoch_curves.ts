/** Curves of an EEG window as SVG paths; gaps stay gaps. */

/** Channels that are shown first: the midline, where responses to errors are largest; else the first ones. */
export function firstChannels(channels: readonly string[], count: number): readonly string[] {
  const midline = ["Fz", "Cz", "Pz"].flatMap((wanted) => channels.find((name) => name.toLowerCase() === wanted.toLowerCase()) ?? []);
  return [...midline, ...channels.filter((name) => !midline.includes(name))].slice(0, count);
}

/** A half height for the axis that holds all values: 1, 2 or 5 times a power of ten, at least 5 µV. */
export function niceLimit(values: readonly (number | null)[]): number {
  let most = 5;
  for (const value of values) if (value !== null && Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((limit) => limit >= most) ?? most;
}

export interface Axes {
  readonly x: (timeMs: number) => number;
  readonly y: (valueUv: number) => number;
}

const at = (value: number): string => value.toFixed(1);

/** Line through the values. */
export function linePath(timesMs: readonly number[], valuesUv: readonly (number | null)[], axes: Axes): string {
  let pen = false;
  let path = "";
  timesMs.forEach((timeMs, k) => {
    const value = valuesUv[k] ?? null;
    if (value === null) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${at(axes.x(timeMs))} ${at(axes.y(value))}`;
    pen = true;
  });
  return path;
}

/** Band of mean ± half, one shape per stretch without a gap. */
export function bandPath(timesMs: readonly number[], meanUv: readonly (number | null)[], halfUv: readonly (number | null)[], axes: Axes): string {
  let path = "";
  let upper: string[] = [];
  let lower: string[] = [];
  const close = (): void => {
    if (upper.length > 1) path += `M${[...upper, ...lower.reverse()].join("L")}Z`;
    upper = [];
    lower = [];
  };
  timesMs.forEach((timeMs, k) => {
    const mean = meanUv[k] ?? null;
    const half = halfUv[k] ?? null;
    if (mean === null || half === null) {
      close();
      return;
    }
    upper.push(`${at(axes.x(timeMs))} ${at(axes.y(mean + half))}`);
    lower.push(`${at(axes.x(timeMs))} ${at(axes.y(mean - half))}`);
  });
  close();
  return path;
}
