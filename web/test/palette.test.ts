import { describe, expect, it } from "vitest";
import { assignSlots, coloursOf, dark, light } from "../src/palette";

type Triple = [number, number, number];

function linear(hex: string): Triple {
  const channel = (at: number) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

// How colours look with each form of colour blindness at full strength: the matrices of Machado,
// Oliveira and Fernandes (2009), for linear light.
const eyes: Record<string, Triple[]> = {
  typical: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function seen(matrix: Triple[], [r, g, b]: Triple): Triple {
  const at = (row: Triple) => Math.min(1, Math.max(0, row[0] * r + row[1] * g + row[2] * b));
  return matrix.map(at) as Triple;
}

function oklab([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function contrast(a: string, b: string): number {
  const luminance = (hex: string) => {
    const [r, g, blue] = linear(hex);
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

describe.each([
  ["light", light, "#ffffff"],
  ["dark", dark, "#161b22"],
] as const)("the %s palette", (_, palette, card) => {
  describe.each(Object.entries(eyes))("for %s", (__, matrix) => {
    it.each(["series", "severity"] as const)("keeps every pair of %s apart", (kind) => {
      const places = palette[kind].map((hex) => oklab(seen(matrix, linear(hex))));
      places.forEach((a, i) =>
        places.slice(i + 1).forEach((b, j) => {
          const distance = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
          expect(distance, `${palette[kind][i]} and ${palette[kind][i + 1 + j]}`).toBeGreaterThan(0.1);
        }),
      );
    });
  });

  it("stands out from the card", () => {
    for (const hex of [...palette.series, ...palette.severity, palette.other]) {
      expect(contrast(hex, card), hex).toBeGreaterThan(2.5);
    }
  });
});

describe("assignSlots", () => {
  it("keeps the places that were given", () => {
    const first = assignSlots(new Map(), ["a", "b"], 3);
    expect([...first]).toEqual([["a", 0], ["b", 1]]);
    expect([...assignSlots(first, ["b", "c"], 3)]).toEqual([["a", 0], ["b", 1], ["c", 2]]);
  });

  it("takes a place from what is no longer shown, never from what is", () => {
    const full = assignSlots(new Map(), ["a", "b", "c"], 3);
    const next = assignSlots(full, ["b", "c", "d"], 3);
    expect([...next].sort()).toEqual([["b", 1], ["c", 2], ["d", 0]]);
    expect(assignSlots(next, ["b", "c", "d", "e"], 3).has("e")).toBe(false);
  });
});

describe("coloursOf", () => {
  it("never gives one chart the same colour twice", () => {
    const slots = new Map([["a", 1], ["x", 0]]);
    const colours = coloursOf(light, slots, ["a", "new", "newer"]);
    expect(colours[0]).toBe(light.series[1]);
    expect(new Set(colours).size).toBe(3);
  });

  it("has fixed colours for severities and for the rest", () => {
    expect(coloursOf(light, new Map(), ["low", "Critical"])).toEqual([light.severity[3], light.severity[0]]);
    expect(coloursOf(light, new Map([["a", 0]]), ["a", "Other"], true)).toEqual([light.series[0], light.other]);
  });
});
