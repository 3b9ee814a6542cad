import { readFileSync } from "node:fs";
import { defineConfig } from "vite";
import type { Plugin } from "vite";

// The licence of the font has to go along with it; build.license sees only scripts.
function fontLicence(): Plugin {
  const source = readFileSync(new URL("node_modules/@fontsource-variable/inter/LICENSE", import.meta.url), "utf8");
  return {
    name: "font-licence",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "licenses-font.txt", source });
    },
  };
}

// The build goes into the Go package that embeds it. public/.gitkeep is copied along, because the
// folder is emptied first and Go's embed directive needs it to exist in a fresh clone.
export default defineConfig({
  plugins: [fontLicence()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../internal/ui/dist",
    emptyOutDir: true,
    target: "es2022",
    // The content policy of the server allows no data: fonts, so nothing is inlined.
    assetsInlineLimit: 0,
    // ECharts is one lazily loaded chunk of about this size; the page shell does not wait for it.
    chunkSizeWarningLimit: 700,
    license: { fileName: "licenses.md" },
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8080" },
  },
});
