// Which facts are shown. The choice is a part of the address, so that it can be kept and sent.

import { useState } from "preact/hooks";
import { address, type Counted, type DocumentRef } from "./api";
import { count, label } from "./bits";
import { useData, useShared } from "./context";

export interface FilterValues {
  relation: string[];
  min_confidence: string;
  document: string;
  since: string;
  until: string;
}

export function filterOf(query: URLSearchParams): FilterValues {
  return {
    relation: query.getAll("relation"),
    min_confidence: query.get("min_confidence") ?? "",
    document: query.get("document") ?? "",
    since: query.get("since") ?? "",
    until: query.get("until") ?? "",
  };
}

export function filterCount(filter: FilterValues): number {
  return Object.values(filter).filter((value) => value.length > 0).length;
}

const DATE = /^\d{4}(-\d{2}(-\d{2})?)?$/;

interface FiltersProps {
  query: URLSearchParams;
  relations: Counted[];
  change: (query: URLSearchParams) => void;
}

export function Filters({ query, relations, change }: FiltersProps) {
  const { overview } = useShared();
  const filter = filterOf(query);
  const set = (name: string, values: string[]) => {
    const next = new URLSearchParams(query);
    next.delete(name);
    for (const value of values) if (value) next.append(name, value);
    change(next);
  };
  const years = overview.years;
  const chosen = filterCount(filter);
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span>
          Confidence from <output>{Number(filter.min_confidence || 0).toFixed(2)}</output>
        </span>
        <input
          type="range"
          min="0"
          max="0.95"
          step="0.05"
          value={filter.min_confidence || "0"}
          onChange={(event) => {
            const value = event.currentTarget.value;
            set("min_confidence", value === "0" ? [] : [value]);
          }}
        />
      </label>
      <details class="menu">
        <summary>
          Relations {filter.relation.length > 0 && <b>({filter.relation.length})</b>}
        </summary>
        <fieldset>
          <legend class="unseen">Relations that are shown; none chosen means all</legend>
          {relations.map((row) => (
            <label key={row.name} class="check">
              <input
                type="checkbox"
                checked={filter.relation.includes(row.name)}
                onChange={(event) =>
                  set(
                    "relation",
                    event.currentTarget.checked
                      ? [...filter.relation, row.name]
                      : filter.relation.filter((name) => name !== row.name),
                  )
                }
              />
              <span>{label(row.name)}</span>
              <span class="note">{count(row.count)}</span>
            </label>
          ))}
        </fieldset>
      </details>
      <DocumentFilter value={filter.document} change={(id) => set("document", [id])} />
      {years.length > 0 && (
        <fieldset class="dates">
          <legend>Date of the document</legend>
          <DateField
            name="from"
            value={filter.since}
            placeholder={years[0]?.name ?? ""}
            change={(value) => set("since", [value])}
          />
          <DateField
            name="to"
            value={filter.until}
            placeholder={years.at(-1)?.name ?? ""}
            change={(value) => set("until", [value])}
          />
        </fieldset>
      )}
      {chosen > 0 && (
        <button
          type="button"
          class="quiet"
          onClick={() => {
            const next = new URLSearchParams(query);
            for (const name of Object.keys(filter)) next.delete(name);
            change(next);
          }}
        >
          Clear {chosen === 1 ? "the filter" : "all filters"}
        </button>
      )}
    </form>
  );
}

interface DateFieldProps {
  name: string;
  value: string;
  placeholder: string;
  change: (value: string) => void;
}

function DateField({ name, value, placeholder, change }: DateFieldProps) {
  const [wrong, setWrong] = useState(false);
  return (
    <label>
      {name}
      <input
        type="text"
        inputMode="numeric"
        size={10}
        value={value}
        placeholder={placeholder}
        aria-invalid={wrong}
        title="A year, a month or a day: 2004, 2004-05 or 2004-05-06"
        onChange={(event) => {
          const text = event.currentTarget.value.trim();
          setWrong(text !== "" && !DATE.test(text));
          if (text === "" || DATE.test(text)) change(text);
        }}
      />
    </label>
  );
}

function DocumentFilter({ value, change }: { value: string; change: (id: string) => void }) {
  const [text, setText] = useState("");
  const found = useData<DocumentRef[]>(
    text.trim() ? address("documents", { q: text, limit: 8 }) : null,
  );
  if (value) {
    return (
      <p class="field">
        <span>Document</span>
        <span class="chosen">
          <bdi>{value}</bdi>
          <button type="button" class="quiet" aria-label="Any document" onClick={() => change("")}>
            ×
          </button>
        </span>
      </p>
    );
  }
  const choose = (id: string) => {
    setText("");
    change(id);
  };
  return (
    <div class="field">
      <label>
        <span>Document</span>
        <input
          type="text"
          value={text}
          placeholder="id or part of the title"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {text.trim() && found.data && (
        <ul class="choices">
          {found.data.map((row) => (
            <li key={row.id}>
              <button type="button" onClick={() => choose(row.id)}>
                <bdi>{row.title || row.id}</bdi>
              </button>
            </li>
          ))}
          {!found.data.length && <li class="note">No such document.</li>}
        </ul>
      )}
    </div>
  );
}
