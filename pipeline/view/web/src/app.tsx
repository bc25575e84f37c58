// The application: head, page, and what is known everywhere.

import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, send, type Overview, type State } from "./api";
import { Problem } from "./bits";
import { messageOf, SharedContext } from "./context";
import { DocumentPage } from "./document";
import { CorrectionsPage, WaitingCorrections } from "./edit";
import { EntityPage } from "./entity";
import { FactPage } from "./facts";
import { GraphPage } from "./graph";
import { FactsPage } from "./judge";
import { OverviewPage } from "./overview";
import { RejectedPage } from "./rejected";
import { go, href, useRoute, type Route } from "./route";
import { HeadSearch, SearchPage } from "./search";
import { ThemeButton } from "./theme";
import "../styles/app.css";

const ASK_STATE_MS = 30_000;

function Page({ route }: { route: Route }) {
  const { page, id, query } = route;
  switch (page) {
    case "overview":
      return <OverviewPage />;
    case "search":
      return <SearchPage query={query} />;
    case "entity":
      return <EntityPage key={id} id={id} query={query} />;
    case "fact":
      return <FactPage key={id} id={id} />;
    case "document":
      return <DocumentPage key={id} id={id} query={query} />;
    case "graph":
      return <GraphPage key={id} id={id} query={query} />;
    case "facts":
      return <FactsPage query={query} />;
    case "rejected":
      return <RejectedPage query={query} />;
    case "corrections":
      return <CorrectionsPage />;
    default:
      return (
        <main id="main" tabIndex={-1}>
          <h1>No such page</h1>
          <p>
            <a href={href("overview")}>To the overview</a>
          </p>
        </main>
      );
  }
}

function App() {
  const route = useRoute();
  const [overview, setOverview] = useState<Overview | null>(null);
  const [state, setState] = useState<State | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [version, setVersion] = useState(0);
  const shownPath = useRef("");

  useEffect(() => {
    Promise.all([get<Overview>("overview"), get<State>("state")]).then(
      ([figures, found]) => {
        setOverview(figures);
        setState(found);
        setError(null);
      },
      (problem) => setError(problem instanceof ApiError ? problem.message : messageOf(problem)),
    );
  }, [version]);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) get<State>("state").then(setState, () => {});
    }, ASK_STATE_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target.matches("input, textarea, select")) return;
      event.preventDefault();
      document.getElementById("search")?.focus();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  useEffect(() => {
    // A new page is read from its top, also aloud; another filter of the same page is not new.
    const path = `${route.page}/${route.id}`;
    if (shownPath.current && shownPath.current !== path) {
      scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    }
    shownPath.current = path;
  }, [route]);

  const shared = useMemo(
    () =>
      overview && {
        overview,
        edit: state?.edit ?? false,
        version,
        changed: () => setVersion((old) => old + 1),
      },
    [overview, state?.edit, version],
  );
  if (!shared) return <main id="main">{error && <Problem>{error}</Problem>}</main>;
  const at = (...pages: string[]) => (pages.includes(route.page) ? "page" : undefined);
  return (
    <SharedContext.Provider value={shared}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        To the content
      </a>
      <header class="head">
        <nav aria-label="Pages">
          <a class="brand" href={href("overview")} aria-current={at("overview")}>
            <svg viewBox="0 0 32 32" aria-hidden="true">
              <rect width="32" height="32" rx="7" class="brand-back" />
              <path d="M9 22 16 9l8 11.5" fill="none" stroke="#fff" stroke-width="2.4" />
              <circle cx="9" cy="22" r="3.6" fill="#fff" />
              <circle cx="16" cy="9" r="3.6" fill="#fff" />
              <circle cx="24" cy="20.5" r="3.6" fill="#ffd43b" />
            </svg>
            <span>Overview</span>
          </a>
          <a href={href("facts", "", { sample: "0" })} aria-current={at("facts")}>
            Facts
          </a>
          <WaitingCorrections link={href("corrections")} />
        </nav>
        <HeadSearch />
        <ThemeButton />
      </header>
      {state && !state.is_current && (
        <p class="banner" role="status">
          The graph was built again.{" "}
          <button
            type="button"
            onClick={() => send("POST", "reload").then(shared.changed, () => go(href("overview")))}
          >
            Show the new one
          </button>
        </p>
      )}
      <Page route={route} />
    </SharedContext.Provider>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
