import { describe, expect, it } from "vitest";
import {
  addDays,
  changeOf,
  daysBetween,
  formatAgo,
  formatAxis,
  formatAxisDay,
  formatBytes,
  formatDay,
  formatDuration,
  formatInstant,
  formatShare,
  formatSpan,
  formatValue,
  isDay,
  plural,
  previousStart,
} from "../src/format";

const en = "en-US";

describe("formatValue", () => {
  it.each([
    [1234567, "integer", "1,234,567"],
    [0, "integer", "0"],
    [2.345, "decimal", "2.35"],
    [0.1234, "percent", "12.3%"],
    [1500, "duration_ms", "1.5 sec"],
    [1536, "bytes", "1.5 KiB"],
    [12, "", "12"],
  ] as const)("%s as %s", (value, format, want) => {
    expect(formatValue(value, format, en)).toBe(want);
  });

  it("shows no data as a dash, not as zero", () => {
    expect(formatValue(null, "integer", en)).toBe("–");
    expect(formatValue(NaN, "decimal", en)).toBe("–");
  });

  it("follows the reader's language", () => {
    expect(formatValue(1234567, "integer", "de-DE")).toBe("1.234.567");
  });
});

it("shortens axis labels", () => {
  expect(formatAxis(1_200_000, "integer", en)).toBe("1.2M");
  expect(formatAxis(0.5, "percent", en)).toBe("50%");
});

it.each([
  [9.25, "9.3 ms"],
  [850, "850 ms"],
  [999.4, "999 ms"],
  [999.6, "1 sec"],
  [59_940, "59.9 sec"],
  [59_960, "1 min"],
  [200_000, "3 min 20 sec"],
  [3_599_600, "1 hr"],
  [7_500_000, "2 hr 5 min"],
  [86_399_000, "1 day"],
  [273_600_000, "3 days 4 hr"],
  [-61_000, "-1 min 1 sec"],
])("formatDuration(%d)", (ms, want) => {
  expect(formatDuration(ms, en)).toBe(want);
});

it.each([
  [1023, "1,023 B"],
  [1024, "1 KiB"],
  [5 * 1024 ** 3, "5 GiB"],
  [-2048, "-2 KiB"],
])("formatBytes(%d)", (bytes, want) => {
  expect(formatBytes(bytes, en)).toBe(want);
});

it.each([
  [1, 4, "25.0%"],
  [1, 100_000, "< 0.1%"],
  [0, 5, "0.0%"],
  [0, 0, "–"],
])("formatShare(%d, %d)", (part, whole, want) => {
  expect(formatShare(part, whole, en)).toBe(want);
});

describe("days", () => {
  it("accepts only days of the calendar", () => {
    expect(isDay("2024-02-29")).toBe(true);
    for (const bad of ["2023-02-29", "2024-13-01", "2024-1-1", "yesterday", "", "2024-02-29T00:00:00Z"]) {
      expect(isDay(bad), bad).toBe(false);
    }
  });

  it("counts across months, leap days and clock changes", () => {
    expect(addDays("2024-02-28", 2)).toBe("2024-03-01");
    expect(addDays("2026-03-29", 1)).toBe("2026-03-30");
    expect(daysBetween("2026-10-01", "2026-10-31")).toBe(31);
    expect(daysBetween("2026-10-01", "2026-10-01")).toBe(1);
  });

  it("finds the period before", () => {
    expect(previousStart("2026-11-17", "2026-11-23")).toBe("2026-11-10");
    expect(previousStart("2026-03-01", "2026-03-01")).toBe("2026-02-28");
  });

  it("names buckets by their grain, whatever the reader's time zone", () => {
    expect(formatDay("2026-11-01", "day", en)).toBe("Nov 1, 2026");
    expect(formatDay("2026-11-02", "week", en)).toBe("Week of Nov 2, 2026");
    expect(formatDay("2026-11-01", "month", en)).toBe("Nov 2026");
    expect(formatDay("not a day", "day", en)).toBe("not a day");
    expect(formatAxisDay("2026-11-01", "day", false, en)).toBe("Nov 1");
    expect(formatAxisDay("2026-11-01", "month", true, en)).toBe("Nov 2026");
    expect(formatSpan("2026-10-25", "2026-11-23", en).replace(/\s/g, " ")).toBe("Oct 25 – Nov 23, 2026");
  });
});

describe("moments", () => {
  const now = new Date("2026-11-23T12:00:00Z");
  it.each([
    ["2026-11-23T11:59:30Z", "just now"],
    ["2026-11-23T11:57:00Z", "3 minutes ago"],
    ["2026-11-23T09:00:00Z", "3 hours ago"],
    ["2026-11-22T11:00:00Z", "yesterday"],
    ["2026-11-02T12:00:00Z", "3 weeks ago"],
    ["2026-08-23T12:00:00Z", "3 months ago"],
    ["2024-11-01T12:00:00Z", "2 years ago"],
    ["2026-11-24T13:00:00Z", "tomorrow"],
    ["never", "never"],
  ])("formatAgo(%s)", (iso, want) => {
    expect(formatAgo(iso, now, en)).toBe(want);
  });

  it("shows a moment in the reader's time zone", () => {
    const text = formatInstant("2026-11-23T23:30:00Z", en, "Asia/Tokyo").replace(/\s/g, " ");
    expect(text).toBe("Nov 24, 2026, 8:30 AM");
  });
});

describe("changeOf", () => {
  it.each([
    [112, 100, "up", "12%"],
    [95, 100, "down", "5%"],
    [1005, 1000, "up", "0.5%"],
    [7, 7, "same", "no change"],
    [0, 0, "same", "no change"],
    [12, 0, "up", "12"],
    [0, 12, "down", "100%"],
  ])("%d after %d", (value, before, direction, text) => {
    expect(changeOf(value, before, "integer", en)).toEqual({ direction, text });
  });
});

it("counts in words", () => {
  expect(plural(1, "day", "days", en)).toBe("1 day");
  expect(plural(1000, "day", "days", en)).toBe("1,000 days");
});
