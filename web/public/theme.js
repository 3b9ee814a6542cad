// Runs before the first paint, so that a theme never flashes in the other one first. It is a file of
// its own because the content policy allows no inline script; src/theme.tsx takes over from it.
{
  let mode = null;
  try {
    mode = localStorage.getItem("theme");
  } catch {
    // Storage is blocked: the system's preference decides.
  }
  const dark = mode === "dark" || (mode !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
