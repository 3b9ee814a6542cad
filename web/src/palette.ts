// Colours of the charts. Every pair of a palette stays apart for the common forms of colour
// blindness, and every colour stands out from the card behind it; palette.test.ts computes both.

import { severities } from "./series";

export interface Palette {
  series: string[];
  severity: string[];
  /** other is for what is summed up or has no place of its own. */
  other: string;
}

export const light: Palette = {
  series: ["#244bb1", "#13b391", "#a51c64", "#b5a109", "#3e85a6", "#975dee", "#a1652f", "#6e2a17"],
  severity: ["#7a0f3d", "#d8432e", "#d48f12", "#4f8fc9"],
  other: "#8a94a3",
};

export const dark: Palette = {
  series: ["#1e9cce", "#73f8c8", "#e65d95", "#eee342", "#b3c3f7", "#7760d4", "#f59f11", "#af624b"],
  severity: ["#c22f7e", "#f0703a", "#f2c14e", "#6aa9e9"],
  other: "#7d8896",
};

/** Slots says which place of the palette each value of a dimension has. */
export type Slots = ReadonlyMap<string, number>;

/**
 * assignSlots gives each name a place. Places once given stay, so that a pattern has one colour in
 * all charts and keeps it when the filter changes; only when none is free, a new name takes the
 * place of one that is no longer shown. Names beyond that get none.
 */
export function assignSlots(slots: Slots, names: string[], places: number): Slots {
  const next = new Map(slots);
  const shown = new Set(names);
  for (const name of names) {
    if (next.has(name)) continue;
    const place = freePlace(next, places) ?? evict(next, shown);
    if (place !== undefined) next.set(name, place);
  }
  return next;
}

function freePlace(slots: Slots, places: number): number | undefined {
  const taken = new Set(slots.values());
  for (let place = 0; place < places; place++) {
    if (!taken.has(place)) return place;
  }
  return undefined;
}

function evict(slots: Map<string, number>, shown: Set<string>): number | undefined {
  for (const [name, place] of slots) {
    if (shown.has(name)) continue;
    slots.delete(name);
    return place;
  }
  return undefined;
}

/**
 * coloursOf gives the names of one chart colours that differ: severities their own, others by their
 * place, those without one what this chart has left. The last one is the sum of the rest if there is one.
 */
export function coloursOf(palette: Palette, slots: Slots, names: string[], rest = false): string[] {
  const used = new Set(names.map((name) => slots.get(name)));
  const spare = palette.series.filter((_, place) => !used.has(place));
  return names.map((name, at) => {
    if (rest && at === names.length - 1) return palette.other;
    const severity = palette.severity[severities.indexOf(name.toLowerCase())];
    return severity ?? palette.series[slots.get(name) ?? -1] ?? spare.shift() ?? palette.other;
  });
}
