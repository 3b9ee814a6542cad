// Tooltips are built as elements with text nodes: whatever stands in the data is shown, not run.

export interface TooltipLine {
  colour: string;
  name: string;
  value: string;
}

// More lines than this would not fit beside a chart; the table has them all.
const mostLines = 10;

/** tooltip builds the content of a chart's tooltip. */
export function tooltip(title: string, lines: TooltipLine[]): HTMLElement {
  const box = element("div", "tip");
  if (title !== "") box.append(element("div", "tip-title", title));
  for (const { colour, name, value } of lines.slice(0, mostLines)) {
    const dot = element("span", "dot");
    dot.style.background = colour;
    const line = element("div", "tip-line");
    line.append(dot, element("span", "tip-name", name), element("span", "tip-value", value));
    box.append(line);
  }
  if (lines.length > mostLines) box.append(element("div", "tip-more", `and ${lines.length - mostLines} more`));
  return box;
}

function element(tag: string, className: string, text = ""): HTMLElement {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}
