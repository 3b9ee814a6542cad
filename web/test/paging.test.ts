import { expect, it } from "vitest";
import { refill } from "../src/paging";

const pages = new Map<number | null, { items: number[]; next: number | null }>([
  [null, { items: [9, 8], next: 8 }],
  [8, { items: [7, 6], next: 6 }],
  [6, { items: [5], next: null }],
]);

const fetchPage = (cursor: number | null) => Promise.resolve(pages.get(cursor) ?? { items: [], next: null });

it.each([
  [0, [9, 8], 8],
  [2, [9, 8], 8],
  [3, [9, 8, 7, 6], 6],
  [100, [9, 8, 7, 6, 5], null],
])("loads at least %d again", async (count, items, next) => {
  expect(await refill(fetchPage, count, new AbortController().signal)).toEqual({ items, next });
});
