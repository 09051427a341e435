// The client of Pasarela's API for TypeScript. Written by scripts/clients from the hub's own document: change that.
//
//   const hub = new Pasarela("http://127.0.0.1:8080", process.env.PASARELA_KEY!);
//   for await (const event of pages((cursor) => hub.getEvents({ cursor }))) console.log(event.type);
//   await hub.postConsents(statement, { key: "compra-3301" });   // sent again, it is the same one

/** A change that may be sent again: the same key, the same request, one deed. `version`: the `ETag` that was read. */
export type Once = { key?: string; version?: string };

/** An answer that is none: a problem with a stable code, whose page is at `type`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly type: string,
    /** Seconds after which it may be tried again, where the hub says so. */
    readonly retryAfter?: number,
  ) {
    super(`${status} ${code}: ${detail}`);
  }
}

/** All rows of a list, page after page. */
export async function* pages<T>(
  page: (cursor?: string) => Promise<{ data: Array<T>; next_cursor?: string | null }>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { data, next_cursor } = await page(cursor);
    yield* data;
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined);
}

const part = (text: string): string => encodeURIComponent(text);

/** How a hub is called. */
export class Caller {
  constructor(
    private readonly url: string,
    private readonly key: string,
    private readonly fetching: typeof fetch = fetch,
  ) {}

  protected async call<T>(path: string, method: string, query?: object, body?: unknown, once?: Once): Promise<T> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (once?.key) headers["idempotency-key"] = once.key;
    if (once?.version) headers["if-match"] = once.version;
    const answer = await this.fetching(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told as T;
    const wait = Number(answer.headers.get("retry-after") ?? Number.NaN);
    throw new Problem(answer.status, told.code ?? "", told.detail ?? "", told.type ?? "", Number.isNaN(wait) ? undefined : wait);
  }
}
