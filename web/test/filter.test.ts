import { describe, expect, it } from "vitest";
import { defaultSpan, filterQuery, parseFilter } from "../src/filter";
import type { Filter } from "../src/filter";

describe("the URL", () => {
  const filters: [string, Filter][] = [
    ["", { span: null, repository: null }],
    ["?range=30d", { span: { range: "30d" }, repository: null }],
    ["?range=all&repository=acme%2Fshop", { span: { range: "all" }, repository: "acme/shop" }],
    ["?repository=", { span: null, repository: "" }],
    ["?from=2026-01-01&to=2026-01-31", { span: { from: "2026-01-01", to: "2026-01-31" }, repository: null }],
    ["?range=7d&repository=a%26b%3Dc+d%23", { span: { range: "7d" }, repository: "a&b=c d#" }],
  ];
  it.each(filters)("%s is read and written", (query, filter) => {
    expect(parseFilter(query)).toEqual(filter);
    expect(filterQuery(filter)).toBe(query);
  });

  it.each([
    "?range=5d",
    "?range=",
    "?from=2026-01-31&to=2026-01-01",
    "?from=2026-02-30&to=2026-03-01",
    "?from=2026-01-01",
    "?from=<script>&to=2026-01-01",
  ])("%s names no range", (query) => {
    expect(parseFilter(query).span).toBeNull();
  });

  it("prefers days over a named range", () => {
    expect(parseFilter("?range=7d&from=2026-01-01&to=2026-01-02").span).toEqual({ from: "2026-01-01", to: "2026-01-02" });
  });
});

describe("defaultSpan", () => {
  const now = new Date("2026-11-23T12:00:00Z");
  it.each([
    [null, "90d"],
    ["2026-11-23T11:00:00Z", "90d"],
    ["2026-08-26T00:00:00Z", "90d"],
    ["2026-08-25T23:59:59Z", "all"],
    ["2019-01-01T00:00:00Z", "all"],
  ])("newest event %s", (last, range) => {
    expect(defaultSpan(last, now)).toEqual({ range });
  });
});
