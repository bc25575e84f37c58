// Rows that could not be processed.

import { Loading, Problem } from "./bits";
import { useData } from "./context";
import { href } from "./route";

interface RejectedRow {
  stage: string;
  document_id: string | null;
  source_file: string | null;
  source_row: number | null;
  sentence_index: number | null;
  error: string;
  payload: string | null;
}

export function RejectedPage({ query }: { query: URLSearchParams }) {
  const offset = Number(query.get("offset") ?? 0) || 0;
  const { data, error } = useData<RejectedRow[]>(`rejected?offset=${offset}&limit=100`);
  return (
    <main id="main" tabIndex={-1}>
      <h1>Rejected rows</h1>
      <p>What could not be processed, and why. The graph holds nothing of it.</p>
      {error && <Problem>{error}</Problem>}
      {!data && !error && <Loading />}
      <div class="scroll" tabIndex={0} role="region" aria-label="Rejected rows">
        <table>
          <thead>
            <tr>
              <th scope="col">step</th>
              <th scope="col">reason</th>
              <th scope="col">where</th>
              <th scope="col">content</th>
            </tr>
          </thead>
          <tbody>
            {data?.map((row, place) => (
              <tr key={place}>
                <td>{row.stage}</td>
                <td>{row.error}</td>
                <td class="ids">
                  {row.document_id ?? row.source_file}
                  {row.source_row !== null && `, row ${row.source_row}`}
                  {row.sentence_index !== null && `, sentence ${row.sentence_index}`}
                </td>
                <td>
                  <bdi>{row.payload}</bdi>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data?.length === 100 && (
        <a href={href("rejected", "", { offset: String(offset + 100) })}>Next rows</a>
      )}
    </main>
  );
}
