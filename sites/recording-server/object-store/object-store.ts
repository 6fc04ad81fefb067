import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';

/** A bucket of an object store that speaks as Amazon S3 does, and a folder in it. */
export interface ObjectStoreAccess {
  /** `https://host/bucket`, or `https://bucket.host`. */
  readonly bucketUrl: string;
  /** Without a slash at its ends; may be empty. */
  readonly prefix: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** One request: a segment of 32 MB over 10 Mbit/s is there before. */
const REQUEST_TIMEOUT_MS = 60_000;
/** A store that asks for less, or is about to restart: after more, the next minute tries again. */
const RETRIES = 3;
/** What a store says of an error, in a message of ours. */
const DETAIL_LENGTH_MAX = 300;

export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError';
  /** `ENOENT`: there is no such object. */
  readonly code: 'ENOENT' | 'OBJECT_STORE_REFUSED' | 'OBJECT_STORE_UNAVAILABLE';

  constructor(code: ObjectStoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface ListedObjects {
  readonly keys: readonly string[];
  /** Common beginnings up to the next slash: folders. */
  readonly folders: readonly string[];
}

const parser = new XMLParser({ isArray: name => name === 'Contents' || name === 'CommonPrefixes' });
const Listing = z.object({
  ListBucketResult: z.object({
    Contents: z.array(z.object({ Key: z.coerce.string() })).default([]),
    CommonPrefixes: z.array(z.object({ Prefix: z.coerce.string() })).default([]),
    NextContinuationToken: z.coerce.string().optional(),
  }),
});

/** The few requests that an archive needs. Keys are of letters, digits, `.`, `_`, `-` and `/`: nothing must be escaped. */
export class ObjectStore {
  readonly #bucketUrl: string;
  readonly #client: AwsClient;

  constructor({ bucketUrl, region, accessKeyId, secretAccessKey }: ObjectStoreAccess) {
    this.#bucketUrl = bucketUrl.replace(/\/$/, '');
    this.#client = new AwsClient({
      ...{ accessKeyId, secretAccessKey, region, service: 's3', retries: RETRIES, initRetryMs: 200 },
    });
  }

  /** Some bytes of an object, and how many it has in all. An object that is shorter gives fewer. */
  async read(
    key: string,
    range: { readonly position: number; readonly length: number },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<{ readonly bytes: Buffer; readonly byteLength: number }> {
    const last = range.position + range.length - 1;
    const response = await this.#request(this.#urlOf(key), {
      headers: { range: `bytes=${range.position}-${last}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const bytes = Buffer.from(await this.#bodyOf(response));
    const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (response.status === 206 && total !== undefined) return { bytes, byteLength: Number(total) };
    // A store that knows no ranges sends everything.
    return { bytes: bytes.subarray(range.position, last + 1), byteLength: bytes.length };
  }

  /** Whole and durable when it resolves. Answers whether the store has told the MD5 of what it stored, and that is the right one. */
  async write(
    key: string,
    bytes: Buffer,
    signal: AbortSignal = AbortSignal.any([]),
  ): Promise<{ readonly isProved: boolean }> {
    const response = await this.#request(this.#urlOf(key), {
      method: 'PUT',
      ...{ body: bytes, signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]) },
      headers: {
        'content-type': 'application/octet-stream',
        // Signed with the request: the store refuses what arrives otherwise.
        'x-amz-content-sha256': createHash('sha256').update(bytes).digest('hex'),
      },
    });
    await this.#bodyOf(response);
    const md5 = createHash('md5').update(bytes).digest('hex');
    return { isProved: response.headers.get('etag')?.replaceAll('"', '') === md5 };
  }

  /** Nothing happens when it is gone. */
  async remove(key: string): Promise<void> {
    try {
      await this.#bodyOf(await this.#request(this.#urlOf(key), { method: 'DELETE' }));
    } catch (error) {
      if (!(error instanceof ObjectStoreError) || error.code !== 'ENOENT') throw error;
    }
  }

  /** Page by page, in the order of the keys. `folder` ends with a slash. `deep`: also what is in folders below. */
  async *list(folder: string, { deep }: { readonly deep: boolean }): AsyncGenerator<ListedObjects> {
    for (let token: string | undefined; ; ) {
      const url = new URL(`${this.#bucketUrl}/`);
      url.searchParams.set('list-type', '2');
      url.searchParams.set('prefix', folder);
      if (!deep) url.searchParams.set('delimiter', '/');
      if (token !== undefined) url.searchParams.set('continuation-token', token);
      const text = new TextDecoder().decode(await this.#bodyOf(await this.#request(url.href, {})));
      const parsed = Listing.safeParse(parser.parse(text));
      if (!parsed.success) {
        throw new ObjectStoreError('OBJECT_STORE_REFUSED', `${url.href}: expected a list of objects`);
      }
      const { Contents, CommonPrefixes, NextContinuationToken } = parsed.data.ListBucketResult;
      yield {
        keys: Contents.map(({ Key }) => Key),
        folders: CommonPrefixes.map(({ Prefix }) => Prefix),
      };
      if (NextContinuationToken === undefined || NextContinuationToken === '') return;
      token = NextContinuationToken;
    }
  }

  #urlOf(key: string): string {
    return `${this.#bucketUrl}/${key}`;
  }

  async #request(url: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.#client.fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...init });
    } catch (error) {
      throw unavailable(url, error);
    }
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    const detail = `${url}: ${response.status} ${text.slice(0, DETAIL_LENGTH_MAX)}`;
    if (response.status === 404 && !text.includes('NoSuchBucket'))
      throw new ObjectStoreError('ENOENT', detail);
    const isBusy = response.status >= 500 || response.status === 429;
    throw new ObjectStoreError(isBusy ? 'OBJECT_STORE_UNAVAILABLE' : 'OBJECT_STORE_REFUSED', detail);
  }

  async #bodyOf(response: Response): Promise<ArrayBuffer> {
    try {
      return await response.arrayBuffer();
    } catch (error) {
      throw unavailable(response.url, error);
    }
  }
}

function unavailable(url: string, error: unknown): ObjectStoreError {
  const { message, cause } = error as Error;
  const detail = cause instanceof Error ? cause.message : message;
  return new ObjectStoreError('OBJECT_STORE_UNAVAILABLE', `${url}: ${detail}`, { cause: error });
}
