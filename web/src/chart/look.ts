// What a chart takes from the page's theme: read from the style sheet, so that it is said once.

import { dark as darkPalette, light as lightPalette } from "../palette";
import type { Palette } from "../palette";

export interface Look {
  palette: Palette;
  text: string;
  muted: string;
  line: string;
  surface: string;
  accent: string;
  font: string;
  /** motion is false for readers who asked their system for less of it. */
  motion: boolean;
}

/** readLook reads the theme that the document has now. */
export function readLook(dark: boolean, motion: boolean): Look {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    palette: dark ? darkPalette : lightPalette,
    text: token("--text"),
    muted: token("--muted"),
    line: token("--line"),
    surface: token("--surface"),
    accent: token("--chart-accent"),
    font: token("--font"),
    motion,
  };
}
