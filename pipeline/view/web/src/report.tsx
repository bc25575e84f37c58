// The page of `pfn-kg report`: the same parts, with the data in the page.

import { render } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Fact, Overview } from "./api";
import { count } from "./bits";
import { SharedContext } from "./context";
import { FactCard } from "./judge";
import { OverviewCards, OverviewHead } from "./overview";
import { ThemeButton } from "./theme";
import "../styles/app.css";

interface ReportData {
  overview: Overview;
  best: Fact[];
  sample: Fact[];
}

type Verdict = "confirm" | "reject";

function Report({ data }: { data: ReportData }) {
  const shared = useMemo(
    () => ({ overview: data.overview, edit: false, version: 0, changed: () => {} }),
    [data],
  );
  return (
    <SharedContext.Provider value={shared}>
      <header class="head">
        <nav aria-label="Parts">
          <a href="#overview">Overview</a>
          <a href="#best">Best facts</a>
          <a href="#sample">Sample</a>
        </nav>
        <ThemeButton />
      </header>
      <main>
        <section id="overview">
          <OverviewHead overview={data.overview} />
          <OverviewCards overview={data.overview} live={false} />
        </section>
        {data.best.length > 0 && (
          <section id="best">
            <h2>Best facts</h2>
            <p class="note">The most confident facts, at most two of a relation.</p>
            {data.best.map((fact) => (
              <FactCard key={fact.id} fact={fact} live={false} />
            ))}
          </section>
        )}
        {data.sample.length > 0 && <Sample facts={data.sample} />}
      </main>
    </SharedContext.Provider>
  );
}

function Sample({ facts }: { facts: Fact[] }) {
  const [verdicts, setVerdicts] = useState<Record<string, Verdict>>({});
  const [author, setAuthor] = useState("");
  const judged = Object.values(verdicts);
  const right = judged.filter((verdict) => verdict === "confirm").length;
  return (
    <section id="sample">
      <h2>A sample to judge</h2>
      <p class="note">
        As many facts of each band of confidence as of the others. Does the sentence state the fact?
        Save the judgements and send them back: they are corrections, which{" "}
        <code>pfn-kg build DIR --corrections FILE</code> applies.
      </p>
      {facts.map((fact) => (
        <div key={fact.id} class="judged">
          <FactCard fact={fact} live={false} />
          <fieldset class="verdict">
            <legend class="unseen">
              {fact.subject.name} {fact.predicate.name} {fact.object.name}
            </legend>
            {(["confirm", "reject"] as const).map((verdict) => (
              <label key={verdict} class={`check is-${verdict}`}>
                <input
                  type="radio"
                  name={fact.id}
                  checked={verdicts[fact.id] === verdict}
                  onChange={() => setVerdicts({ ...verdicts, [fact.id]: verdict })}
                />
                <span>{verdict === "confirm" ? "right" : "wrong"}</span>
              </label>
            ))}
          </fieldset>
        </div>
      ))}
      <div class="save">
        <span role="status">
          {count(judged.length)} of {count(facts.length)} judged
          {judged.length > 0 && `, ${count(right)} of them right`}
        </span>
        <label>
          Your name{" "}
          <input value={author} onInput={(event) => setAuthor(event.currentTarget.value)} />
        </label>
        <button
          type="button"
          class="is-main"
          disabled={!judged.length || !author.trim()}
          onClick={() => save(facts, verdicts, author.trim())}
        >
          Save the judgements
        </button>
      </div>
    </section>
  );
}

/** Lets the browser save the judgements as corrections, one a line. */
function save(facts: Fact[], verdicts: Record<string, Verdict>, author: string) {
  const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const lines = facts
    .filter((fact) => verdicts[fact.id])
    .map((fact) =>
      JSON.stringify({
        kind: verdicts[fact.id],
        subject: fact.subject.name,
        subject_type: fact.subject.type,
        relation: fact.predicate.name,
        object: fact.object.name,
        object_type: fact.object.type,
        author,
        time,
      }),
    );
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`]));
  link.download = "corrections.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
}

const root = document.getElementById("app");
const data = document.getElementById("data")?.textContent;
if (root && data) render(<Report data={JSON.parse(data)} />, root);
