// A form field with its words and its error, and what a form does when it is sent.

import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { adviceOn } from '../../app/advice.ts';
import { Refusal } from '../../api/refusal.ts';
import { t, type Pair } from '../../app/lang.ts';

export interface FieldProps {
  name: string;
  label: Pair;
  hint?: Pair;
  type?: 'text' | 'password' | 'email' | 'number' | 'url' | 'datetime-local';
  autocomplete?: string;
  required?: boolean;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  error?: string;
  value?: string;
  onInput?: (value: string) => void;
}

export function Field({ name, label, hint, error, onInput, type = 'text', value, ...rest }: FieldProps) {
  const [seen, setSeen] = useState(false);
  const described = [hint && `${name}-hint`, error && `${name}-error`].filter(Boolean).join(' ');
  return (
    <div class="field">
      <label for={name}>{t(label)}{rest.required && <span class="soft"> {t(['필수', 'required'])}</span>}</label>
      <div class="with-button">
        <input id={name} name={name} {...({ type: seen ? 'text' : type } as { type: 'text' })} {...rest} value={value} aria-describedby={described || undefined} aria-invalid={error ? true : undefined}
          autocapitalize="none" spellcheck={false} onInput={(event) => onInput?.(event.currentTarget.value)} />
        {type === 'password' && <button type="button" class="quiet small" aria-pressed={seen} onClick={() => setSeen(!seen)}>{t(seen ? ['숨기기', 'Hide'] : ['보기', 'Show'])}</button>}
      </div>
      {hint && <small id={`${name}-hint`} class="soft">{t(hint)}</small>}
      {error && <small id={`${name}-error`} class="danger-text">{error}</small>}
    </div>
  );
}

export interface Sending {
  pending: boolean;
  /** By field; `form` is about the whole. */
  errors: Record<string, string>;
  submit: (event: SubmitEvent) => void;
  summary: RefObject<HTMLParagraphElement | null>;
}

/** Sends a form's values once at a time; a refusal is put at its field, and the summary takes the focus. */
export function useForm(check: (values: Record<string, string>) => Record<string, string>, send: (values: Record<string, string>) => Promise<void>): Sending {
  const [pending, setPending] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const summary = useRef<HTMLParagraphElement>(null);
  const fail = (found: Record<string, string>): void => {
    setErrors(found);
    requestAnimationFrame(() => summary.current?.focus());
  };
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (pending) return;
    const values = Object.fromEntries(new FormData(event.currentTarget as HTMLFormElement)) as Record<string, string>;
    const found = check(values);
    if (Object.keys(found).length) return fail(found);
    setPending(true);
    setErrors({});
    try {
      await send(values);
    } catch (failure) {
      fail({ [fieldOf(failure)]: wordsOf(failure) });
    } finally {
      setPending(false);
    }
  };
  return { pending, errors, submit, summary };
}

function fieldOf(failure: unknown): string {
  if (!(failure instanceof Refusal)) return 'form';
  return failure.code === 'USERNAME_EXISTS' ? 'username' : typeof failure.details.field === 'string' ? failure.details.field : 'form';
}

function wordsOf(failure: unknown): string {
  if (failure instanceof Refusal && failure.code === 'RATE_LIMITED') return t(['{n}초 뒤에 다시 시도할 수 있어요.', 'You can try again in {n} s.'], { n: Math.ceil((failure.retryAfterMs ?? 1000) / 1000) });
  return t(adviceOn(failure).text);
}

/** Takes the focus when something is wrong. */
export function Summary({ sending: { errors, summary } }: { sending: Sending }) {
  const words = Object.values(errors);
  return <p ref={summary} tabIndex={-1} role="alert" class={words.length ? 'notice bad' : 'sr'}>{words.join(' ')}</p>;
}
