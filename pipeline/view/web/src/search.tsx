// The search field of the head, with what it finds while one types, and the page of a search.

import { useEffect, useRef, useState } from "preact/hooks";
import { address, get, type FoundEntity, type Search } from "./api";
import { EntityLink, Loading, Problem, plural } from "./bits";
import { useData, useShared } from "./context";
import { go, href } from "./route";

const WAIT_MS = 80;

interface SearchFieldProps {
  id: string;
  name: string;
  placeholder: string;
  choose: (entity: FoundEntity) => void;
  submit?: (text: string) => void;
}

export function SearchField({ id, name, placeholder, choose, submit }: SearchFieldProps) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Search | null>(null);
  const [active, setActive] = useState(-1);
  const [open, setOpen] = useState(false);
  const { version } = useShared();
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!text.trim()) {
      setFound(null);
      return;
    }
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      get<Search>(address("search", { q: text, limit: 10 }), aborter.signal).then(
        (answer) => {
          setFound(answer);
          setActive(-1);
        },
        () => setFound(null),
      );
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [text, version]);

  const rows = (open && found?.rows) || [];
  const finish = (entity: FoundEntity) => {
    setOpen(false);
    setText("");
    choose(entity);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      if (!rows.length) return;
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive((old) => (old + step + rows.length + (old < 0 && step < 0 ? 1 : 0)) % rows.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const chosen = rows[active] ?? (submit ? undefined : rows[0]);
      if (chosen) finish(chosen);
      else if (submit && text.trim()) {
        setOpen(false);
        submit(text.trim());
      }
    } else if (event.key === "Escape") {
      setOpen(false);
    }
  };

  return (
    <div
      class="search"
      ref={box}
      onFocusOut={(event) => {
        if (!box.current?.contains(event.relatedTarget as Node | null)) setOpen(false);
      }}
    >
      <input
        id={id}
        type="search"
        role="combobox"
        aria-label={name}
        aria-autocomplete="list"
        aria-expanded={rows.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={rows[active] ? `${id}-${active}` : undefined}
        list={undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onKeyDown={onKeyDown}
      />
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label={`${name}: found`}
        class="search-list"
        hidden={!rows.length}
      >
        {rows.map((row, place) => (
          <div
            key={row.id}
            id={`${id}-${place}`}
            role="option"
            aria-selected={place === active}
            class={place === active ? "is-active" : ""}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => finish(row)}
          >
            <EntityLink entity={row} plain />
            <span class="note">{plural(row.facts, "fact")}</span>
          </div>
        ))}
      </div>
      <div class="unseen" role="status">
        {open && found ? foundText(found, text) : ""}
      </div>
      {open && text.trim() && found && !found.rows.length && (
        <div class="search-list is-empty">Nothing has such a name.</div>
      )}
    </div>
  );
}

function foundText(found: Search, text: string): string {
  if (!found.rows.length) return `Nothing is called ${text}.`;
  return `${found.rows.length} found.`;
}

export function HeadSearch() {
  return (
    <SearchField
      id="search"
      name="Search names and values"
      placeholder="Search names and values  ( / )"
      choose={(entity) => go(href("entity", entity.id))}
      submit={(text) => go(href("search", "", { q: text }))}
    />
  );
}

export function SearchPage({ query }: { query: URLSearchParams }) {
  const { overview } = useShared();
  const q = query.get("q") ?? "";
  const type = query.get("type") ?? "";
  const { data, error } = useData<Search>(address("search", { q, type, limit: 100 }));
  const types = [...new Set(overview.types.map((row) => row.name))];
  return (
    <main id="main" tabIndex={-1}>
      <h1>{q ? <>Names like “{q}”</> : "Most mentioned"}</h1>
      <p class="row">
        <label class="field-inline">
          Type{" "}
          <select
            value={type}
            onChange={(event) =>
              go(href("search", "", { q, type: event.currentTarget.value }), { replace: true })
            }
          >
            <option value="">all</option>
            {types.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </p>
      {error && <Problem>{error}</Problem>}
      {!data && !error && <Loading />}
      {data && !data.rows.length && (
        <p>Nothing has such a name, and no name differs from it by a typing error.</p>
      )}
      {data && data.corrected.length > 0 && (
        <p class="note">No name is spelt so. Close to it: {data.corrected.join(", ")}.</p>
      )}
      <ul class="found">
        {data?.rows.map((row) => (
          <li key={row.id}>
            <EntityLink entity={row} />
            <span class="note">
              {plural(row.facts, "fact")} · {plural(row.mentions, "mention")} in{" "}
              {plural(row.documents, "document")}
            </span>
          </li>
        ))}
      </ul>
    </main>
  );
}
