/** Numbers as they are shown: with their unit, with a dash where there is none. */

export const NONE = "–";

export function fixed(value: number | null | undefined, digits: number, unit = ""): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  // A true minus sign lines up with the digits; −0.00 is 0.00.
  const text = value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
  return unit === "" ? text : `${text} ${unit}`;
}

export function signed(value: number | null | undefined, digits: number): string {
  const text = fixed(value, digits);
  return value !== null && value !== undefined && value > 0 && text !== NONE ? `+${text}` : text;
}

export function percent(fraction: number | null | undefined, digits = 1): string {
  return fraction === null || fraction === undefined ? NONE : fixed(100 * fraction, digits, "%");
}

/** Age of a sample: milliseconds, or seconds when it is long. */
export function age(ms: number | null | undefined): string {
  return ms !== null && ms !== undefined && ms >= 10_000 ? fixed(ms / 1000, 0, "s") : fixed(ms, 0, "ms");
}

export function bytes(count: number | null | undefined): string {
  return count === null || count === undefined ? NONE : fixed(count / 1e9, count < 1e10 ? 1 : 0, "GB");
}

/** A UTC instant in the reader's own time, short. */
export function instant(iso: string | null | undefined): string {
  if (!iso) return "no date";
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Time of day of a UTC instant, in the reader's own zone, with seconds. */
export function clockTime(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}
