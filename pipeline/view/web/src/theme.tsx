// Light or dark: as the system says, or as someone chose.

import { useEffect, useState } from "preact/hooks";

const KEY = "pfn-kg-theme";

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // A browser may keep nothing for such pages.
  }
}

export function ThemeButton() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    const { dataset } = document.documentElement;
    if (theme) dataset["theme"] = theme;
    else delete dataset["theme"];
    dispatchEvent(new Event("themechange"));
  }, [theme]);
  const isDark = theme
    ? theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const next = isDark ? "light" : "dark";
  return (
    <button
      type="button"
      class="theme"
      aria-label={`Show the page ${next}`}
      title={`Show the page ${next}`}
      onClick={() => {
        setTheme(next);
        try {
          localStorage.setItem(KEY, next);
        } catch {
          // It holds until the page is closed.
        }
      }}
    >
      <span aria-hidden="true">{isDark ? "☀" : "☾"}</span>
    </button>
  );
}
