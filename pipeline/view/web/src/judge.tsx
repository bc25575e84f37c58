// Facts in a row, to look through: the best ones, and a sample to judge.

import { address, type Fact } from "./api";
import { Confidence, Loading, Problem } from "./bits";
import { useData } from "./context";
import { FactEditor, FactMark } from "./edit";
import { EvidenceItem, Statement } from "./facts";
import { go, href } from "./route";

export function FactCard({ fact, live = true }: { fact: Fact; live?: boolean }) {
  // A report has a heading above those of its facts.
  const Heading = live ? "h2" : "h3";
  return (
    <article class="fact-card">
      <header class="row">
        <Heading>
          <Statement fact={fact} live={live} />
        </Heading>
        <Confidence value={fact.confidence} />
        {live && <a href={href("fact", fact.id)}>Open</a>}
        {live && <FactMark fact={fact} />}
      </header>
      {fact.evidence.map((piece) => (
        <EvidenceItem key={piece.id} evidence={piece} live={live} />
      ))}
      {live && <FactEditor fact={fact} />}
    </article>
  );
}

export function FactsPage({ query }: { query: URLSearchParams }) {
  const sample = query.get("sample");
  const { data, error } = useData<Fact[]>(
    sample === null ? "best?limit=30" : address("sample", { seed: sample, limit: 25 }),
  );
  return (
    <main id="main" tabIndex={-1}>
      <h1>{sample === null ? "Best facts" : "A sample to judge"}</h1>
      <p class="row">
        {sample === null ? (
          <>
            <span>The most confident facts, at most two of a relation.</span>
            <a href={href("facts", "", { sample: "0" })}>A sample of all facts</a>
          </>
        ) : (
          <>
            <span>As many facts of each band of confidence as of the others.</span>
            <button
              type="button"
              class="quiet"
              onClick={() => go(href("facts", "", { sample: String(Number(sample) + 1) }))}
            >
              Another sample
            </button>
          </>
        )}
      </p>
      {error && <Problem>{error}</Problem>}
      {!data && !error && <Loading />}
      {data?.map((fact) => (
        <FactCard key={fact.id} fact={fact} />
      ))}
    </main>
  );
}
