// Numbers, days and instants as people read them. Pure: the locale and "now" are arguments.

import type { Format, Grain } from "./api";

type Locale = string | undefined;

const dayMs = 86_400_000;

/** formatValue writes a measure's value; null (no data) is a dash, never a zero. */
export function formatValue(value: number | null, format: Format = "integer", locale?: Locale): string {
  if (value === null || !Number.isFinite(value)) return "–";
  switch (format) {
    case "percent":
      return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(value);
    case "duration_ms":
      return formatDuration(value, locale);
    case "bytes":
      return formatBytes(value, locale);
    case "decimal":
      return new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(value);
    default:
      return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value);
  }
}

/** formatAxis is formatValue for axis labels, where 1,200,000 has to be 1.2M. */
export function formatAxis(value: number, format: Format = "integer", locale?: Locale): string {
  if (format === "integer" || format === "decimal" || format === "") {
    return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
  }
  return formatValue(value, format, locale);
}

/** formatShare writes a part of a whole with one decimal; a little is never "0%". */
export function formatShare(part: number, whole: number, locale?: Locale): string {
  if (whole === 0) return "–";
  const share = part / whole;
  const tenths = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 } as const;
  const format = new Intl.NumberFormat(locale, tenths);
  return share > 0 && share < 0.0005 ? `< ${format.format(0.001)}` : format.format(share);
}

/** formatDuration takes milliseconds: 850 ms, 1.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function formatDuration(ms: number, locale?: Locale): string {
  const unit = (value: number, name: string, digits = 0) =>
    new Intl.NumberFormat(locale, {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits: digits,
    }).format(value);
  const size = Math.abs(ms);
  if (size < 999.5) return unit(ms, "millisecond", size < 10 ? 1 : 0);
  if (size < 59_950) return unit(ms / 1000, "second", 1);
  const sign = ms < 0 ? -1 : 1;
  const pair = (big: number, bigName: string, small: number, smallName: string) =>
    small === 0 ? unit(sign * big, bigName) : `${unit(sign * big, bigName)} ${unit(small, smallName)}`;
  const seconds = Math.round(size / 1000);
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "minute", seconds % 60, "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "hour", minutes % 60, "minute");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "day", hours % 24, "hour");
}

/** formatBytes uses binary units: 1,536 is 1.5 KiB. */
export function formatBytes(bytes: number, locale?: Locale): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let at = 0;
  while (Math.abs(value) >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  const digits = at === 0 ? 0 : 1;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${units[at]}`;
}

/** isDay tells whether text is a real calendar day written YYYY-MM-DD. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && toDay(date) === text;
}

/** toDay is the UTC day of an instant, as the database counts days. */
export function toDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** addDays moves a day by whole days. */
export function addDays(day: string, count: number): string {
  return toDay(new Date(Date.parse(`${day}T00:00:00Z`) + count * dayMs));
}

/** daysBetween counts the days of an inclusive range. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / dayMs) + 1;
}

/** previousStart is the first day of the equally long period before an inclusive range. */
export function previousStart(from: string, to: string): string {
  return addDays(from, -daysBetween(from, to));
}

/** formatDay names a bucket of the time axis: a day, the week that starts on it, or its month. */
export function formatDay(day: string, grain: Grain = "day", locale?: Locale): string {
  const date = new Date(`${day.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return day;
  if (grain === "month") {
    return new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", timeZone: "UTC" }).format(date);
  }
  const text = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }).format(date);
  return grain === "week" ? `Week of ${text}` : text;
}

/** formatAxisDay is the short form under the time axis; the year is said where it is not implied. */
export function formatAxisDay(day: string, grain: Grain, withYear: boolean, locale?: Locale): string {
  const date = new Date(`${day}T00:00:00Z`);
  const year = withYear ? ({ year: "numeric" } as const) : {};
  const parts = grain === "month" ? { month: "short" as const } : { day: "numeric" as const, month: "short" as const };
  return new Intl.DateTimeFormat(locale, { ...parts, ...year, timeZone: "UTC" }).format(date);
}

/** formatSpan writes an inclusive range of days in as few words as the locale needs. */
export function formatSpan(from: string, to: string, locale?: Locale): string {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
  return format.formatRange(new Date(`${from}T00:00:00Z`), new Date(`${to}T00:00:00Z`));
}

/** formatInstant is a moment in the reader's own time zone. */
export function formatInstant(iso: string, locale?: Locale, timeZone?: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", ...zone(timeZone) }).format(date);
}

/** formatClock is the time of day of a moment. */
export function formatClock(date: Date, locale?: Locale, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: "short", ...zone(timeZone) }).format(date);
}

function zone(timeZone: string | undefined): { timeZone?: string } {
  return timeZone === undefined ? {} : { timeZone };
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * dayMs],
  ["month", 30 * dayMs],
  ["week", 7 * dayMs],
  ["day", dayMs],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** formatAgo says how long ago a moment was: "3 minutes ago", "yesterday", "just now". */
export function formatAgo(iso: string, now: Date, locale?: Locale): string {
  const gap = Date.parse(iso) - now.getTime();
  if (Number.isNaN(gap)) return iso;
  for (const [unit, size] of steps) {
    if (Math.abs(gap) >= size) {
      return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(Math.trunc(gap / size), unit);
    }
  }
  return "just now";
}

export interface Change {
  direction: "up" | "down" | "same";
  /** text is the size of the change without its direction. */
  text: string;
}

/** changeOf compares with the period before; where that was zero, a percentage would be nonsense. */
export function changeOf(value: number, before: number, format: Format, locale?: Locale): Change {
  const gap = value - before;
  const direction = gap > 0 ? "up" : gap < 0 ? "down" : "same";
  if (direction === "same") return { direction, text: "no change" };
  if (before === 0) return { direction, text: formatValue(Math.abs(gap), format, locale) };
  const share = Math.abs(gap / before);
  const digits = share < 0.1 ? 1 : 0;
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(share);
  return { direction, text: percent };
}

/** plural picks the word for a count, with the count formatted before it. */
export function plural(count: number, one: string, many: string, locale?: Locale): string {
  return `${formatValue(count, "integer", locale)} ${count === 1 ? one : many}`;
}
