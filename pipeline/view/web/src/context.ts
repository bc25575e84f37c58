// What all pages know of the graph: its types, and whether it can be edited.

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { ApiError, get, type Overview } from "./api";

export interface Shared {
  overview: Overview;
  edit: boolean;
  /** Grows when another snapshot is shown or a correction is written. */
  version: number;
  changed: () => void;
}

export const SharedContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) throw new Error("no graph");
  return shared;
}

/** The class that gives an entity type its colour: the most frequent types differ. */
export function useTypeClass(): (type: string) => string {
  const { overview } = useShared();
  const names = [...new Set(overview.types.map((row) => row.name))];
  return (type) => `t${Math.max(0, names.indexOf(type)) % 8}`;
}

export interface Loaded<Answer> {
  data: Answer | null;
  error: string | null;
  loading: boolean;
}

/** Data of the server; those of the last address stay until the new ones are there. */
export function useData<Answer>(path: string | null): Loaded<Answer> {
  const version = useContext(SharedContext)?.version ?? 0;
  const [state, setState] = useState<Loaded<Answer>>({ data: null, error: null, loading: true });
  useEffect(() => {
    if (path === null) return;
    const aborter = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    get<Answer>(path, aborter.signal).then(
      (data) => setState({ data, error: null, loading: false }),
      (error) => {
        if (aborter.signal.aborted) return;
        setState({ data: null, error: messageOf(error), loading: false });
      },
    );
    return () => aborter.abort();
  }, [path, version]);
  return state;
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return "The server does not answer. Is pfn-kg view running?";
  return String(error);
}
