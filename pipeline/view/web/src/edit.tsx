// Corrections: written from the pages, listed, and applied by a build.

import { useEffect, useState } from "preact/hooks";
import { get, send, type EntityPage, type Fact, type FoundEntity } from "./api";
import { Card, Loading, Name, Problem, count, label, plural } from "./bits";
import { messageOf, useData, useShared } from "./context";
import { SearchField } from "./search";

export interface Correction {
  correction_id: string;
  kind: string;
  author: string | null;
  time: string | null;
  note: string | null;
  is_built: boolean;
  /** Why the graph that is shown makes nothing of it. */
  reason: string | null;
  [field: string]: unknown;
}

export interface Corrections {
  file: string;
  author: string;
  rows: Correction[];
  taken_back: number;
  build: { running: boolean; code: number | null; lines: string[] };
}

const POLL_MS = 1000;

/** What the next build changes: corrections that it adds, and such that it takes back. */
function waitingOf(corrections: Corrections): number {
  return corrections.rows.filter((row) => !row.is_built).length + corrections.taken_back;
}

function useCorrections(): Corrections | null {
  const { edit } = useShared();
  return useData<Corrections>(edit ? "corrections" : null).data;
}

/** The last correction of a fact that no build has applied yet. */
function pendingOf(corrections: Corrections | null, fact: Fact): Correction | undefined {
  return corrections?.rows
    .filter((row) => !row.is_built)
    .findLast((row) => {
      const expected = factFields(fact);
      return Object.entries(expected).every(([name, value]) => row[name] === value);
    });
}

function factFields(fact: Fact) {
  return {
    subject: fact.subject.name,
    subject_type: fact.subject.type,
    relation: fact.predicate.name,
    object: fact.object.name,
    object_type: fact.object.type,
  };
}

const DONE: Record<string, string> = {
  reject: "Rejected",
  confirm: "Confirmed",
  change: "Changed",
};

/** Says what the next build does to a fact. */
export function FactMark({ fact }: { fact: Fact }) {
  const pending = pendingOf(useCorrections(), fact);
  if (!pending) return null;
  return <span class="pending">{DONE[pending.kind] ?? pending.kind} at the next build</span>;
}

function useWrite() {
  const { changed } = useShared();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const write = async (body: Record<string, unknown>) => {
    setBusy(true);
    try {
      await send("POST", "corrections", body);
      setError(null);
      changed();
      return true;
    } catch (problem) {
      setError(messageOf(problem));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { write, error, busy };
}

export function FactEditor({ fact }: { fact: Fact }) {
  const { edit, overview } = useShared();
  const corrections = useCorrections();
  const { write, error, busy } = useWrite();
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState("");
  const [relation, setRelation] = useState(fact.predicate.name);
  const [reverse, setReverse] = useState(false);
  if (!edit) return null;
  const pending = pendingOf(corrections, fact);
  const fields = { ...factFields(fact), note: note || undefined };
  if (pending) {
    return (
      <p class="row">
        <span class="pending">{DONE[pending.kind] ?? pending.kind} at the next build</span>
        <Withdraw id={pending.correction_id} />
      </p>
    );
  }
  return (
    <div class="editor">
      <div class="row">
        <button
          type="button"
          class="is-good"
          disabled={busy}
          onClick={() => write({ kind: "confirm", ...fields })}
        >
          Confirm
        </button>
        <button
          type="button"
          class="is-bad"
          disabled={busy}
          onClick={() => write({ kind: "reject", ...fields })}
        >
          Reject
        </button>
        <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          Change …
        </button>
      </div>
      {open && (
        <form
          class="editor-form"
          onSubmit={(event) => {
            event.preventDefault();
            const changes = {
              new_relation: relation === fact.predicate.name ? undefined : relation,
              reverse: reverse || undefined,
            };
            write({ kind: "change", ...fields, ...changes }).then((done) => done && setOpen(false));
          }}
        >
          <label class="field">
            <span>Relation</span>
            <select value={relation} onChange={(event) => setRelation(event.currentTarget.value)}>
              {overview.relations.map((row) => (
                <option key={row.name} value={row.name}>
                  {label(row.name)}
                </option>
              ))}
            </select>
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={reverse}
              onChange={(event) => setReverse(event.currentTarget.checked)}
            />
            <span>Exchange subject and object</span>
          </label>
          <NoteField note={note} change={setNote} />
          <button
            type="submit"
            disabled={busy || (relation === fact.predicate.name && !reverse)}
          >
            Write the change
          </button>
        </form>
      )}
      {error && <Problem>{error}</Problem>}
    </div>
  );
}

function NoteField({ note, change }: { note: string; change: (note: string) => void }) {
  return (
    <label class="field">
      <span>Note (why)</span>
      <input
        type="text"
        value={note}
        maxLength={500}
        onInput={(event) => change(event.currentTarget.value)}
      />
    </label>
  );
}

export function EntityEditor({ entity }: { entity: EntityPage }) {
  const { edit, overview } = useShared();
  const { write, error, busy } = useWrite();
  const [name, setName] = useState(entity.name);
  const [type, setType] = useState(entity.type);
  const [other, setOther] = useState<FoundEntity | null>(null);
  const [note, setNote] = useState("");
  useEffect(() => {
    setName(entity.name);
    setType(entity.type);
    setOther(null);
  }, [entity.id, entity.name, entity.type]);
  if (!edit || entity.kind === "value") return null;
  const own = { name: entity.name, type: entity.type, note: note || undefined };
  const types = overview.types.filter((row) => row.kind !== "value").map((row) => row.name);
  const withOther = (kind: string) =>
    other && write({ kind, ...own, other_name: other.name, other_type: other.type });
  return (
    <details class="filter-box editor">
      <summary>Correct</summary>
      <div class="editor-form">
        <NoteField note={note} change={setNote} />
        <div class="editor-line">
          <label class="field">
            <span>Name</span>
            <input value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <button
            type="button"
            disabled={busy || !name.trim() || name === entity.name}
            onClick={() => write({ kind: "rename", ...own, new_name: name.trim() })}
          >
            Rename
          </button>
        </div>
        <div class="editor-line">
          <label class="field">
            <span>Type</span>
            <select value={type} onChange={(event) => setType(event.currentTarget.value)}>
              {types.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
          <button
            type="button"
            disabled={busy || type === entity.type}
            onClick={() => write({ kind: "retype", ...own, new_type: type })}
          >
            Change the type
          </button>
        </div>
        <div class="editor-line">
          <div class="field">
            <span>Other entity</span>
            {other ? (
              <span class="chosen">
                <Name>{other.name}</Name> ({label(other.type)})
                <button
                  type="button"
                  class="quiet"
                  aria-label="Another one"
                  onClick={() => setOther(null)}
                >
                  ×
                </button>
              </span>
            ) : (
              <SearchField
                id="other"
                name="Other entity"
                placeholder="name"
                choose={(found) => setOther(found)}
              />
            )}
          </div>
          <button
            type="button"
            disabled={busy || !other || other.id === entity.id || other.kind === "value"}
            onClick={() => withOther("merge")}
          >
            Merge into it
          </button>
          <button
            type="button"
            disabled={busy || !other || other.id === entity.id || other.kind === "value"}
            onClick={() => withOther("keep_apart")}
          >
            Never merge
          </button>
        </div>
        {error && <Problem>{error}</Problem>}
      </div>
    </details>
  );
}

function Withdraw({ id }: { id: string }) {
  const { changed } = useShared();
  const [error, setError] = useState<string | null>(null);
  return (
    <>
      <button
        type="button"
        class="quiet"
        onClick={() =>
          send("DELETE", `corrections/${encodeURIComponent(id)}`).then(changed, (problem) =>
            setError(messageOf(problem)),
          )
        }
      >
        Take back
      </button>
      {error && <Problem>{error}</Problem>}
    </>
  );
}

/** How many corrections wait for a build; leads to their list. */
export function WaitingCorrections({ link }: { link: string }) {
  const { edit } = useShared();
  const corrections = useCorrections();
  if (!edit) return null;
  const waiting = corrections ? waitingOf(corrections) : 0;
  return (
    <a class={`waiting ${waiting ? "is-some" : ""}`} href={link}>
      Corrections{waiting > 0 && <b> {count(waiting)}</b>}
    </a>
  );
}

export function CorrectionsPage() {
  const { edit, changed } = useShared();
  const { data, error } = useData<Corrections>(edit ? "corrections" : null);
  const [build, setBuild] = useState<Corrections["build"] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const state = build ?? data?.build ?? null;
  useEffect(() => {
    if (!state?.running) return;
    const timer = setInterval(() => {
      get<Corrections>("corrections").then((answer) => {
        setBuild(answer.build);
        if (!answer.build.running && answer.build.code === 0) changed();
      });
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [state?.running]);
  if (!edit) {
    return (
      <main id="main" tabIndex={-1}>
        <h1>Corrections</h1>
        <p>This page only reads. `pfn-kg view DIR --edit` lets it write corrections.</p>
      </main>
    );
  }
  const waiting = data ? waitingOf(data) : 0;
  const start = () =>
    send<Corrections["build"]>("POST", "rebuild").then(
      (answer) => {
        setProblem(null);
        setBuild(answer);
      },
      (reason) => setProblem(messageOf(reason)),
    );
  return (
    <main id="main" tabIndex={-1}>
      <h1>Corrections</h1>
      {error && <Problem>{error}</Problem>}
      {!data && !error && <Loading />}
      {data && (
        <>
          <p class="row note">
            <span>
              in <span class="ids">{data.file}</span>
            </span>
            <span>as {data.author}</span>
          </p>
          <div class="row">
            <button type="button" class="is-main" disabled={state?.running} onClick={start}>
              {state?.running ? "Building …" : "Build the graph again"}
            </button>
            <span class="note" role="status">
              {state?.running
                ? (state.lines.at(-1) ?? "")
                : `${plural(waiting, "change")} not in the graph yet`}
            </span>
          </div>
          {problem && <Problem>{problem}</Problem>}
          {state && !state.running && state.code !== null && (
            <p class={state.code ? "problem" : "success"} role="status">
              {state.code ? "The build failed; the graph before it stays. " : "Built. "}
              {state.lines.at(-1)}
            </p>
          )}
          <Card title="Corrections" note={plural(data.rows.length, "row")}>
            {!data.rows.length && <p class="note">None yet. Open a fact or an entity.</p>}
            <ul class="plain-list">
              {[...data.rows].reverse().map((row, place) => (
                <li key={place}>
                  <CorrectionText row={row} />
                  <span class="note">
                    {[row.author, row.time?.slice(0, 16).replace("T", " ")]
                      .filter(Boolean)
                      .join(" · ")}{" "}
                    {row.reason ? "" : row.is_built ? "in the graph" : "waits"}
                  </span>
                  {row.reason && <span class="flag">does not apply: {row.reason}</span>}
                  <Withdraw id={row.correction_id} />
                </li>
              ))}
            </ul>
          </Card>
        </>
      )}
    </main>
  );
}

function CorrectionText({ row }: { row: Correction }) {
  const text = (name: string) => String(row[name] ?? "");
  const about = row.subject
    ? `${text("subject")} — ${label(text("relation"))} → ${text("object")}`
    : `${text("name")} (${text("type")})`;
  const more = [
    row.new_relation && `relation ${label(text("new_relation"))}`,
    row.reverse && "exchanged",
    row.new_name && `name ${text("new_name")}`,
    row.new_type && `type ${text("new_type")}`,
    row.other_name && `${text("other_name")} (${text("other_type")})`,
    row.note && `“${row.note}”`,
  ].filter(Boolean);
  return (
    <span>
      <b>{label(row.kind)}</b> <bdi>{about}</bdi>
      {more.length > 0 && (
        <>
          {" "}
          · <bdi>{more.join(", ")}</bdi>
        </>
      )}
    </span>
  );
}
