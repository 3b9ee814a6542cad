import { describe, expect, it } from "vitest";
import type { Chart, ChartData, Kind } from "../src/api";
import {
  barPlot,
  bucketStart,
  buckets,
  fillGaps,
  foldRest,
  isEmpty,
  linePlot,
  partialEnds,
  piePlot,
  pivot,
  stretches,
  sum,
  totalOf,
} from "../src/series";

function chart(kind: Kind, parts: Partial<Chart> = {}): Chart {
  const measures = [{ name: "n", label: "Occurrences", format: "integer" as const }];
  return { id: "c", title: "C", description: "", kind, width: 6, time: null, category: null, series: null, measures, ...parts };
}

function data(columns: string[], rows: ChartData["rows"], parts: Partial<ChartData> = {}): ChartData {
  const types = { day: "time", n: "number", m: "number" } as const;
  return {
    chart: "c",
    columns: columns.map((name) => ({ name, label: name, type: types[name as keyof typeof types] ?? "text" })),
    rows,
    grain: null,
    from: null,
    to: null,
    previous: null,
    served_from: "metrics_daily",
    truncated: false,
    query_ms: 1,
    ...parts,
  };
}

describe("pivot", () => {
  it("makes a series of each value", () => {
    const rows = data(["day", "pattern", "n"], [["2026-01-01", "a", 1], ["2026-01-02", "b", 2], ["2026-01-02", "a", 3]]);
    expect(pivot(chart("line", { time: "day", series: "pattern" }), rows, "day")).toEqual({
      axis: ["2026-01-01", "2026-01-02"],
      series: [
        { name: "a", values: [1, 3] },
        { name: "b", values: [null, 2] },
      ],
    });
  });

  it("makes a series of each measure where nothing splits", () => {
    const two = chart("bar", {
      category: "pattern",
      measures: [
        { name: "n", label: "N", format: "integer" },
        { name: "m", label: "M", format: "decimal" },
      ],
    });
    const rows = data(["pattern", "n", "m"], [["a", 1, 0.5], ["", 2, null]]);
    expect(pivot(two, rows, "pattern")).toEqual({
      axis: ["a", "(none)"],
      series: [
        { name: "N", values: [1, 2] },
        { name: "M", values: [0.5, null] },
      ],
    });
  });
});

describe("buckets", () => {
  it("starts weeks on Monday and months on the first", () => {
    expect(bucketStart("2026-11-23", "week")).toBe("2026-11-23");
    expect(bucketStart("2026-11-22", "week")).toBe("2026-11-16");
    expect(bucketStart("2026-11-23", "month")).toBe("2026-11-01");
  });

  it("lists every one, across the end of a year", () => {
    expect(buckets("2025-12-30", "2026-01-02", "day")).toEqual(["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"]);
    expect(buckets("2025-12-30", "2026-01-12", "week")).toEqual(["2025-12-29", "2026-01-05", "2026-01-12"]);
    expect(buckets("2025-11-30", "2026-01-01", "month")).toEqual(["2025-11-01", "2025-12-01", "2026-01-01"]);
    expect(buckets("2026-01-02", "2026-01-01", "day")).toEqual([]);
  });

  it("stays bounded for an absurd range", () => {
    expect(buckets("0001-01-01", "9999-12-31", "day").length).toBe(20_000);
  });
});

describe("fillGaps", () => {
  it("puts zeros between the ends of the range", () => {
    const filled = fillGaps(["2026-01-02"], [{ name: "a", values: [5] }], { from: "2026-01-01", to: "2026-01-03", grain: "day" });
    expect(filled).toEqual({
      axis: ["2026-01-01", "2026-01-02", "2026-01-03"],
      series: [{ name: "a", values: [0, 5, 0] }],
    });
  });

  it("takes the ends from the rows where the range has none", () => {
    const filled = fillGaps(["2026-01-04", "2026-01-02"], [{ name: "a", values: [4, 2] }], { from: null, to: null, grain: "day" });
    expect(filled).toEqual({
      axis: ["2026-01-02", "2026-01-03", "2026-01-04"],
      series: [{ name: "a", values: [2, 0, 4] }],
    });
  });

  it("is empty without rows", () => {
    expect(fillGaps([], [], { from: "2026-01-01", to: "2026-01-03", grain: "day" }).axis).toEqual([]);
  });
});

describe("foldRest", () => {
  const many = Array.from({ length: 12 }, (_, at) => ({ name: `p${at}`, values: [at, null] }));

  it("keeps the eight largest, in order, and loses nothing", () => {
    const { series, rest } = foldRest(many);
    expect(series.map(({ name }) => name)).toEqual(["p11", "p10", "p9", "p8", "p7", "p6", "p5", "p4", "Other"]);
    expect(rest).toBe(true);
    expect(series.at(-1)?.values).toEqual([0 + 1 + 2 + 3, null]);
    expect(sum(series.flatMap(({ values }) => values))).toBe(66);
  });

  it("leaves few alone", () => {
    expect(foldRest(many.slice(0, 8)).rest).toBe(false);
  });

  it("puts what the API summed up last, however large, and adds to it", () => {
    const summed = [{ name: "Other", values: [1000, null] }, ...many.slice(3)];
    const { series, rest } = foldRest(summed, true);
    expect(rest).toBe(true);
    expect(series.length).toBe(9);
    expect(series.at(-1)).toEqual({ name: "Other", values: [1003, null] });
    expect(foldRest([{ name: "a", values: [1] }, { name: "Other", values: [9] }], true).series.map(({ name }) => name)).toEqual(["a", "Other"]);
  });

  it("does not mix its sum up with a value of that name", () => {
    const { series } = foldRest([{ name: "Other", values: [500] }, ...many]);
    expect(series[0]?.name).toBe("Other");
    expect(series.at(-1)?.name).toBe("All others");
  });
});

describe("plots", () => {
  it("adds up to the rows over time", () => {
    const rows = data(["day", "pattern", "n"], [["2026-11-02", "a", 3], ["2026-11-16", "b", 4]], {
      grain: "week",
      from: "2026-11-04",
      to: "2026-11-23",
    });
    const plot = linePlot(chart("line", { time: "day", series: "pattern" }), rows);
    expect(plot.axis).toEqual(["2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]);
    expect(plot.series).toEqual([
      { name: "b", values: [0, 0, 4, 0] },
      { name: "a", values: [3, 0, 0, 0] },
    ]);
  });

  it("draws severities from the worst to the least, others as they come", () => {
    const severity = data(["severity", "n"], [["low", 1], ["Critical", 2], ["", 5], ["high", 3]]);
    const plot = barPlot(chart("bar", { category: "severity" }), severity);
    expect(plot.axis).toEqual(["Critical", "high", "low", "(none)"]);
    expect(plot.series[0]?.values).toEqual([2, 3, 1, 5]);
    const pattern = data(["pattern", "n"], [["z", 1], ["a", 2]]);
    expect(barPlot(chart("hbar", { category: "pattern" }), pattern).axis).toEqual(["z", "a"]);
  });

  it("stacks by a second dimension", () => {
    const rows = data(["pattern", "severity", "n"], [["a", "low", 9], ["a", "high", 1], ["b", "critical", 2]]);
    const plot = barPlot(chart("bar", { category: "pattern", series: "severity" }), rows);
    expect(plot.axis).toEqual(["a", "b"]);
    expect(plot.series.map(({ name }) => name)).toEqual(["critical", "high", "low"]);
  });

  it("gives a pie its slices by size, without the empty ones", () => {
    const rows = data(["pattern", "n"], [["a", 1], ["b", 0], ["c", 3], ["Other", 2]], { other: true });
    const plot = piePlot(chart("pie", { category: "pattern" }), rows);
    expect(plot.axis).toEqual(["c", "a", "Other"]);
    expect(plot.series[0]?.values).toEqual([3, 1, 2]);
    expect(plot.rest).toBe(true);
  });

  it("reads a total, and the one before", () => {
    const total = chart("total");
    const now = data(["n"], [[12]], { previous: [[7]] });
    expect(totalOf(total, now)).toBe(12);
    expect(totalOf(total, now, now.previous)).toBe(7);
    expect(totalOf(total, data(["n"], []))).toBeNull();
    expect(totalOf(total, data(["n"], [[null]]))).toBeNull();
  });

  it("knows when there is nothing to draw", () => {
    expect(isEmpty(chart("total"), data(["n"], [[0]]))).toBe(true);
    expect(isEmpty(chart("pie", { category: "pattern" }), data(["pattern", "n"], []))).toBe(true);
    expect(isEmpty(chart("pie", { category: "pattern" }), data(["pattern", "n"], [["a", 0]]))).toBe(true);
    expect(isEmpty(chart("pie", { category: "pattern" }), data(["pattern", "n"], [["a", 1]]))).toBe(false);
  });
});

it("dashes the incomplete ends of a line and loses no point", () => {
  expect(stretches([1, 2, 3, 4], "both")).toEqual([
    { values: [null, 2, 3, null], dashed: false },
    { values: [1, 2, null, null], dashed: true },
    { values: [null, null, 3, 4], dashed: true },
  ]);
  expect(stretches([1, 2, 3], "last").map(({ values }) => values)).toEqual([[1, 2, null], [null, 2, 3]]);
  expect(stretches([1, 2, 3], "")).toEqual([{ values: [1, 2, 3], dashed: false }]);
  expect(stretches([1, 2], "both")).toEqual([{ values: [1, 2], dashed: false }]);
});

it.each([
  ["2026-11-02", "2026-11-08", "week", "2026-12-01", ""],
  ["2026-11-03", "2026-11-08", "week", "2026-12-01", "first"],
  ["2026-11-02", "2026-11-09", "week", "2026-12-01", "last"],
  ["2026-11-03", "2026-11-09", "week", "2026-12-01", "both"],
  ["2026-11-01", "2026-11-30", "month", "2026-12-01", ""],
  ["2026-11-02", "2026-11-08", "week", "2026-11-08", "last"],
  ["2026-11-03", "2026-11-09", "day", "2026-11-09", "last"],
  ["2026-11-03", "2026-11-09", "day", "2026-11-10", ""],
] as const)("incomplete ends of %s to %s by %s on %s", (from, to, grain, today, want) => {
  expect(partialEnds(buckets(from, to, grain), { from, to, grain }, today)).toBe(want);
});

it("sees the going month also where the range has no ends", () => {
  const all = { from: null, to: null, grain: "month" } as const;
  expect(partialEnds(["2026-10-01", "2026-11-01"], all, "2026-11-23")).toBe("last");
  expect(partialEnds(["2026-09-01", "2026-10-01"], all, "2026-11-23")).toBe("");
  expect(partialEnds([], all, "2026-11-23")).toBe("");
});
