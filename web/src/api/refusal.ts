// What a call can end with other than an answer.

import type { ErrorCode } from './contract.ts';

/** The server said no, and why. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: ErrorCode;
  readonly details: Record<string, any>;
  readonly traceId: string;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, error: { code: string; message?: string; trace_id?: string; details?: object }, retryAfterMs?: number) {
    super(error.message ?? error.code);
    this.name = 'Refusal';
    this.status = status;
    this.code = error.code as ErrorCode;
    this.details = (error.details as Record<string, any>) ?? {};
    this.traceId = error.trace_id ?? '';
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer came: the network failed, or time ran out. The effect of the request is not known. */
export class Unreached extends Error {
  override name = 'Unreached';
}

export type Failure = Refusal | Unreached;

/** Whether the same request with the same key may still succeed without anybody doing anything. */
export function isPassing(failure: unknown): boolean {
  return failure instanceof Unreached || (failure instanceof Refusal && (failure.status === 429 || failure.status >= 500));
}

/** The refusal's code, or nothing where no answer came. */
export const codeOf = (failure: unknown): ErrorCode | undefined => (failure instanceof Refusal ? failure.code : undefined);
